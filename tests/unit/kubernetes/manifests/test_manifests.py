"""Every object that a valid declaration gives is one that the API takes, safe, and nobody else's."""

from typing import Any

import pytest
from gpu_declarations import cluster, declarations, endpoint, plan
from hypothesis import given, settings
from schemas import problems

from model_packaging.validation import parse
from scaletozero.kubernetes.checks.objects import object_findings
from scaletozero.kubernetes.manifests.nodes import plan_gpu_node_pool
from scaletozero.kubernetes.plan import GpuPlan, plan_gpu_endpoint
from scaletozero.kubernetes.prerequisites import plan_prerequisites
from scaletozero.settings.gpu import GpuEndpointSettings
from scaletozero.settings.gpu_pools import GpuNodePoolSettings, QuietHours
from scaletozero.settings.prerequisites import PrerequisitesSettings


def everything(planned: GpuPlan) -> list[dict[str, Any]]:
    return [*planned.objects, *(planned.warm.objects if planned.warm else ())]


@settings(max_examples=200)
@given(declarations())
def test_what_is_declared_right_has_no_finding_and_only_objects_that_the_api_takes(declared) -> None:
    name, declaration, model = declared
    planned = plan_gpu_endpoint(name, parse(GpuEndpointSettings, declaration, name), model)
    assert planned.findings == ()
    found = [problem for each in everything(planned) for problem in problems(each)]
    assert found == []


@settings(max_examples=50)
@given(declarations())
def test_no_pod_has_a_right_that_it_need_not_have(declared) -> None:
    name, declaration, model = declared
    planned = plan_gpu_endpoint(name, parse(GpuEndpointSettings, declaration, name), model)
    for each in everything(planned):
        if each["kind"] == "ServiceAccount":
            assert each["automountServiceAccountToken"] is False
        if each["kind"] != "Deployment":
            continue
        pod = each["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] >= 1000
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            rights = container["securityContext"]
            writable = declaration["cluster"]["cdi"] and container["name"] == "serving"
            assert rights["readOnlyRootFilesystem"] is not writable
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}
        assert all(set(volume) & {"emptyDir", "persistentVolumeClaim"} for volume in pod.get("volumes", []))


@settings(max_examples=50)
@given(declarations(), declarations())
def test_two_endpoints_in_a_namespace_do_not_touch_each_other(one, other) -> None:
    plans = []
    for suffix, (name, declaration, model) in zip("ab", (one, other), strict=True):
        plans.append(plan_gpu_endpoint(f"{name}{suffix}", parse(GpuEndpointSettings, declaration, name), model))
    names = [
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"])
        for planned in plans
        for each in everything(planned)
    ]
    assert len(names) == len(set(names))
    first, second = (planned.object("Deployment")["spec"]["template"]["metadata"]["labels"] for planned in plans)
    for labels, planned in ((second, plans[0]), (first, plans[1])):
        for kind in ("Service", "NetworkPolicy", "PodDisruptionBudget", "Deployment"):
            spec = planned.object(kind)["spec"]
            wanted = spec.get("podSelector") or spec["selector"]
            wanted = wanted.get("matchLabels", wanted)
            assert not wanted.items() <= labels.items()
    hosts = [planned.object("InterceptorRoute")["spec"]["rules"][0]["hosts"][0] for planned in plans]
    assert len(set(hosts)) == 2


def test_a_plan_is_the_same_each_time() -> None:
    assert plan(scaling__buffer=1).objects == plan(scaling__buffer=1).objects


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"static": 2},
        {"capacity": ["reserved", "on-demand"], "nodes": {"role": "nodes", "reservations": ["cr-0123456789abcdef0"]}},
        {"nodes": {"role": "nodes", "snapshot": "snap-0123456789abcdef0", "kms_key": "arn:aws:kms:x:1:key/1"}},
        {"nodes": {"role": "nodes", "parallel_pull": True}},
        {"zones": ["eu-central-1a"], "quiet_hours": [{"start": "07:00", "hours": 11}]},
        {"taints": [{"key": "gpu", "value": "llm"}, {"key": "nvidia.com/gpu"}]},
    ],
)
def test_pools_of_karpenter_are_ones_that_the_api_takes(changes: dict[str, Any]) -> None:
    declared = {
        "cluster": "prod",
        "region": "eu-central-1",
        "types": ["g6.xlarge", "g6e.xlarge"],
        "max_gpus": 4,
        "nodes": {"role": "nodes"},
        **changes,
    }
    planned = plan_gpu_node_pool("gpu", parse(GpuNodePoolSettings, declared, "gpu"))
    assert [problem for each in planned.objects for problem in problems(each)] == []
    assert planned.usd_per_hour == 9.308


def test_pools_of_auto_mode_are_ones_that_the_api_takes() -> None:
    declared = {
        "cluster": "prod",
        "region": "eu-central-1",
        "provider": "auto-mode",
        "types": ["g6.xlarge"],
        "max_gpus": 4,
        "nodes": {"role": "nodes"},
    }
    node_class, pool = plan_gpu_node_pool("gpu", parse(GpuNodePoolSettings, declared, "gpu")).objects
    assert problems(node_class) + problems(pool) == []
    reference = {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": "gpu"}
    assert pool["spec"]["template"]["spec"]["nodeClassRef"] == reference


def test_a_pool_limits_gpus_and_never_empties_a_node_to_save_money() -> None:
    declared = {
        "cluster": "prod",
        "region": "eu-central-1",
        "types": ["g6.xlarge"],
        "max_gpus": 4,
        "quiet_hours": [{"start": "07:30", "hours": 11}],
        "nodes": {"role": "nodes"},
    }
    node_class, pool = plan_gpu_node_pool("gpu", parse(GpuNodePoolSettings, declared, "gpu")).objects
    assert pool["spec"]["limits"] == {"nvidia.com/gpu": "4"}
    assert pool["spec"]["disruption"] == {
        "consolidationPolicy": "WhenEmpty",
        "consolidateAfter": "300s",
        "budgets": [
            {"nodes": "100%", "reasons": ["Empty"]},
            {"nodes": "1", "reasons": ["Drifted", "Underutilized"]},
            {"nodes": "0", "reasons": ["Drifted"], "schedule": "30 7 * * 1-5", "duration": "11h"},
        ],
    }
    assert node_class["spec"]["metadataOptions"]["httpTokens"] == "required"
    assert node_class["spec"]["blockDeviceMappings"][0]["ebs"]["encrypted"] is True


@pytest.mark.parametrize(
    "types, max_gpus, nodes",
    [(["g6.xlarge"], 2, "2"), (["g6.xlarge"], 9, "3"), (["g6.xlarge", "g6e.12xlarge"], 11, "2")],
)
def test_a_fixed_number_of_nodes_stays_within_the_bound_of_the_bill(
    types: list[str], max_gpus: int, nodes: str
) -> None:
    declared = {"cluster": "prod", "region": "eu-central-1", "types": types, "nodes": {"role": "nodes"}}
    planned = plan_gpu_node_pool(
        "gpu", parse(GpuNodePoolSettings, {**declared, "max_gpus": max_gpus, "static": 2}, "gpu")
    )
    assert planned.objects[1]["spec"]["limits"] == {"nodes": nodes}
    assert problems(planned.objects[1]) == []


@pytest.mark.parametrize(
    "days, cron",
    [
        ("*", "*"),
        ("1-5", "1-5"),
        ("0,2-4,6-6", "0,2-4,6-6"),
        ("mon-fri", "1,2,3,4,5"),
        ("fri-mon", "0,1,5,6"),
        ("Mon,wed,sat-sun", "0,1,3,6"),
        ("mon-sun", "*"),
    ],
)
def test_quiet_days_are_written_as_karpenter_reads_them(days: str, cron: str) -> None:
    quiet = parse(QuietHours, {"start": "23:30", "hours": 8, "days": days})
    assert quiet.cron == f"30 23 * * {cron}"
    assert parse(QuietHours, quiet.model_dump()) == quiet


def test_as_many_quiet_hours_as_a_pool_takes() -> None:
    declared = {
        "cluster": "prod",
        "region": "eu-central-1",
        "types": ["g6.xlarge"],
        "max_gpus": 4,
        "quiet_hours": [{"start": "07:00", "hours": 1}] * 48,
        "nodes": {"role": "nodes"},
    }
    _, pool = plan_gpu_node_pool("gpu", parse(GpuNodePoolSettings, declared, "gpu")).objects
    assert len(pool["spec"]["disruption"]["budgets"]) == 50
    assert problems(pool) == []


@pytest.mark.parametrize("nodes", ["karpenter", "auto-mode", "managed"])
def test_prerequisites_are_a_namespace_that_refuses_unsafe_pods_a_quota_and_no_traffic(nodes: str) -> None:
    declared = {"cluster": cluster(nodes=nodes), "namespaces": [{"name": "models", "gpu_quota": 8}]}
    planned = plan_prerequisites(parse(PrerequisitesSettings, declared, "cluster"))
    assert [problem for each in planned.objects for problem in problems(each)] == []
    namespace, quota, deny = planned.objects
    labels = namespace["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["pod-security.kubernetes.io/enforce-version"] == "v1.34"
    assert quota["spec"]["hard"] == {"requests.nvidia.com/gpu": "8"}
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert [(chart.name, chart.version) for chart in planned.charts] == [("keda", "2.20.2"), ("http-add-on", "0.15.0")]
    assert planned.findings == ()


def test_a_device_plugin_is_installed_where_it_is_asked_for_on_gpu_nodes_only() -> None:
    chart = {"install": True, "repository": "oci://mirror.example.com/charts"}
    declared = {
        "cluster": cluster(nodes="managed"),
        "namespaces": [{"name": "models", "gpu_quota": 8}],
        "device_plugin": chart,
    }
    plugin = plan_prerequisites(parse(PrerequisitesSettings, declared, "cluster")).charts[-1]
    assert (plugin.repository, plugin.namespace) == ("oci://mirror.example.com/charts", "kube-system")
    required = plugin.values["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (expression,) = required["nodeSelectorTerms"][0]["matchExpressions"]
    assert "g6.xlarge" in expression["values"]


def test_a_chart_s_further_values_leave_the_others_as_they_are() -> None:
    declared = {
        "cluster": cluster(),
        "namespaces": [{"name": "models", "gpu_quota": 8}],
        "http_addon": {"values": {"interceptor": {"resources": {}, "replicas": {"max": 9}}}},
    }
    values = plan_prerequisites(parse(PrerequisitesSettings, declared, "p")).charts[1].values
    assert values["interceptor"] == {
        "replicas": {"min": 3, "max": 9},
        "pdb": {"enabled": True, "maxUnavailable": 1},
        "resources": {},
    }


def test_an_endpoint_fits_the_cluster_that_the_prerequisites_make() -> None:
    bare = cluster(keda=None, http_addon=None, crds=[], gpu_quota={})
    declared = {"cluster": bare, "namespaces": [{"name": "models", "gpu_quota": 2}]}
    made = plan_prerequisites(parse(PrerequisitesSettings, declared, "platform")).cluster
    assert (made.keda, made.http_addon, made.gpu_quota) == ("2.20.2", "0.15.0", {"models": 2})
    before = plan(cluster=bare, overrides__monitoring=False)
    assert {each.path for each in before.findings} == {"cluster.keda", "cluster.http_addon", "cluster.crds"}
    assert plan(cluster=made.model_dump(), overrides__monitoring=False).findings == ()


def template(planned: GpuPlan) -> dict[str, Any]:
    return planned.object("Deployment")["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    "change, field",
    [
        (lambda pod: pod["containers"][0]["resources"]["requests"].pop("nvidia.com/gpu"), "resources.requests"),
        (
            lambda pod: (
                pod["securityContext"].pop("runAsNonRoot")
                and pod["containers"][0]["securityContext"].pop("runAsNonRoot")
            ),
            "runAsNonRoot",
        ),
        (
            lambda pod: pod["containers"][0]["securityContext"].update(allowPrivilegeEscalation=True),
            "allowPrivilegeEscalation",
        ),
        (lambda pod: pod["containers"][0]["securityContext"].pop("capabilities"), "capabilities"),
        (lambda pod: pod["securityContext"].pop("seccompProfile"), "seccompProfile"),
        (lambda pod: pod["containers"][0].pop("readinessProbe"), "readinessProbe"),
        (lambda pod: pod.pop("automountServiceAccountToken"), "automountServiceAccountToken"),
    ],
)
def test_a_fault_in_a_finished_object_is_found(change, field: str) -> None:
    planned = plan()
    assert object_findings(planned.objects) == []
    change(template(planned))
    (found,) = object_findings(planned.objects)
    assert found.path.endswith(field)
    assert found.fix or found.consequence


def test_a_declaration_stays_as_it_was_written() -> None:
    declaration = endpoint()
    parse(GpuEndpointSettings, declaration, "llm")
    assert declaration == endpoint()
