"""A real API server refuses pods that could run outside of the allowed Regions."""

import copy
from typing import Any

import pytest
from clusters import accepted, eventually
from gpu_declarations import cluster, plan
from residency_holds import ADMISSION
from residency_leaks import LEAKS

from model_packaging.validation import parse
from scaletozero.kubernetes.api import ApiError, KubernetesApi
from scaletozero.kubernetes.manifests.residency import REGION_LABEL
from scaletozero.kubernetes.prerequisites import plan_prerequisites
from scaletozero.settings.prerequisites import PrerequisitesSettings

NAMESPACE, REGION = "resident", "eu-central-1"


def pod(**spec: Any) -> dict[str, Any]:
    """A pod that the restricted Pod Security Standard admits; `None` takes a field away."""
    template = copy.deepcopy(plan("resident").object("Deployment")["spec"]["template"])
    merged = {key: value for key, value in {**template["spec"], **spec}.items() if value is not None}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "it", "namespace": NAMESPACE, "labels": template["metadata"]["labels"]},
        "spec": merged,
    }


def affinity(*terms: list[dict[str, Any]]) -> dict[str, Any]:
    selector = {"nodeSelectorTerms": [{"matchExpressions": each} for each in terms]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}


def in_regions(*values: str, operator: str = "In") -> dict[str, Any]:
    return {"key": REGION_LABEL, "operator": operator, "values": list(values)}


DECLARED = {
    "cluster": cluster(),
    "namespaces": [{"name": NAMESPACE, "gpu_quota": 8}],
    "residency": [REGION, "eu-west-1"],
}
# A quota admits no pod before a controller has counted.
OBJECTS = [
    each
    for each in plan_prerequisites(parse(PrerequisitesSettings, DECLARED, "cluster")).objects
    if each["kind"] != "ResourceQuota"
]
ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "resident", "namespace": NAMESPACE}}


EARLIER = pod(affinity=None)
"""A pod that was there before the policies."""
EARLIER["metadata"]["name"] = "earlier"


@pytest.fixture(scope="module")
def resident(api: KubernetesApi) -> KubernetesApi:
    api.apply(OBJECTS[0], force=True)
    api.apply(ACCOUNT, force=True)
    api.create(EARLIER)
    accepted(api, OBJECTS)
    # The server takes a moment to learn of a policy.
    eventually(lambda: "required node affinity" in _refused(api, pod(affinity=None)))
    return api


def _refused(api: KubernetesApi, each: dict[str, Any]) -> str:
    try:
        api.create(each, dry_run=True)
    except ApiError as error:
        return str(error)
    return ""


ZONE = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eu-central-1a"]}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"affinity": None, "nodeSelector": {REGION_LABEL: REGION}},
        {"affinity": affinity([in_regions(REGION)], [ZONE, in_regions("eu-west-1", REGION)])},
    ],
)
def test_a_pod_that_demands_the_regions_is_admitted(resident: KubernetesApi, spec: dict[str, Any]) -> None:
    assert resident.create(pod(**spec), dry_run=True)["metadata"]["name"] == "it"


@pytest.mark.parametrize(
    "spec",
    [
        {"affinity": None},
        {"affinity": None, "nodeSelector": {REGION_LABEL: "us-east-1"}},
        {"affinity": affinity([in_regions("us-east-1")])},
        {"affinity": affinity([in_regions(REGION, "us-east-1")])},
        {"affinity": affinity([in_regions("us-east-1", operator="NotIn")])},
        {"affinity": affinity([{"key": REGION_LABEL, "operator": "Exists"}])},
        # Terms are alternatives: the second opens every Region.
        {"affinity": affinity([in_regions(REGION)], [ZONE])},
    ],
)
def test_a_pod_that_could_run_elsewhere_is_refused(resident: KubernetesApi, spec: dict[str, Any]) -> None:
    assert f"this namespace is for nodes in {REGION},eu-west-1: write a required node affinity" in _refused(
        resident, pod(**spec)
    )


@pytest.mark.parametrize("case", sorted(ADMISSION))
def test_each_leak_that_the_table_says_is_refused_here_is(resident: KubernetesApi, case: str) -> None:
    [leak], _ = LEAKS[case]
    template = leak.properties["spec"]["template"]["spec"]
    placed = {"affinity": None, **{key: value for key, value in template.items() if key != "containers"}}
    assert "write a required node affinity" in _refused(resident, pod(**placed))


def test_a_preference_is_no_demand(resident: KubernetesApi) -> None:
    preferred = [{"weight": 100, "preference": {"matchExpressions": [in_regions(REGION)]}}]
    only = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    assert "required node affinity" in _refused(resident, pod(affinity=only))


def test_nobody_goes_past_the_scheduler(resident: KubernetesApi) -> None:
    assert "nodeName bypasses the scheduler" in _refused(resident, pod(nodeName="somewhere"))
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "earlier", "namespace": NAMESPACE},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "somewhere"},
    }
    assert "only system:kube-scheduler binds pods to nodes" in _refused(resident, binding)


def test_nobody_debugs_a_pod_that_could_run_elsewhere(resident: KubernetesApi) -> None:
    container = {**EARLIER["spec"]["containers"][0], "name": "debug"}
    kept = ("name", "image", "securityContext")
    change = {"spec": {"ephemeralContainers": [{key: container[key] for key in kept}]}}
    with pytest.raises(ApiError, match="required node affinity"):
        resident.patch(EARLIER, change, subresource="ephemeralcontainers")


def test_placeholders_of_warm_nodes_are_admitted(resident: KubernetesApi) -> None:
    planned = plan("resident", scaling__buffer=1, scaling__buffer_by="placeholder")
    assert planned.warm
    pods = [each["spec"]["template"]["spec"] for each in planned.warm.objects if each["kind"] == "Deployment"]
    assert pods
    for spec in pods:
        # The class of their priority is not on this cluster.
        placed = {key: value for key, value in spec.items() if key != "priorityClassName"}
        assert resident.create({**pod(), "spec": placed}, dry_run=True)["spec"]["containers"]


def test_without_its_parameters_the_policy_refuses_every_pod(resident: KubernetesApi) -> None:
    parameters = next(each for each in OBJECTS if each["kind"] == "ConfigMap")
    resident.delete(parameters)
    eventually(lambda: "no params found" in _refused(resident, pod()))
    resident.apply(parameters, force=True)
    eventually(lambda: not _refused(resident, pod()))
