"""`scaletozero bench` of an endpoint on a cluster, as it is typed: what it reads, prints, refuses and remembers."""

import json
import signal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from bench_cluster import Cluster, awake, run
from replicas import node, pod, pulled
from typer.testing import CliRunner

from model_packaging.artifact.folder_manifest import open_folder
from scaletozero.cli import app, watching
from scaletozero.environment.project import find_project


def test_the_starts_are_shown_and_remembered(project: Path, cluster: Cluster) -> None:
    awake(cluster, project)
    found = run()
    assert found.exit_code == 0, found.output
    for cell in ("2026-11-28 12:00:00", "g6.xlarge", "60 s", "180 s", "90 s", "p95 of 1"):
        assert cell in found.stdout
    assert "1 starts measured" in found.stderr
    written = json.loads((project / "local.cold-starts.json").read_text())
    assert written["endpoints"]["llm"][0]["seconds"] == {"node": 60, "pull": 180, "load": 90}


def test_the_phases_that_the_engine_logged_are_parts_of_its_load(project: Path, cluster: Cluster) -> None:
    awake(cluster, project)
    cluster.log = "Loading weights took 20 seconds\ninit engine (profile, ...) took 50.5 seconds"
    found = run()
    assert "logged by the engine" in found.stdout
    assert "load: warm-up" in found.stdout
    written = json.loads((project / "local.cold-starts.json").read_text())["endpoints"]["llm"][0]
    assert written["seconds"] == {"node": 60, "pull": 180, "load": 90}
    assert written["engine"] == {"process": 19.5, "weights": 20, "warm-up": 50.5}


def test_a_preview_then_follows_from_them(project: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    awake(cluster, project)
    assert run().exit_code == 0
    monkeypatch.delenv("KUBECONFIG")
    cold = find_project().environment("local").opened["llm"].plan.derived.cold
    assert [(each.name, each.seconds) for each in cold.phases if each.measured] == [
        ("node", 60),
        ("pull", 180),
        ("weights", 0),
        ("engine", 90),
    ]


def test_nothing_is_changed_and_only_its_own_pods_are_read(project: Path, cluster: Cluster) -> None:
    awake(cluster, project)
    run()
    assert not [each for each in cluster.asked if "deployments" in each]
    pods, log = (each for each in cluster.asked if "/pods" in each)
    assert log == "/api/v1/namespaces/models/pods/llm-1/log?container=serving&limitBytes=1048576"
    assert urlsplit(pods).path == "/api/v1/namespaces/models/pods"
    labels = parse_qs(urlsplit(pods).query)["labelSelector"]
    assert labels == ["app.kubernetes.io/name=llm,app.kubernetes.io/component=serving"]


def test_a_second_run_counts_the_same_start_once(project: Path, cluster: Cluster) -> None:
    awake(cluster, project)
    run()
    report = json.loads(run("--json").stdout)
    load = report["remembered"]["load"]
    assert (load["n"], load["p50"], load["p90"], load["p95"], load["p95_interval"]) == (
        1,
        90.0,
        90.0,
        90.0,
        [None, None],
    )
    awake(cluster, project, name="llm-2", at=60)
    cluster.items["nodes"] = [node("llm-2", created=61)]
    report = json.loads(run("--json").stdout)
    assert report["remembered"]["load"]["n"] == 2


def test_one_that_is_asleep_is_not_woken(project: Path, cluster: Cluster) -> None:
    found = run()
    assert found.exit_code == 2
    assert "nothing is woken" in found.stderr
    assert not (project / "local.cold-starts.json").exists()


def test_a_start_that_failed_is_reported_as_what_it_is(project: Path, cluster: Cluster) -> None:
    awake(cluster, project, restarts=2)
    found = run()
    assert found.exit_code == 1
    assert "not measured: llm-1: its container was started again (2 times)" in found.stderr
    assert json.loads(run("--json").stdout)["not_measured"] == {"llm-1": "its container was started again (2 times)"}
    assert not (project / "local.cold-starts.json").exists()


def test_a_cluster_that_refuses_is_a_finding(project: Path, cluster: Cluster) -> None:
    cluster.status = 403
    found = run()
    assert found.exit_code == 2
    assert "must lead to a cluster that answers" in found.stderr


def test_without_a_cluster_it_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG")
    found = run()
    assert found.exit_code == 2
    assert "KUBECONFIG" in found.stderr


def several(cluster: Cluster, project: Path, batch: str, count: int = 6, **phases: Any) -> None:
    """Replicas of one batch, whose phases differ by a second or two."""
    artifact = open_folder(project / "artifact").digest
    names = [f"llm-{batch}-{index}" for index in range(count)]
    loads = [phases.get("load", 90) + index % 3 for index in range(count)]
    pods = [pod(name, artifact=artifact, **{**phases, "load": load}) for name, load in zip(names, loads, strict=True)]
    cluster.items = {"pods": pods, "nodes": [node(name) for name in names], "events": [pulled(name) for name in names]}


def remembered(project: Path) -> int:
    return len(json.loads((project / "local.cold-starts.json").read_text())["endpoints"]["llm"])


def test_the_gate_names_the_phase_that_became_slower_and_keeps_what_is_remembered(
    project: Path, cluster: Cluster
) -> None:
    several(cluster, project, "a")
    assert run().exit_code == 0
    several(cluster, project, "b", load=117, image="public.ecr.aws/vllm/vllm:v0.99.0")
    found = run("--gate", "10")
    assert found.exit_code == 1
    assert "error: load is slower: p95 119 s, before 92 s (+29 %" in found.stderr
    assert "6 starts against 6 remembered, margin 10 %" in found.stderr
    assert "error: node" not in found.stderr
    assert "run this again without --gate" in found.stderr
    assert remembered(project) == 6
    judged = json.loads(run("--gate", "10", "--json").stdout)["gate"]
    assert judged["held"] is False
    assert judged["slower"][0]["phase"] == "load"
    # Accepted, it is what the next ones are held to.
    assert run().exit_code == 0
    assert remembered(project) == 12


def test_the_gate_holds_for_equal_starts_which_are_then_remembered(project: Path, cluster: Cluster) -> None:
    several(cluster, project, "a")
    assert run().exit_code == 0
    several(cluster, project, "b")
    found = run("--gate", "10")
    assert found.exit_code == 0, found.output
    assert "no phase is slower: 6 starts against 6 remembered, margin 10 %" in found.stderr
    assert remembered(project) == 12
    # The same replicas again are not compared with themselves.
    assert "against 6 remembered" in run("--gate", "10").stderr


def test_the_gate_needs_starts_to_tell_a_difference_from_chance(project: Path, cluster: Cluster) -> None:
    several(cluster, project, "a")
    found = run("--gate", "10")
    assert found.exit_code == 2
    assert "must have 5 remembered starts on g6.xlarge to be compared, got 0" in found.stderr
    assert not (project / "local.cold-starts.json").exists()
    assert run().exit_code == 0
    several(cluster, project, "b", count=4)
    found = run("--gate", "10")
    assert found.exit_code == 2
    assert "must have 5 new starts on g6.xlarge to be compared, got 4" in found.stderr
    assert remembered(project) == 6


@pytest.mark.parametrize("what", ["./artifacts/x", "vectors"])
def test_the_gate_is_of_endpoints_on_a_cluster(project: Path, cluster: Cluster, what: str) -> None:
    found = CliRunner().invoke(app, ["bench", what, "--gate", "10"])
    assert found.exit_code == 2
    assert "--gate" in found.stderr


@pytest.mark.parametrize(
    "option", [("--cold", "3"), ("--requests", "9"), ("--payload", "{}"), ("--against", "x"), ("--past", "1h")]
)
def test_options_of_other_endpoints_are_refused(project: Path, cluster: Cluster, option: tuple[str, str]) -> None:
    found = run(*option)
    assert found.exit_code == 2
    assert option[0] in found.stderr
    assert cluster.asked == []


def test_a_file_that_is_invalid_stops_it_before_anything_is_asked(project: Path, cluster: Cluster) -> None:
    (project / "local.cold-starts.json").write_text("{")
    found = run()
    assert found.exit_code == 2
    assert "restore it from version control" in found.stderr
    assert cluster.asked == []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch looks often, so that a test of a second has several looks."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)


def break_off() -> None:
    """Ends a watch when it has seen what it is about, however long that takes here."""
    signal.raise_signal(signal.SIGINT)


def wakes(cluster: Cluster, project: Path) -> None:
    """A caller wakes it at the second look: its pod waits, runs, and is gone again with its node before the end."""
    artifact = open_folder(project / "artifact").digest
    ready = pod(artifact=artifact)
    waits = json.loads(json.dumps(ready))
    waits["status"] = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]}

    def at(seconds: float, **items: Any) -> None:
        cluster.seconds = seconds
        cluster.items = {"pods": [], "nodes": [], "events": [], **items}

    cluster.script = [
        lambda: at(-60),
        lambda: at(2, pods=[waits]),
        lambda: at(200, pods=[waits], events=[pulled()]),
        lambda: at(325, pods=[waits], nodes=[node()]),
        lambda: at(331, pods=[ready], nodes=[node()]),
        lambda: at(900),
    ]


def test_a_watch_records_what_callers_wake_and_wakes_nothing(project: Path, cluster: Cluster, quick: None) -> None:
    wakes(cluster, project)
    cluster.script.append(break_off)
    found = run("--watch", "1h", "--json")
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    # The event had expired when the pod was ready, and pod and node were gone at the end.
    assert [each["seconds"] for each in report["starts"]] == [{"node": 60.0, "pull": 180.0, "load": 90.0}]
    assert report["watched_seconds"] > 0
    assert "12:00:00 g6.xlarge: node 60 s, pull 180 s, load 90 s, total 330 s" in found.stderr
    assert remembered(project) == 1
    assert cluster.methods == {"GET"}


def test_a_watch_does_not_count_replicas_that_were_ready_before(project: Path, cluster: Cluster, quick: None) -> None:
    awake(cluster, project)
    found = run("--watch", "1s")
    assert found.exit_code == 1
    assert not (project / "local.cold-starts.json").exists()


def test_a_watch_says_why_a_wake_failed(project: Path, cluster: Cluster, quick: None) -> None:
    """The pod of one is deleted while it waits for its image; of another none could be created."""
    artifact = open_folder(project / "artifact").digest
    missing = pod(artifact=artifact)
    missing["status"]["containerStatuses"][0]["state"] = {
        "waiting": {"reason": "ImagePullBackOff", "message": "not found"}
    }
    missing["status"]["conditions"].pop()
    deleted = json.loads(json.dumps(missing))
    deleted["metadata"]["deletionTimestamp"] = "2026-11-28T12:10:00Z"
    quota = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: gpus"}

    def full() -> None:
        cluster.objects["deployments"] = {"status": {"conditions": [quota]}}
        cluster.items["pods"] = []

    cluster.script = [
        lambda: None,
        lambda: cluster.items.update(pods=[missing], nodes=[node()]),
        lambda: cluster.items.update(pods=[deleted]),
        full,
        break_off,
    ]
    found = run("--watch", "1h", "--json")
    assert found.exit_code == 1
    report = json.loads(found.stdout)
    assert report["not_measured"] == {"llm-1": "ImagePullBackOff: not found"}
    assert report["blocked"] == "FailedCreate: exceeded quota: gpus"
    assert report["starts"] == []


def test_a_watch_outlasts_a_cluster_that_does_not_answer_for_a_while(
    project: Path, cluster: Cluster, quick: None
) -> None:
    wakes(cluster, project)

    def status(to: int) -> None:
        cluster.status = to

    cluster.script[2:2] = [lambda: status(503), lambda: status(503), lambda: status(200)]
    cluster.script.append(break_off)
    found = run("--watch", "1h")
    assert found.exit_code == 0, found.output
    assert remembered(project) == 1


def test_a_watch_that_gets_no_answer_any_more_ends_and_keeps_what_it_has(
    project: Path, cluster: Cluster, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PATIENCE_SECONDS", 0.2)
    wakes(cluster, project)
    cluster.script[5:] = [lambda: setattr(cluster, "status", 503)]
    found = run("--watch", "1h")
    assert found.exit_code == 0, found.output
    assert "the watch ends: the cluster has not answered" in found.stderr
    assert remembered(project) == 1


def test_a_watch_that_is_broken_off_keeps_what_it_has(project: Path, cluster: Cluster, quick: None) -> None:
    wakes(cluster, project)
    cluster.script[5:] = [break_off]
    found = run("--watch", "1h")
    assert found.exit_code == 0, found.output
    assert "the watch was ended" in found.stderr
    assert remembered(project) == 1


def test_a_watch_may_be_held_to_what_is_remembered(project: Path, cluster: Cluster, quick: None) -> None:
    wakes(cluster, project)
    cluster.script[5:] = [break_off]
    found = run("--watch", "1h", "--gate", "10")
    assert found.exit_code == 2
    assert "must have 5 remembered starts" in found.stderr
    assert not (project / "local.cold-starts.json").exists()


@pytest.mark.parametrize("written", ["0s", "24", "1.5h", "-1h", "h", "32d", "999999d", "1w", "", "\u0661h"])
def test_a_watch_of_no_duration_is_refused(project: Path, cluster: Cluster, written: str) -> None:
    found = run(f"--watch={written}")
    assert found.exit_code == 2
    assert "must be a duration of at most 31 days" in found.stderr
    assert cluster.asked == []
