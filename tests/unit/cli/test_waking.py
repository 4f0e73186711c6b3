"""`scaletozero bench --starts` of an endpoint on a cluster: what it costs is said first, and agreed to."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from bench_cluster import Cluster, awake, run

from scaletozero.kubernetes import waking
from scaletozero.kubernetes.facts import read as facts_read
from scaletozero.kubernetes.wake import FORCE

DEPLOYMENT = {
    "spec": {
        "replicas": 0,
        "template": {
            "spec": {
                "terminationGracePeriodSeconds": 60,
                "containers": [{"startupProbe": {"failureThreshold": 11, "periodSeconds": 10}}],
            }
        },
    }
}
SCALED = {
    "metadata": {"annotations": {}},
    "spec": {"idleReplicaCount": 0, "minReplicaCount": 1, "cooldownPeriod": 300},
}


@pytest.fixture(autouse=True)
def asleep(project: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is deployed and sleeps; told to, it wakes at once, and sleeps again at once.

    What its cluster is like, besides the endpoint, is only in the settings.
    """
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(waking, "LOOK_SECONDS", 0.02)
    written = facts_read.facts
    monkeypatch.setattr(facts_read, "facts", lambda block, root, _, rendered: written(block, root, None, rendered=True))
    cluster.objects = {"deployments": DEPLOYMENT, "scaledobjects": SCALED}
    cluster.seconds = -3

    def patch(change: Any) -> None:
        if change["metadata"]["annotations"][FORCE]:
            awake(cluster, project)
            cluster.seconds = 331
        else:
            cluster.items = {"pods": [], "nodes": [], "events": []}

    cluster.on_patch = patch


def forced(cluster: Cluster) -> list[Any]:
    return [each["metadata"]["annotations"][FORCE] for each in cluster.patched]


def test_it_says_what_it_costs_wakes_it_and_lets_it_sleep(project: Path, cluster: Cluster) -> None:
    found = run("--starts", "1", "--yes", "--json")
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert [each["seconds"] for each in report["starts"]] == [{"poll": 3.0, "node": 60.0, "pull": 180.0, "load": 90.0}]
    assert forced(cluster) == ["true", None]
    # The dearest of both types; two nodes' times, and how long it stays: 300 + 60 + 300 s.
    (bound,) = re.findall(r"cost: at most ([0-9.]+) USD, about", found.stderr)
    assert float(bound) == pytest.approx(report["usd_bound"], abs=0.01)
    assert 0 < report["usd_at_most"] < report["usd_bound"]
    assert "a node at" in found.stderr
    assert "660 s until it is gone again" in found.stderr
    written = json.loads((project / "local.cold-starts.json").read_text())["endpoints"]["llm"]
    assert written[0]["seconds"]["poll"] == 3


def test_without_a_terminal_it_must_be_agreed_to(project: Path, cluster: Cluster) -> None:
    found = run("--starts", "20")
    assert found.exit_code == 2
    assert "--yes: is required without a terminal" in found.stderr
    assert cluster.asked == []


@pytest.mark.parametrize("most", ["0", "0.01"])
def test_a_bound_below_one_start_is_refused(cluster: Cluster, most: str) -> None:
    found = run("--starts", "20", "--yes", "--max-cost", most)
    assert found.exit_code == 2
    assert "--max-cost: must be at least what one start should cost" in found.stderr
    assert cluster.patched == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spec": {"minReplicaCount": 2, "cooldownPeriod": 300}}, "it never sleeps"),
        ({"metadata": {"annotations": {"autoscaling.keda.sh/paused-replicas": "0"}}}, "must not be paused"),
        ({"metadata": {"annotations": {FORCE: "true"}}}, "kept awake by somebody else"),
    ],
)
def test_one_that_cannot_be_woken_is_refused(cluster: Cluster, change: dict[str, Any], said: str) -> None:
    cluster.objects["scaledobjects"] = {**SCALED, **change}
    found = run("--starts", "20", "--yes")
    assert found.exit_code == 2
    assert said in found.stderr
    assert cluster.patched == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_broken_off_it_sleeps_again(project: Path, cluster: Cluster, number: signal.Signals) -> None:
    wake = cluster.on_patch

    def twice(change: Any) -> None:
        wake(change)
        if len(cluster.patched) == 3:
            signal.raise_signal(number)

    cluster.on_patch = twice
    found = run("--starts", "5", "--yes")
    assert found.exit_code == 1
    assert "llm is no longer kept awake: it sleeps in 660 s" in found.stderr
    assert "stopped after 1 measured starts: broken off" in found.stderr
    assert forced(cluster) == ["true", None, "true", None]
    # What was measured is kept.
    assert len(json.loads((project / "local.cold-starts.json").read_text())["endpoints"]["llm"]) == 1


def test_a_wake_that_fails_is_no_start(project: Path, cluster: Cluster) -> None:
    def patch(change: Any) -> None:
        awake(cluster, project)
        status = cluster.items["pods"][0]["status"]
        status["conditions"].pop()
        waiting = {"reason": "ImagePullBackOff", "message": "not found"}
        status["containerStatuses"][0]["state"] = {"waiting": waiting}

    cluster.on_patch = patch
    found = run("--starts", "5", "--yes", "--json")
    assert found.exit_code == 1
    report = json.loads(found.stdout)
    assert report["not_measured"] == {"llm-1": "ImagePullBackOff: not found"}
    assert report["stopped"] == "ImagePullBackOff: not found"
    assert forced(cluster) == ["true", None]
    assert not (project / "local.cold-starts.json").exists()


@pytest.mark.parametrize("options", [("--max-cost", "3"), ("--yes",), ("--starts", "3", "--watch", "1h")])
def test_options_without_effect_are_refused(cluster: Cluster, options: tuple[str, ...]) -> None:
    found = run(*options)
    assert found.exit_code == 2
    assert "is of a run with --starts, or must not be given with it" in found.stderr
    assert cluster.asked == []
