"""The life of a GPU endpoint, watched: real scheduler, KEDA and Karpenter; nodes and containers are simulated."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clusters import eventually
from live import REGION, TYPES, ZONES, Live

from scaletozero.sandbox.providers.kube.ownership import leave_ignored

TYPE = "node.kubernetes.io/instance-type"
ZONE = "topology.kubernetes.io/zone"
GPU = "nvidia.com/gpu"


def asleep(live: Live, place: str) -> None:
    """KEDA has it, and it sleeps; nobody has bought anything."""
    scaled = live.manifest("keda.sh/v1alpha1", "ScaledObject", place, "llm")

    def ready() -> bool:
        conditions = ((live.api.get(scaled) or {}).get("status") or {}).get("conditions") or ()
        return {each["type"]: each["status"] for each in conditions}.get("Ready") == "True"

    eventually(ready)
    assert live.replicas(place) == 0
    assert not live.pods(place, phase=None)


def test_a_request_wakes_it_and_quiet_puts_it_to_sleep(live: Live, place: str) -> None:
    live.space(place)
    live.pool(place, zones=[ZONES[1]])
    live.declare(place, pool=place, scaling__wake=2, scaling__max=4)
    asleep(live, place)
    assert not live.nodes(place)

    live.demand.request(place, "llm")
    pods = live.running(place, 2)
    names = {pod["spec"]["nodeName"] for pod in pods}
    nodes = [node for node in live.nodes(place) if node["metadata"]["name"] in names]
    assert len(nodes) == 2
    for node in nodes:
        labels = node["metadata"]["labels"]
        # The preferred type, which is the cheaper one as well, in the pool's zone.
        assert (labels[TYPE], labels[ZONE]) == (TYPES[0], ZONES[1])
        assert labels["topology.kubernetes.io/region"] == REGION
        assert node["status"]["allocatable"][GPU] == "1"

    live.demand.answer(place, "llm")
    live.gone(place, place)
    assert live.replicas(place) == 0


def test_it_can_be_woken_by_hand(live: Live, place: str) -> None:
    live.space(place)
    live.pool(place)
    live.declare(place, pool=place, scaling__wake=2, scaling__max=4)
    asleep(live, place)
    scaled = live.manifest("keda.sh/v1alpha1", "ScaledObject", place, "llm")
    live.api.patch(scaled, {"metadata": {"annotations": {"autoscaling.keda.sh/force-activation": "true"}}})
    live.running(place, 2)
    live.api.patch(scaled, {"metadata": {"annotations": {"autoscaling.keda.sh/force-activation": None}}})
    live.gone(place, place)


def test_a_window_opens_before_it_begins(live: Live, place: str) -> None:
    """Its replicas run before the window, because the cold start was declared to take longer than there is left."""
    zone, now = daytime()
    begins = now + timedelta(minutes=25)
    window = {
        "days": ["mon-sun"],
        "start": f"{begins:%H:%M}",
        "end": f"{begins + timedelta(hours=1):%H:%M}",
        "timezone": zone,
        "min": 2,
    }
    live.space(place)
    live.pool(place)
    live.declare(place, pool=place, scaling__max=4, scaling__wake=2, scaling__lead_seconds=1800, schedule=[window])
    live.running(place, 2)
    assert datetime.now(UTC) < begins.astimezone(UTC)


def test_a_pool_buys_no_more_than_its_limit(live: Live, place: str) -> None:
    live.space(place)
    live.pool(place, max_gpus=2)
    live.declare(place, pool=place, scaling__wake=3, scaling__max=3)
    asleep(live, place)
    live.demand.request(place, "llm")
    live.running(place, 2)
    (left,) = eventually(lambda: live.pods(place, phase="Pending"))

    def told() -> list[str]:
        """What Karpenter says of it."""
        events = live.api.list("v1", "Event", place)
        return [each["message"] for each in events if each["involvedObject"]["name"] == left["metadata"]["name"]]

    eventually(lambda: any("limit" in message for message in told()), why=lambda: str(told()))
    assert len(live.nodes(place)) == 2


def test_a_quota_that_is_full_stops_it(live: Live, place: str) -> None:
    live.space(place, gpus=2)
    live.pool(place)
    live.declare(place, pool=place, scaling__wake=3, scaling__max=4)
    asleep(live, place)
    live.demand.request(place, "llm")
    live.running(place, 2)
    deployment = live.manifest("apps/v1", "Deployment", place, "llm")

    def failure() -> str:
        conditions = ((live.api.get(deployment) or {}).get("status") or {}).get("conditions") or ()
        return next((each["message"] for each in conditions if each["type"] == "ReplicaFailure"), "")

    assert "exceeded quota" in eventually(failure)
    assert len(live.pods(place, phase=None)) == 2


def test_a_buffers_node_has_the_gpu_and_is_the_next_replicas(live: Live, place: str) -> None:
    live.space(place)
    live.pool(place)
    planned = live.declare(place, pool=place, scaling__max=3, scaling__buffer=1)
    assert planned.warm
    assert planned.warm.backend.kind == "buffer"
    asleep(live, place)

    def one_with_its_gpu() -> list[dict[str, Any]]:
        """Where a node is slow to come Karpenter may buy another, and gives one of them back."""
        found = live.nodes(place)
        return found if [node["status"]["allocatable"].get(GPU) for node in found] == ["1"] else []

    (warm,) = eventually(one_with_its_gpu)
    assert warm["metadata"]["labels"][TYPE] in TYPES

    live.demand.request(place, "llm")
    (pod,) = live.running(place, 1)
    assert pod["spec"]["nodeName"] == warm["metadata"]["name"]
    assert len(eventually(lambda: found if len(found := live.nodes(place)) == 2 else [])) == 2
    eventually(lambda: all(joined(node) for node in live.nodes(place)))


def test_a_placeholder_makes_way_and_waits_on_the_next_node(live: Live, place: str) -> None:
    live.space(place)
    live.pool(place)
    planned = live.declare(place, pool=place, scaling__max=3, scaling__buffer=1, scaling__buffer_by="placeholder")
    assert planned.warm
    (placeholder,) = live.running(place, 1, planned.warm.name)
    assert live.replicas(place) == 0

    live.demand.request(place, "llm")
    (pod,) = live.running(place, 1)
    assert pod["spec"]["nodeName"] == placeholder["spec"]["nodeName"]
    (next_one,) = live.running(place, 1, planned.warm.name)
    assert next_one["metadata"]["name"] != placeholder["metadata"]["name"]
    assert next_one["spec"]["nodeName"] != pod["spec"]["nodeName"]


def test_a_static_pools_nodes_are_there_before_and_after(live: Live, place: str) -> None:
    live.space(place)
    live.pool(place, static=2, max_gpus=2)
    of = {"name": place, "types": list(TYPES), "max_gpus": 2, "static": 2, "termination_grace_seconds": 1800}
    planned = live.declare(
        place, pool=place, cluster__pools=[of], scaling__buffer=1, cluster__feature_gates=["StaticCapacity=true"]
    )
    assert planned.warm
    assert (planned.warm.backend.kind, planned.warm.objects) == ("static", ())
    asleep(live, place)
    nodes = eventually(lambda: found if len(found := live.nodes(place)) == 2 else [])
    names = {node["metadata"]["name"] for node in nodes}
    eventually(lambda: all(node["status"]["allocatable"].get(GPU) == "1" for node in live.nodes(place)))

    live.demand.request(place, "llm")
    (pod,) = live.running(place, 1)
    assert pod["spec"]["nodeName"] in names
    live.demand.answer(place, "llm")
    eventually(lambda: not live.pods(place, phase=None))
    assert {node["metadata"]["name"] for node in live.nodes(place)} == names


def test_placeholders_come_and_go_by_the_clock(live: Live, place: str) -> None:
    """A window that is open now has its node, while the endpoint sleeps; once it is closed the node goes."""
    live.space(place)
    live.pool(place)
    live.declare(place, pool=place)
    zone, now = daytime()
    window = {"start": f"{now - timedelta(hours=1):%H:%M}", "end": f"{now + timedelta(hours=1):%H:%M}"}
    planned = live.warm_pool(place, "spare", place, schedule=[window | {"timezone": zone, "min": 1}])
    assert planned.backend.kind == "placeholder"
    (placeholder,) = live.running(place, 1, "spare")
    assert placeholder["spec"]["nodeName"] in {node["metadata"]["name"] for node in live.nodes(place)}
    assert live.replicas(place) == 0

    before = {"start": f"{now - timedelta(hours=2):%H:%M}", "end": f"{now - timedelta(hours=1):%H:%M}"}
    live.warm_pool(place, "spare", place, schedule=[before | {"timezone": zone, "min": 1}])
    live.gone(place, place, "spare")


def daytime() -> tuple[str, datetime]:
    """A time zone in which it is between 3 and 20 o'clock now, so that nothing near it meets midnight; and the time."""
    zones = ("UTC", "Asia/Tokyo", "America/Los_Angeles")
    zone = next(each for each in zones if 3 <= datetime.now(ZoneInfo(each)).hour < 20)
    return zone, datetime.now(ZoneInfo(zone))


def joined(node: dict[str, Any]) -> bool:
    """Karpenter knows it as a node of its own."""
    return node["metadata"]["labels"].get("karpenter.sh/registered") == "true"


def rollout(live: Live, place: str, planned: Any) -> list[tuple[int, int]]:
    """Rolls a new version out; the (ready, all) pods seen on the way."""
    before = {pod["metadata"]["name"] for pod in live.pods(place)}
    deployment = planned.object("Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "ARTIFACT", "value": "new"})
    # Its replicas stay as they are, as in an update of the component.
    found = live.api.get(deployment)
    assert found
    changed = leave_ignored(deployment, found, [("spec", "replicas")], "scaletozero")
    seen: list[tuple[int, int]] = []
    live.api.apply(changed)

    def done() -> bool:
        found = live.pods(place, phase=None)
        running = [pod for pod in found if pod["status"].get("phase") == "Running"]
        seen.append((len(running), len(found)))
        return len(running) == 2 and not before & {pod["metadata"]["name"] for pod in found}

    eventually(done, every=0.05)
    return seen


@pytest.mark.parametrize("spare", [True, False], ids=["spare", "full"])
def test_a_new_artifact_rolls_out(live: Live, place: str, spare: bool) -> None:
    live.space(place, gpus=3 if spare else 2)
    live.pool(place)
    quota = {place: 3 if spare else 2}
    planned = live.declare(place, pool=place, scaling__min=2, scaling__max=2, cluster__gpu_quota=quota)
    assert planned.derived.surge is spare
    live.running(place, 2)
    seen = rollout(live, place, planned)
    assert min(ready for ready, _ in seen) >= (2 if spare else 1)
    assert max(every for _, every in seen) <= (3 if spare else 2)


def test_a_drain_keeps_to_the_disruption_budget(live: Live, place: str) -> None:
    """Both nodes are closed and drained at once, and the pool may buy a third only when one has gone."""
    live.space(place)
    # Until the second eviction has been refused, the first empty node stays, and with it the pool's limit.
    live.pool(place, max_gpus=2, idle_seconds=3600)
    live.declare(place, pool=place, gpus=2, scaling__min=2, scaling__max=2)
    live.running(place, 2)
    budget = live.manifest("policy/v1", "PodDisruptionBudget", place, "llm")
    eventually(lambda: ((live.api.get(budget) or {}).get("status") or {}).get("disruptionsAllowed") == 1)
    for node in live.nodes(place):
        live.api.patch({"apiVersion": "v1", "kind": "Node", **node}, {"spec": {"unschedulable": True}})
    first, second = live.running(place, 2)
    assert live.evict(first)
    assert not live.evict(second)
    live.pool(place, max_gpus=2)
    pods = live.running(place, 2)
    assert first["metadata"]["name"] not in {pod["metadata"]["name"] for pod in pods}
    eventually(lambda: live.evict(second))
    assert second["metadata"]["name"] not in {pod["metadata"]["name"] for pod in live.running(place, 2)}
