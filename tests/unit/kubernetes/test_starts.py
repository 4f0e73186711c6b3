"""Starts are measured from pods, nodes and events; what is not a start is said to be what it is."""

from copy import deepcopy
from typing import Any

import pytest
from gpu_declarations import IMAGE
from hypothesis import given
from hypothesis import strategies as st
from replicas import ARTIFACT, BEGAN, DIGEST, moment, node, pod, pulled

from scaletozero.cold_start.remembered import Start
from scaletozero.kubernetes.starts import starts_of

SECONDS = st.integers(0, 110)


def start(each: dict[str, Any], its_node: dict[str, Any] | None = None, *events: Any) -> Start:
    (found,), others = starts_of([each], [its_node or node()], events or [pulled()], "eu-central-1")
    assert others == []
    return found


def why(each: dict[str, Any], nodes: list[Any] | None = None) -> str:
    found, (other,) = starts_of([each], [node()] if nodes is None else nodes, [pulled()], "eu-central-1")
    assert found == []
    assert other.pod == each["metadata"]["name"]
    return other.why


@given(SECONDS, SECONDS, SECONDS)
def test_every_phase_is_measured_to_the_second(wait: int, pull: int, load: int) -> None:
    found = start(pod(node=wait, pull=pull, load=load), node(created=0)).seconds
    assert (found.node, found.pull, found.load) == (wait, pull, load)


def test_a_start_says_what_was_started_where_and_when() -> None:
    found = start(pod())
    assert (found.id, found.at, found.region) == ("uid-llm-1", BEGAN, "eu-central-1")
    assert (found.instance_type, found.image, found.image_digest) == ("g6.xlarge", IMAGE, DIGEST)
    assert found.artifact == ARTIFACT


def test_a_node_that_was_there_before_is_no_phase() -> None:
    found = start(pod(node=1), node(created=-300)).seconds
    assert (found.node, found.pull, found.load) == (None, 180, 90)


@pytest.mark.parametrize(
    "events",
    [
        [pulled(message="Container image already present on machine")],
        [pulled("another")],
        [{"reason": "Pulled", "message": "Successfully pulled image"}],
        [{"reason": "Started", "message": "", "involvedObject": {"uid": "uid-llm-1"}}],
    ],
)
def test_an_image_that_was_there_or_whose_event_expired_is_no_phase(events: list[Any]) -> None:
    assert start(pod(), node(), *events).seconds.pull is None


def test_an_image_id_without_a_digest_is_left_out() -> None:
    each = pod()
    each["status"]["containerStatuses"][0]["imageID"] = "docker://local"
    assert start(each).image_digest is None


def change(path: str, value: Any) -> dict[str, Any]:
    each = deepcopy(pod())
    *way, last = path.split(".")
    at: Any = each
    for part in way:
        at = at[int(part)] if part.isdigit() else at[part]
    at[int(last) if last.isdigit() else last] = value
    return each


FULL = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: no capacity"}
BACK_OFF = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
CRASHED = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}
NOT_READY = {"type": "Ready", "status": "False", "lastTransitionTime": moment(9)}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("status.conditions.0", FULL, "no node has room for it: 0/3 nodes: no capacity"),
        ("status.conditions", [], "no node has room for it: it waits"),
        ("status.containerStatuses.0.state", BACK_OFF, "ImagePullBackOff: Back-off pulling image"),
        ("status.containerStatuses.0.state", CRASHED, "CrashLoopBackOff: back-off 5m0s"),
        ("status.containerStatuses.0.state", {"terminated": {}}, "no container runs: Running"),
        ("status.containerStatuses", [], "no container runs: Running"),
        ("status.containerStatuses.0.restartCount", 3, "its container was started again (3 times)"),
        ("status.conditions.1", NOT_READY, "it is not ready yet"),
        ("metadata.deletionTimestamp", moment(400), "it is being deleted"),
        ("metadata.annotations", {}, "it says nothing of its artifact"),
        ("status.conditions.0.lastTransitionTime", moment(900), "the clocks of the node and of the cluster differ"),
        ("status.conditions.1.lastTransitionTime", moment(10), "the clocks of the node and of the cluster differ"),
        ("status.conditions.1.lastTransitionTime", moment(9000), "it became ready a second time"),
        ("status.conditions.1.lastTransitionTime", None, "its conditions have no times"),
    ],
)
def test_what_is_no_start_is_said_to_be_what_it_is(path: str, value: Any, said: str) -> None:
    assert why(change(path, value)).startswith(said)


def test_a_node_that_is_gone() -> None:
    assert why(pod(), []) == "its node is gone"


def test_one_pod_without_a_start_hides_no_other() -> None:
    pods = [change("status.conditions.0", FULL), pod("llm-2")]
    found, others = starts_of(pods, [node("llm-2")], [pulled("llm-2")], "eu-central-1")
    assert [each.id for each in found] == ["uid-llm-2"]
    assert [each.pod for each in others] == ["llm-1"]
