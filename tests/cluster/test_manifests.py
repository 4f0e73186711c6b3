"""A real API server takes every object that a valid declaration gives, strictly, with the definitions' own rules.

So does kubernetes-validate, which is what checks them where there is no cluster.
"""

import copy
import json
from typing import Any

import pytest
from clusters import accepted
from gpu_declarations import cluster, declarations, plan
from hypothesis import Phase, given, settings

from model_packaging.validation import parse
from scaletozero.gateway.pods import plan_pods
from scaletozero.kubernetes.api import ApiError, KubernetesApi
from scaletozero.kubernetes.manifests.gateway import CONTENTS, DIGEST
from scaletozero.kubernetes.manifests.hosts import AUTO_MODE_CRD, CILIUM_CRD
from scaletozero.kubernetes.manifests.nodes import plan_gpu_node_pool
from scaletozero.kubernetes.plan import GpuPlan, plan_gpu_endpoint
from scaletozero.kubernetes.prerequisites import plan_prerequisites
from scaletozero.sandbox.providers.kube.rendered import validate
from scaletozero.settings.gpu import GpuEndpointSettings
from scaletozero.settings.gpu_pools import GpuNodePoolSettings
from scaletozero.settings.inference_gateway import InferenceGatewaySettings
from scaletozero.settings.prerequisites import PrerequisitesSettings


@pytest.fixture(scope="module")
def namespaces(api: KubernetesApi) -> None:
    """The namespace of the endpoints as the prerequisites make it: enforcing the restricted Pod Security Standard.

    Without its quota: a quota admits no pod before a controller has counted.
    """
    declared = {"cluster": cluster(), "namespaces": [{"name": "models", "gpu_quota": 8}]}
    planned = plan_prerequisites(parse(PrerequisitesSettings, declared, "cluster"))
    for each in planned.objects:
        if each["kind"] != "ResourceQuota":
            api.apply(each, force=True)


def objects_of(planned: GpuPlan) -> list[dict[str, Any]]:
    return [*planned.objects, *(planned.warm.objects if planned.warm else ())]


# No shrinking: each try asks the API server dozens of times, and the declaration that failed is shown anyway.
@settings(max_examples=200, phases=[Phase.generate])
@given(declarations())
def test_every_valid_declaration(api: KubernetesApi, namespaces: None, declared: Any) -> None:
    name, declaration, model = declared
    planned = plan_gpu_endpoint(name, parse(GpuEndpointSettings, declaration, name), model)
    assert planned.findings == ()
    for each in objects_of(planned):
        validate(each)
    accepted(api, objects_of(planned))


POOL: dict[str, Any] = {
    "cluster": "prod",
    "region": "eu-central-1",
    "types": ["g6.xlarge", "g6e.xlarge"],
    "max_gpus": 4,
    "nodes": {"role": "nodes"},
}
RESERVED = {"role": "nodes", "reservations": ["cr-0123456789abcdef0"]}
CACHED = {"role": "nodes", "snapshot": "snap-0123456789abcdef0", "kms_key": "arn:aws:kms:eu-central-1:1:key/1"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"static": 2},
        {"capacity": ["reserved", "on-demand"], "nodes": RESERVED},
        {"capacity": ["spot", "on-demand"]},
        {"nodes": CACHED},
        {"zones": ["eu-central-1a"], "quiet_hours": [{"start": "07:00", "hours": 11}]},
        {"taints": [{"key": "gpu", "value": "llm"}, {"key": "nvidia.com/gpu"}]},
        {"provider": "auto-mode"},
        {"provider": "auto-mode", "static": 1, "zones": ["eu-central-1a", "eu-central-1b"]},
    ],
    ids=str,
)
def test_every_kind_of_node_pool(api: KubernetesApi, changes: dict[str, Any]) -> None:
    name = f"pool-{abs(hash(str(changes))):x}"
    accepted(api, [*plan_gpu_node_pool(name, parse(GpuNodePoolSettings, {**POOL, **changes}, name)).objects])


@pytest.mark.parametrize("nodes", ["karpenter", "auto-mode", "managed"])
def test_the_prerequisites(api: KubernetesApi, nodes: str) -> None:
    declared = {"cluster": cluster(nodes=nodes), "namespaces": [{"name": f"team-{nodes}", "gpu_quota": 8}]}
    accepted(api, [*plan_prerequisites(parse(PrerequisitesSettings, declared, "cluster")).objects])


@pytest.mark.parametrize(
    "there",
    [{"crds": []}, {"crds": [CILIUM_CRD]}, {"crds": [AUTO_MODE_CRD], "nodes": "auto-mode"}],
    ids=["addresses", "cilium", "auto-mode"],
)
def test_the_pods_of_a_gateway(api: KubernetesApi, namespaces: None, there: Any) -> None:
    known = {each["metadata"]["name"] for each in api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")}
    if missing := {*there["crds"]} - known:
        pytest.skip(f"the definitions {', '.join(missing)} are not at CRD_DIR")
    image = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/gateway:1.2.3"
    pods = {"cluster": cluster(**there), "namespace": "models", "image": image, "https_cidrs": ["10.0.0.0/16"]}
    llm = {"endpoint_name": "llm", "host": "llm.models", "usd_per_hour": 1.5}
    models = {"chat": {"targets": [{"endpoint": "llm", "speaks": ["chat"]}]}}
    written = {"region": "eu-central-1", "pods": pods, "models": models, "endpoints": {"llm": llm}}
    declared = parse(InferenceGatewaySettings, written, "gateway")
    assert declared.pods
    planned = plan_pods("door", declared, declared.pods)
    assert planned.findings == ()
    objects = json.loads(json.dumps(planned.objects).replace(DIGEST, "0123456789").replace(CONTENTS, "{}"))
    for each in objects:
        validate(each)
    accepted(api, objects)


def spec_of(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(each for each in objects if each["kind"] == kind)["spec"]


@pytest.mark.parametrize(
    ("kind", "fault", "says"),
    [
        ("Deployment", lambda spec: spec.update(replica=1), "field not declared in schema"),
        ("ScaledObject", lambda spec: spec.update(minReplicas=1), "field not declared in schema"),
        ("ScaledObject", lambda spec: spec.update(minReplicaCount=9, maxReplicaCount=1), "minReplicaCount"),
        ("InterceptorRoute", lambda spec: spec["target"].update(port=80), "port"),
        ("InterceptorRoute", lambda spec: spec.pop("scalingMetric"), "scalingMetric"),
        ("CapacityBuffer", lambda spec: spec.update(podTemplateRef={"name": "x"}), "but not both"),
        ("PodDisruptionBudget", lambda spec: spec.update(minAvailable=1), "minAvailable"),
    ],
)  # fmt: skip
def test_the_server_is_one_that_refuses(api: KubernetesApi, namespaces: None, kind: str, fault: Any, says: str) -> None:
    objects = copy.deepcopy(objects_of(plan("refused", scaling__buffer=1)))
    fault(spec_of(objects, kind))
    faulty = next(each for each in objects if each["kind"] == kind)
    with pytest.raises(ApiError, match=says):
        api.apply(faulty, force=True, dry_run=True)


@pytest.mark.parametrize(
    "fault",
    [
        lambda pod: pod["containers"][0]["securityContext"].update(allowPrivilegeEscalation=True),
        lambda pod: pod["containers"][0]["securityContext"].pop("capabilities"),
        lambda pod: pod["securityContext"].pop("seccompProfile"),
        lambda pod: pod.update(hostNetwork=True),
        lambda pod: pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    ],
)
def test_the_namespace_is_one_that_refuses(api: KubernetesApi, namespaces: None, fault: Any) -> None:
    template = copy.deepcopy(plan("refused").object("Deployment")["spec"]["template"])
    fault(template["spec"])
    metadata = {**template["metadata"], "name": "refused", "namespace": "models"}
    with pytest.raises(ApiError, match=r'violates PodSecurity "restricted:v1\.34"'):
        api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}, dry_run=True)
