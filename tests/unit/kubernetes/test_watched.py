"""What is looked at while it happens: nothing is lost that the cluster deletes, and a wrong clock shows."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replicas import BEGAN, moment, node, pod, pulled

from scaletozero.cold_start.remembered import Start
from scaletozero.kubernetes.watched import Sight, Watched, blocked


def sight(seconds: float, *pods: Any, nodes: Any = (), events: Any = (), deployment: Any = None) -> Sight:
    return Sight(BEGAN + timedelta(seconds=seconds), pods, nodes, events, deployment)


def starting(each: dict[str, Any]) -> dict[str, Any]:
    """The pod before its container was ready."""
    found = deepcopy(each)
    found["status"]["conditions"][1] = {"type": "Ready", "status": "False", "lastTransitionTime": moment(0)}
    return found


@given(st.integers(0, 110), st.integers(0, 110), st.integers(0, 110), st.integers(1, 5))
def test_a_start_is_measured_as_soon_as_it_is_seen(wait: int, pull: int, load: int, every: int) -> None:
    """With a look every few seconds, and a node and events that are gone by then."""
    each, ready = pod(node=wait, pull=pull, load=load), wait + pull + load
    watched = Watched("eu-central-1")
    watched.see(sight(-1))
    new: list[Start] = []
    for seconds in range(0, ready + every, every):
        nodes = [node(created=0)] if seconds < ready else []
        events = [pulled()] if seconds < ready else []
        new += watched.see(sight(seconds, each if seconds >= ready else starting(each), nodes=nodes, events=events))
    assert watched.failed == {} or not ready
    if ready:
        (found,) = new
        assert (found.seconds.node, found.seconds.pull, found.seconds.load) == (wait, pull, load)
        assert watched.starts == new


@pytest.mark.parametrize(
    ("off", "said"),
    [
        (0, ""),
        (2, ""),
        (-2, ""),
        (30, "the clock of its node is at least 29 s ahead of the cluster's"),
        (-30, "the clock of its node is at least 29 s behind the cluster's"),
    ],
)
def test_a_clock_that_differs_is_no_time(off: int, said: str) -> None:
    """The kubelet writes by its node's clock when the container ran and when the pod was ready."""
    each = pod(node=60, pull=180 + off, load=90)
    watched = Watched("eu-central-1")
    for seconds in (0, 329):
        watched.see(sight(seconds, starting(each), nodes=[node()], events=[pulled()]))
    watched.see(sight(331, each, nodes=[node()], events=[pulled()]))
    assert [one.why for one in watched.failed.values()] == ([said] if said else [])
    assert bool(watched.measured) is not bool(said)


def test_the_last_reason_before_a_pod_was_deleted_stays() -> None:
    each = starting(pod(restarts=2))
    watched = Watched("eu-central-1")
    watched.see(sight(0))
    watched.see(sight(300, each, nodes=[node()]))
    each["metadata"]["deletionTimestamp"] = moment(310)
    watched.see(sight(310, each, nodes=[node()]))
    watched.see(sight(320))
    assert [one.why for one in watched.failed.values()] == ["its container was started again (2 times)"]


def test_a_pod_that_starts_while_the_watch_begins_is_part_of_it() -> None:
    watched = Watched("eu-central-1")
    watched.see(sight(300, starting(pod()), pod("llm-2"), nodes=[node(), node("llm-2")], events=[pulled()]))
    watched.see(sight(331, pod(), pod("llm-2"), nodes=[node(), node("llm-2")]))
    assert [one.id for one in watched.starts] == ["uid-llm-1"]


def test_what_keeps_pods_from_being_created() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: gpus"}
    assert blocked({"status": {"conditions": [failure]}}) == "FailedCreate: exceeded quota: gpus"
    assert blocked({"status": {"conditions": [{**failure, "status": "False"}]}}) == ""
    assert blocked(None) == blocked({}) == ""
