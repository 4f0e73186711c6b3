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
    quick = {"aws_port": 0, "runtime_port": 0, "idle_seconds": 1}
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
    queue = {"kind": "asynchronous", "instance_type": "ml.g5.xlarge", "scaling": {"max": 1, "idle_seconds": 60}}
    workbench.declare(endpoints={"it": {"artifact": str(encoder.path), "image": IMAGE, **queue}})
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
    # From the activity until the container was ready is what the runtime measured of that start.
    whole = seconds["instance"] + seconds["container"] + seconds["model"]
    assert whole == pytest.approx(known["total_ms"] / 1000, abs=1.5)
    loading = sum(known["phases"][each] for each in ("imports", "verify", "load", "canary"))
    assert seconds["model"] * 1000 == pytest.approx(loading, rel=0.5)
    assert 0 <= seconds["queue"] <= 180
