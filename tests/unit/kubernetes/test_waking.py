"""Forced wakes: known phases are measured, failed ones are said to be what they are, and it always sleeps again."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replicas import moment
from waking_cluster import COOLDOWN, NODE_IDLE, WakingCluster

from scaletozero.cold_start.remembered import Start
from scaletozero.kubernetes.api import ApiError
from scaletozero.kubernetes.wake import FORCE, WakePlan, refused
from scaletozero.kubernetes.waking import PATIENCE_SECONDS, StillAwakeError, Waker, Woken
from scaletozero.kubernetes.watched import Watched

PHASES = {"poll": 3, "node": 60, "pull": 180, "load": 90}
PLAN = WakePlan(
    replicas=1,
    replicas_a_node=1,
    node_seconds=300,
    limit_seconds=900,
    after_seconds=COOLDOWN + NODE_IDLE,
    expected_seconds=333,
    usd_per_hour=Decimal("3.60"),
)
SCALED = {"kind": "ScaledObject", "metadata": {"name": "llm", "namespace": "models"}}


def wake(cluster: WakingCluster, starts: int = 1, most_usd: str | None = None) -> Woken:
    woken, heard = Woken(Watched("eu-central-1")), list[Start]()
    waker = Waker(cluster, SCALED, cluster.look, PLAN, lambda line: None, cluster.monotonic, cluster.sleep)
    try:
        waker.run(starts, None if most_usd is None else Decimal(most_usd), woken, heard.extend)
    finally:
        assert heard == woken.starts
    return woken


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "poll": st.integers(0, 30),
                "node": st.integers(2, 200),
                "pull": st.integers(1, 300),
                "load": st.integers(1, 100),
            }
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=30, deadline=None)
def test_known_phases_are_measured_and_paid_for(phases: list[dict[str, int]]) -> None:
    cluster = WakingCluster(phases)
    woken = wake(cluster, len(phases))
    assert (woken.stopped, woken.failed, woken.others) == ("", False, ())
    assert [each.seconds.model_dump(exclude_none=True) for each in woken.starts] == phases
    assert not cluster.forced
    # From above, and never above what was announced.
    true = Decimal(str(cluster.node_seconds())) * PLAN.usd_per_hour / 3600
    assert true <= woken.usd <= PLAN.bound(len(phases))


def waiting(reason: str) -> Callable[[dict[str, Any], float], None]:
    def change(pod: dict[str, Any], now: float) -> None:
        for each in pod["status"]["containerStatuses"]:
            each["state"] = {"waiting": {"reason": reason, "message": "as it says"}}
        pod["status"]["conditions"][1] = {"type": "Ready", "status": "False"}

    return change


def full(pod: dict[str, Any], now: float) -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: no GPU"}
    pod["status"] = {"conditions": [condition]}
    pod["spec"]["nodeName"] = None


def restarted(pod: dict[str, Any], now: float) -> None:
    for each in pod["status"]["containerStatuses"]:
        each["restartCount"] = 1


def late_clock(pod: dict[str, Any], now: float) -> None:
    """A kubelet whose clock is a minute behind."""
    container = pod["status"]["containerStatuses"] and pod["status"]["containerStatuses"][0]["state"].get("running")
    if container:
        container["startedAt"] = moment(183)
    if pod["status"]["conditions"][1]["status"] == "True":
        pod["status"]["conditions"][1]["lastTransitionTime"] = moment(273)


@pytest.mark.parametrize(
    ("wrong", "said", "within"),
    [
        ({"change": full}, "no node has room for it: 0/3 nodes: no GPU", 370),
        ({"change": waiting("ImagePullBackOff")}, "ImagePullBackOff: as it says", 70),
        ({"change": waiting("CrashLoopBackOff")}, "CrashLoopBackOff: as it says", 70),
        ({"change": restarted}, "its container was started again (1 times)", 250),
        ({"quota": True}, "FailedCreate: exceeded quota", 5),
        ({"deaf": True}, "KEDA has asked for no replica in", 65),
        ({"phases": [PHASES | {"load": 5000}]}, "not ready after 901 s: it is not ready yet", 905),
        ({"change": late_clock}, "a start could not be measured: the clock of its node is at least", 340),
    ],
)
def test_a_wake_that_fails_is_what_it_is_and_no_time(wrong: dict[str, Any], said: str, within: int) -> None:
    cluster = WakingCluster(**{"phases": [PHASES], **wrong})
    woken = wake(cluster, 5)
    assert woken.failed
    assert woken.stopped.startswith(said)
    assert woken.starts == []
    assert (len(cluster.wakes), cluster.forced) == (1, False)
    assert cluster.now <= within
    # With what it costs until it sleeps, also if a node came only to find no image.
    assert woken.usd <= PLAN.bound(1)


def test_what_karpenter_says_is_said_as_well() -> None:
    cluster = WakingCluster([PHASES], change=full)
    look = cluster.look

    def with_event() -> Any:
        sight = look()
        event = {
            "involvedObject": {"uid": "uid-llm-0"},
            "source": {"component": "karpenter"},
            "message": "InsufficientInstanceCapacity: g6.xlarge",
        }
        return type(sight)(sight.at, sight.pods, sight.nodes, [event], sight.deployment)

    woken = Woken(Watched("eu-central-1"))
    Waker(cluster, SCALED, with_event, PLAN, lambda line: None, cluster.monotonic, cluster.sleep).run(
        1, None, woken, lambda new: None
    )
    assert woken.stopped.endswith("; Karpenter: InsufficientInstanceCapacity: g6.xlarge")


@pytest.mark.parametrize("second", [2, 100, 330])
def test_what_was_woken_sleeps_again_if_it_is_broken_off(second: int) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    cluster = WakingCluster([PHASES], at_second={second: stop})
    with pytest.raises(KeyboardInterrupt):
        wake(cluster)
    assert cluster.wakes
    assert not cluster.forced


def test_a_bound_stops_it_on_the_way_and_is_kept() -> None:
    """A start costs 0.27 USD from the node's request until it is gone."""
    cluster = WakingCluster([PHASES] * 5)
    woken = wake(cluster, 5, "0.80")
    assert len(woken.starts) == 2
    assert not woken.failed
    assert woken.stopped == "the wakes cost 0.80 USD until it sleeps, and may cost 0.80"
    assert woken.usd < Decimal("0.802")
    assert not cluster.forced


def test_one_that_callers_keep_awake_is_not_measured() -> None:
    cluster = WakingCluster([PHASES], callers=True)
    woken = wake(cluster)
    assert woken.stopped == "it does not sleep after 140 s: callers or a window keep it awake"
    assert (cluster.wakes, woken.starts) == ([], [])


def test_a_pod_that_a_caller_asked_for_has_no_time_since_the_request() -> None:
    """It came in the moment between the look that saw nothing and the request."""
    cluster = WakingCluster([PHASES | {"poll": -2}])
    (start,) = wake(cluster).starts
    assert start.seconds.model_dump(exclude_none=True) == {key: PHASES[key] for key in ("node", "pull", "load")}


def test_an_outage_of_the_cluster_is_outlasted() -> None:
    cluster = WakingCluster([PHASES] * 2, outage=(100, 200))
    assert len(wake(cluster, 2).starts) == 2


def test_it_is_let_go_when_the_cluster_answers_again() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    cluster = WakingCluster([PHASES], outage=(99, 140), at_second={100: stop})
    with pytest.raises(KeyboardInterrupt):
        wake(cluster)
    assert not cluster.forced


def test_where_it_cannot_be_let_go_it_is_said_how() -> None:
    cluster = WakingCluster([PHASES], outage=(100, 10_000))
    with pytest.raises(StillAwakeError) as error:
        wake(cluster)
    assert f"run `kubectl -n models annotate scaledobject llm {FORCE}-`" in str(error.value)
    assert cluster.now < 100 + PATIENCE_SECONDS + 100


def test_a_cluster_that_refuses_ends_it_at_once() -> None:
    cluster = WakingCluster([PHASES])

    def forbidden() -> Any:
        raise ApiError("forbidden", 403)

    waker = Waker(cluster, SCALED, forbidden, PLAN, lambda line: None, cluster.monotonic, cluster.sleep)
    with pytest.raises(ApiError, match="forbidden"):
        waker.run(1, None, Woken(Watched("eu-central-1")), lambda new: None)
    assert (cluster.wakes, cluster.now) == ([], 0)


def scaled(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"annotations": annotations or {}},
        "spec": {"idleReplicaCount": 0, "minReplicaCount": 1, **spec},
    }


BROKEN = {"status": {"conditions": [{"type": "Ready", "status": "False", "message": "no scaler"}]}}


@pytest.mark.parametrize(
    ("live", "said"),
    [
        (None, "must be deployed"),
        (scaled(idleReplicaCount=None, minReplicaCount=2), "min 2: it never sleeps"),
        (scaled({"autoscaling.keda.sh/paused": "true"}), "must not be paused"),
        (scaled({"autoscaling.keda.sh/paused-replicas": "0"}), "got autoscaling.keda.sh/paused-replicas=0"),
        (scaled({"autoscaling.keda.sh/paused-scale-out": "true"}), "must not be paused"),
        (scaled({FORCE: "true"}), "kept awake by somebody else"),
        (scaled() | BROKEN, "must be ready in KEDA, got no scaler"),
    ],
)
def test_what_cannot_be_woken_is_refused(live: Any, said: str) -> None:
    finding = refused("llm", live)
    assert finding
    assert said in str(finding)


@pytest.mark.parametrize(
    "live",
    [scaled(), scaled(idleReplicaCount=None, minReplicaCount=0), scaled({"autoscaling.keda.sh/paused": "false"})],
)
def test_what_can_be_woken_is_not_refused(live: Any) -> None:
    assert refused("llm", live) is None
