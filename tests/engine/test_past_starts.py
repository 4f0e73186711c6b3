"""`bench --past` in the sandbox: what the embedded AWS keeps of cold starts, against what its runtime did."""

import json
import statistics
from typing import Any

import pytest
from clusters import eventually
from workbench import IMAGE, Workbench

from model_packaging import Artifact
from scaletozero.sandbox import daemon

QUESTION = json.dumps({"inputs": ["A cold start is a number, not a hope."]})


def past(workbench: Workbench) -> dict[str, Any]:
    shown = workbench.run("bench", "it", "--past", "1h", "--json")
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def live(workbench: Workbench) -> dict[str, Any]:
    (found,) = daemon.status(workbench.sandbox())["endpoints"].values()
    return found


def test_starts_of_a_serverless_endpoint_are_what_the_runtime_measured(workbench: Workbench, encoder: Artifact) -> None:
    delays = {"instance": {"seconds": 0.5, "spread": 0.3}, "container": {"seconds": 0.3, "spread": 0.3}}
    quick = {"aws_port": 0, "runtime_port": 0, "idle_seconds": 1, "delays": delays}
    workbench.declare(endpoints={"it": {"artifact": str(encoder.path), "image": IMAGE}}, sandbox=quick)
    workbench.done("up")
    workbench.done("invoke", "it", QUESTION)
    known = live(workbench)["cold_starts"]
    read = past(workbench)
    assert (read["starts"], read["inexact"]) == (len(known), 0)
    setup = read["phases_ms"]["ModelSetupTime"]
    assert setup["p50"] == pytest.approx(statistics.median(each["total_ms"] for each in known), abs=0.2)
    # The endpoint's creation starts a container as well, to see whether it can.
    assert read["phases_ms"]["container: load"]["n"] == len(known) + 1
    assert read["phases_ms"]["overhead besides"]["p95"] < setup["p50"]

    shown = workbench.run("bench", "it", "--starts", "2", "--json", "--svg", "starts.svg")
    assert shown.returncode == 0, shown.stderr
    report = json.loads(shown.stdout)
    forced = live(workbench)["cold_starts"][-2:]
    assert len(report["starts"]) == 2
    for measured, known in zip(report["starts"], forced, strict=True):
        seconds = measured["seconds"]
        inside = [seconds[each] for each in ("python", "imports", "verify", "load", "canary")]
        assert seconds["setup"] * 1000 > known["phases"]["instance"] + known["phases"]["container"]
        assert sum(inside) + seconds["setup"] == pytest.approx(known["total_ms"] / 1000, abs=0.001)
        assert {each: seconds[each] * 1000 for each in ("imports", "load")} == pytest.approx(
            {each: known["phases"][each] for each in ("imports", "load")}, abs=0.1
        )
    assert 0 < report["usd_at_most"] < report["usd_bound"]
    assert "in the sandbox nothing is paid" in shown.stderr
    assert (workbench.root / "starts.svg").read_text().startswith("<svg")


@pytest.mark.long
def test_a_wake_of_an_asynchronous_endpoint_is_what_the_runtime_measured(
    workbench: Workbench, encoder: Artifact
) -> None:
    """Wakes of callers from what AWS keeps, and forced ones, against delays that the sandbox has drawn."""
    queue = {"kind": "asynchronous", "instance_type": "ml.g5.xlarge", "scaling": {"max": 1, "idle_seconds": 60}}
    delays = {"instance": {"seconds": 8, "spread": 0.3}, "container": {"seconds": 4, "spread": 0.3}}
    sandbox = {"aws_port": 0, "runtime_port": 0, "idle_seconds": 60, "delays": delays}
    workbench.declare(endpoints={"it": {"artifact": str(encoder.path), "image": IMAGE, **queue}}, sandbox=sandbox)
    workbench.done("up")
    assert past(workbench)["wakes"] == []
    workbench.done("invoke", "it", QUESTION)
    eventually(lambda: live(workbench)["instances"] == [], every=0.5)
    workbench.done("invoke", "it", QUESTION)
    known = live(workbench)["cold_starts"][-1]
    (wake,) = eventually(lambda: past(workbench)["wakes"], every=5)
    seconds = wake["seconds"]
    print(seconds, known)
    assert {"queue", "instance", "container", "model"} <= seconds.keys()
    assert_known(seconds, known)
    assert 0 <= seconds["queue"] <= 180

    shown = workbench.run("bench", "it", "--starts", "1", "--json", "--svg", "starts.svg")
    assert shown.returncode == 0, shown.stderr
    report = json.loads(shown.stdout)
    print(shown.stderr, report)
    for measured, known in zip(report["starts"], live(workbench)["cold_starts"][-1:], strict=True):
        assert_known(measured["seconds"], known)
        assert 0 <= measured["seconds"]["queue"] <= 180
        assert 0 <= measured["seconds"]["answer"] <= 5


def assert_known(seconds: dict[str, float], known: dict[str, Any]) -> None:
    """Every phase is within one look of a second, besides the half of one after which log lines are copied."""
    phases = {name: each / 1000 for name, each in known["phases"].items()}
    poll = 1.5
    assert seconds["instance"] == pytest.approx(
        sum(phases[each] for each in ("instance", "download", "unpack")), abs=poll
    )
    assert seconds["container"] == pytest.approx(phases["container"] + phases["process"] + phases["python"], abs=poll)
    loading = sum(phases[each] for each in ("imports", "verify", "load", "canary"))
    assert seconds["model"] == pytest.approx(loading, rel=0.5)
    whole = seconds["instance"] + seconds["container"] + seconds["model"]
    assert whole == pytest.approx(known["total_ms"] / 1000, abs=poll)
