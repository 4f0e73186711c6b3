"""How GPU nodes are kept warm: by which means, for which reason, and the exact objects."""

from typing import Any

import pytest
from gpu_declarations import CRDS, WINDOWS, cluster, endpoint, plan, warm

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import parse
from scaletozero.kubernetes.facts.backend import choose_backend
from scaletozero.kubernetes.warm import plan_warm_pool
from scaletozero.settings.cluster import Cluster
from scaletozero.settings.gpu_warm_pool import GpuWarmPoolSettings

DATED = {key: value for key, value in WINDOWS[0].items() if key != "days"}
OF_FOUR = {"name": "gpu", "types": ["g6e.12xlarge"], "max_gpus": 16}
STATIC = {"name": "gpu", "types": ["g6.xlarge"], "max_gpus": 8, "static": 2}


def found_in(name: str = "spare", **changes: Any) -> list[Finding]:
    return list(plan_warm_pool(name, parse(GpuWarmPoolSettings, warm(**changes), "warm")).findings)


def facts(**changes: Any) -> Cluster:
    return parse(
        Cluster, endpoint(**{f"cluster__{key}": value for key, value in changes.items()})["cluster"], "cluster"
    )


@pytest.mark.parametrize(
    "changes, scheduled, kind, reason",
    [
        ({}, False, "buffer", "Karpenter keeps the capacity ready itself"),
        ({}, True, "placeholder", "follow a schedule"),
        ({"karpenter": "1.13.0"}, False, "placeholder", "1.14"),
        ({"karpenter": None}, False, "placeholder", "not installed"),
        ({"feature_gates": []}, False, "placeholder", "feature gate"),
        ({"crds": []}, False, "placeholder", "capacitybuffers.autoscaling.x-k8s.io"),
        ({"nodes": "auto-mode"}, False, "placeholder", "requires Karpenter"),
        ({"nodes": "managed"}, False, "managed", "own warm pool"),
        ({"nodes": "managed"}, True, "placeholder", "follow a schedule"),
        (
            {"pools": [{"name": "gpu", "types": ["g6.xlarge"], "max_gpus": 8, "static": 2}]},
            False,
            "static",
            "always runs 2",
        ),
    ],
)
def test_how_nodes_are_kept_warm_and_why(changes: dict[str, Any], scheduled: bool, kind: str, reason: str) -> None:
    cluster = facts(**changes)
    found = choose_backend(cluster, cluster.pools[0], scheduled=scheduled)
    assert found.kind == kind
    assert reason in found.reason


def test_a_buffer_reads_the_endpoint_s_own_template() -> None:
    planned = plan(scaling__buffer=2)
    assert planned.warm
    (buffer,) = planned.warm.objects
    assert buffer["spec"] == {
        "provisioningStrategy": "buffer.x-k8s.io/active-capacity",
        "scalableRef": {"apiGroup": "apps", "kind": "Deployment", "name": "llm"},
        "replicas": 2,
    }
    assert planned.warm.usd_per_hour == pytest.approx(2 * 1.0064)


def test_placeholders_pull_the_image_and_give_way_at_once() -> None:
    planned = plan(scaling__buffer=2, cluster__feature_gates=[])
    assert planned.warm
    priority, placeholder = planned.warm.objects
    assert (priority["value"], priority["preemptionPolicy"], priority["globalDefault"]) == (-10, "Never", False)
    pod = placeholder["spec"]["template"]["spec"]
    served = planned.object("Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert pod["priorityClassName"] == priority["metadata"]["name"] == "models.llm-warm"
    assert pod["terminationGracePeriodSeconds"] == 0
    (container,) = pod["containers"]
    # No other image: one of a public registry would come from outside of a residency.
    assert (container["image"], container["command"]) == (served["image"], ["sleep", "infinity"])
    assert "initContainers" not in pod
    assert container["resources"] == served["resources"]
    assert placeholder["spec"]["replicas"] == 2


def test_placeholders_follow_a_schedule() -> None:
    planned = plan_warm_pool("llm-warm", parse(GpuWarmPoolSettings, warm(replicas=0, schedule=WINDOWS[:1]), "warm"))
    scaled = planned.objects[-1]["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (0, 2)
    assert scaled["triggers"][0]["metadata"]["start"] == "57 7 * * 1,2,3,4,5"
    assert planned.findings == ()


@pytest.mark.parametrize(
    "changes, path",
    [
        ({"replicas": 0}, "warm.replicas"),
        ({"pool": "cpu"}, "warm.pool"),
        ({"schedule": [WINDOWS[0], WINDOWS[0]]}, "warm.schedule.1"),
        ({"replicas": 2, "schedule": [WINDOWS[0]]}, "warm.schedule.0.min"),
        ({"types": []}, "warm.types"),
        ({"endpoint": "LLM"}, "warm.endpoint"),
        ({"schedule": [{**DATED, "date": "2027-01-04"}]}, "warm.schedule.0.date"),
    ],
)
def test_warm_pools_that_are_wrong(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(FindingsError) as error:
        parse(GpuWarmPoolSettings, warm(**{"replicas": 1, **changes}), "warm")
    assert [found.path for found in error.value.findings] == [path]


def test_a_buffer_cannot_follow_a_schedule() -> None:
    settings = parse(GpuWarmPoolSettings, warm(replicas=0, schedule=WINDOWS[:1], backend="buffer"), "warm")
    (found,) = plan_warm_pool("llm-warm", settings).findings
    assert (found.path, found.fix) == ("backend", "write `auto`")


@pytest.mark.parametrize(
    "backend, facts, fix",
    [
        ("auto", {"pools": [STATIC]}, "remove the schedule"),
        ("static", {"pools": [STATIC]}, "remove the schedule"),
        ("managed", {"nodes": "managed", "pools": [{**STATIC, "static": None, "warm": 3}]}, "write `auto`"),
    ],
)
def test_nodes_that_are_always_there_follow_no_schedule(backend: str, facts: dict[str, Any], fix: str) -> None:
    (found,) = found_in(schedule=WINDOWS[:1], backend=backend, cluster=cluster(**facts))
    assert (found.path, found.rule, found.fix) == ("backend", "cannot follow a schedule", fix)


def test_the_price_is_of_the_most_that_is_ever_held() -> None:
    planned = plan_warm_pool("spare", parse(GpuWarmPoolSettings, warm(replicas=1, schedule=[WINDOWS[1]]), "warm"))
    assert planned.usd_per_hour == 3.0192


@pytest.mark.parametrize(
    "changes, path, fix",
    [
        ({"replicas": 9, "backend": "buffer"}, "replicas", "raise the pool's limit to 9"),
        ({"schedule": [{**WINDOWS[0], "min": 9}], "cluster": cluster(gpu_quota={})}, "schedule", "limit to 9"),
        ({"replicas": 9, "backend": "placeholder", "cluster": cluster(gpu_quota={})}, "replicas", "limit to 9"),
        (
            {"replicas": 3, "backend": "placeholder", "cluster": cluster(gpu_quota={"models": 2})},
            "replicas",
            "quota to 3",
        ),
        ({"replicas": 1, "types": ["g6.xlarge", "g5.xlarge"]}, "types.1", "g6.xlarge, g6e.xlarge"),
        ({"replicas": 1, "types": ["p5.4xlarge"]}, "types.0", "another type"),
        ({"replicas": 1, "gpus": 2}, "gpus", "write 1"),
        ({"replicas": 1, "memory_mib": 14132}, "memory_mib", "write 13107 or less"),
        ({"replicas": 1, "cpu_millis": 3801}, "cpu_millis", "write 3200 or less"),
        (
            {"replicas": 1, "types": ["g6e.12xlarge"], "memory_mib": 90676, "cluster": cluster(pools=[OF_FOUR])},
            "memory_mib",
            "write 78643 or less",
        ),
        (
            {"replicas": 3, "backend": "placeholder", "cluster": cluster(pools=[STATIC])},
            "replicas",
            "write less, or raise the pool's `static` to 3",
        ),
        (
            {"replicas": 9, "backend": "placeholder", "cluster": cluster(pools=[STATIC], gpu_quota={})},
            "replicas",
            "write less, or raise the pool's `static` to 9, and its limit to 9",
        ),
        (
            {
                "replicas": 9,
                "types": ["g6e.12xlarge", "g6.xlarge"],
                "backend": "placeholder",
                "cluster": cluster(
                    pools=[{**OF_FOUR, "types": ["g6e.12xlarge", "g6.xlarge"], "static": 2}], gpu_quota={}
                ),
            },
            "replicas",
            "write less, or raise the pool's `static` to 9",
        ),
        ({"schedule": WINDOWS[:1], "cluster": cluster(keda=None)}, "cluster.keda", "install it"),
        (
            {"schedule": WINDOWS[:1], "cluster": cluster(crds=CRDS[1:])},
            "cluster.crds",
            "install the product that defines it",
        ),
        ({"replicas": 1, "cluster": cluster(namespaces=["model"])}, "namespace", "write `model`"),
    ],
)
def test_a_warm_pool_that_could_not_be_kept(changes: dict[str, Any], path: str, fix: str) -> None:
    (found,) = found_in(**changes)
    assert found.path == path
    assert fix in found.fix


@pytest.mark.parametrize(
    "changes",
    [
        {"memory_mib": 14131},
        {"cpu_millis": 3800},
        {"types": ["g6e.12xlarge"], "memory_mib": 90675, "cluster": cluster(pools=[OF_FOUR])},
        {"replicas": 2, "backend": "placeholder", "cluster": cluster(pools=[STATIC])},
    ],
)
def test_a_warm_pool_that_just_fits(changes: dict[str, Any]) -> None:
    assert found_in(**{"replicas": 1, **changes}) == []


def test_a_warm_pool_without_a_schedule_needs_no_keda() -> None:
    assert found_in(replicas=1, cluster=cluster(keda=None, crds=[])) == []


@pytest.mark.parametrize("name", ["llm", "GpuWarm", "a" * 64])
def test_a_warm_pool_s_name_is_one_that_its_objects_can_have(name: str) -> None:
    assert [each.path for each in found_in(name, replicas=1)] == ["name"]
