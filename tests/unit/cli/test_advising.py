"""`scaletozero advise`, as it is typed: what it prints, what it writes, and how it refuses."""

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from gpu_environment import environment
from small_artifact import small_artifact
from small_checkpoint import small_checkpoint
from typer.testing import CliRunner, Result

from model_packaging import open_artifact
from scaletozero.cli import app
from scaletozero.cold_start.remembered import Start, add_starts


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one endpoint, and calls that were recorded of it."""
    small_artifact(tmp_path, "model", recommended_mb=2048)
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/serving:1"
    endpoints = {
        "sentences": {"artifact": "model", "image": image, "scaling": {"max": 5}},
        "reports": {
            "kind": "asynchronous",
            "artifact": "model",
            "image": image,
            "instance_type": "ml.c5.xlarge",
            "scaling": {"max": 3, "idle_seconds": 600},
        },
    }
    config = {"demo:environment": {"region": "us-east-1", "endpoints": endpoints}}
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (tmp_path / "Pulumi.local.yaml").write_text(yaml.safe_dump({"config": config}))
    rows = [f"{second},{0.1}" for second in range(0, 36_000, 20)]
    (tmp_path / "calls.csv").write_text("timestamp,duration\n" + "\n".join(rows))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def advise(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["advise", *arguments])


def test_it_names_the_cheapest_and_what_it_assumed(project: Path) -> None:
    plot = project / "advice.svg"
    command = ("sentences", "--trace", "calls.csv", "--objective-ms", "200", "--cold-ms", "3000")
    found = advise(*command, "--idle-seconds", "10", "--json", "--plot", str(plot))
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    # Twenty seconds apart with ten of idle time: every call is cold, unless one container is kept.
    shares = {each["plan"]: each["cold_share"] for each in report["outcomes"]}
    assert shares["min 0"] == 1.0
    assert shares["min 1"] == 0.0
    assert report["cheapest"] == "min 1"
    assert (report["assumed"]["cold_ms"], report["assumed"]["memory_mb"], report["assumed"]["max"]) == (3000, 2048, 5)
    assert {row["confidence"] for row in report["assumed"]["prices"]} == {"published", "derived"}
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")
    again = advise(*command, "--idle-seconds", "10", "--json")
    assert json.loads(again.stdout) == report


def test_it_assumes_the_start_that_was_measured_of_what_is_served(project: Path) -> None:
    about = {
        "at": "2026-11-28T12:00:00Z",
        "region": "us-east-1",
        "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/serving:1",
        "artifact": open_artifact(project / "model").digest,
        "seconds": {"setup": 4, "load": 0.5, "overhead": 0.1, "answer": 9},
    }
    starts = [
        Start.model_validate({**about, "id": memory, "instance_type": f"serverless-{memory}"})
        for memory in ("2048", "3072")
    ]
    command = ("sentences", "--trace", "calls.csv", "--objective-ms", "200", "--json")
    file = project / "local.cold-starts.json"
    add_starts(file, "sentences", starts[1:])
    packaged = open_artifact(project / "model").manifest.cold_start.total_ms
    assert json.loads(advise(*command).stdout)["assumed"]["cold_ms"] == packaged
    add_starts(file, "sentences", starts)
    assert json.loads(advise(*command).stdout)["assumed"]["cold_ms"] == 4500


def test_people_see_a_table(project: Path) -> None:
    found = advise("sentences", "--trace", "calls.csv", "--objective-ms", "200")
    assert found.exit_code == 0, found.output
    assert "USD a month" in found.stdout
    assert "min 0" in found.stdout


def test_instances_are_compared_by_the_wait_of_their_calls(project: Path) -> None:
    rows = [f"{hour * 3600},30" for hour in range(200)]
    (project / "hourly.csv").write_text("timestamp,duration\n" + "\n".join(rows))
    command = ("reports", "--trace", "hourly.csv", "--objective-wait", "60")
    found = advise(*command, "--json")
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    plans = {each["plan"]: each for each in report["outcomes"]}
    # An hour apart with ten minutes of idle time: each call wakes an instance, unless one is kept for an hour.
    assert plans["as declared, idle 600 s"]["cold_share"] == 1.0
    assert plans["as declared, idle 600 s"]["wait_p95"] == report["assumed"]["start_seconds"] == 300
    assert plans["min 0, idle 3600 s"]["cold_share"] == 0.005
    assert plans["min 1, idle 600 s"]["cold_share"] == 0.0
    assert report["cheapest"] == "min 0, idle 3600 s"
    (price,) = report["assumed"]["prices"]
    per_start = (300 + 30 + 600) / 3600 * price["usd"]
    assert plans["as declared, idle 600 s"]["usd_per_month"] == pytest.approx(per_start * 730, rel=0.02)
    shown = advise(*command)
    assert "wait p95" in shown.stdout
    assert "cheapest that meets the objective: min 0, idle 3600 s" in shown.stderr
    none = advise(*command[:-1], "0", "--objective-cold", "0", "--json")
    assert json.loads(none.stdout)["cheapest"] == "min 1, idle 600 s"


def test_gpu_nodes_are_compared_with_the_price_of_a_buffer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_checkpoint(tmp_path / "artifact")
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    declared = {"config": {"demo:environment": environment("artifact")}}
    (tmp_path / "Pulumi.local.yaml").write_text(yaml.safe_dump(declared))
    (tmp_path / "calls.csv").write_text("timestamp,duration\n" + "\n".join(f"{3600 * n},10" for n in range(100)))
    monkeypatch.chdir(tmp_path)
    found = advise("llm", "--trace", "calls.csv", "--objective-wait", "120", "--region", "us-east-1", "--json")
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    buffered = next(each for each in report["outcomes"] if ", buffer 1" in each["plan"])
    assert buffered["wait_p95"] == report["assumed"]["buffered_start_seconds"] < report["assumed"]["start_seconds"]
    assert buffered["buffer_usd_per_month"] == pytest.approx(730 * report["assumed"]["prices"][0]["usd"])
    (tmp_path / "calls.csv").write_text("timestamp\n" + "\n".join(f"{3600 * n}" for n in range(100)))
    found = advise("llm", "--trace", "calls.csv", "--objective-wait", "120", "--region", "us-east-1")
    assert found.exit_code == 2
    assert "must have the durations of the calls" in found.output


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("sentences", "--trace", "calls.csv", "--objective-wait", "3"), "leave it out; of sentences are"),
        (("reports", "--trace", "calls.csv", "--objective-ms", "3"), "leave it out; of reports are"),
        (("reports", "--trace", "calls.csv", "--objective-wait", "3", "--plot", "x.svg"), "--plot"),
        (("reports", "--trace", "calls.csv"), "--objective-wait or --objective-cold"),
        (("reports", "--trace", "calls.csv", "--objective-cold", "101"), "100"),
        (("reports", "--trace", "calls.csv", "--objective-wait", "3", "--region", "eu-west-3"), "must have a row"),
        (("sentence", "--trace", "calls.csv", "--objective-ms", "200"), "write `sentences`"),
        (("sentences", "--trace", "nothing.csv", "--objective-ms", "200"), "must be a readable text file"),
        (("sentences", "--trace", "Pulumi.yaml", "--objective-ms", "200"), "must name a column `timestamp`"),
        (("sentences", "--trace", "calls.csv", "--objective-ms", "200", "--timezone", "Berlin"), "IANA"),
        (("sentences", "--trace", "calls.csv", "--objective-ms", "200", "--region", "eu-west-3"), "must have a row"),
        (("sentences", "--trace", "calls.csv", "--objective-ms", "0"), "0.001"),
        (("sentences", "--trace", "calls.csv"), "--objective-ms"),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_it_cannot_advise_on(arguments: tuple[str, ...], said: str) -> None:
    found = advise(*arguments)
    assert found.exit_code == 2
    assert said in found.output


@pytest.mark.parametrize("rows", ["1e12", "-1", "1e300", "9999-12-31", "0001-01-01", "inf", "253402300800", "[" * 5000])
def test_a_time_far_off(project: Path, rows: str) -> None:
    (project / "far.csv").write_text(f"timestamp,duration\n{rows},0.1\n")
    found = advise("sentences", "--trace", "far.csv", "--objective-ms", "200")
    assert found.exit_code == 2
    assert "far.csv:2: must have a time (seconds or ISO 8601, 1970 to 2100)" in found.stderr


@pytest.mark.parametrize(
    "line",
    [
        *('{"timestamp": 1e12}', '{"timestamp": 1, "duration_ms": "x"}', '{"timestamp": 1, "duration_ms": []}'),
        *('{"timestamp": ' + "[" * 5000, '{"timestamp": ' + "9" * 5000 + "}", '{"timestamp": 1, "duration": 1e9}'),
    ],
)
def test_a_line_that_is_no_call(project: Path, line: str) -> None:
    (project / "far.jsonl").write_text(f"{line}\n")
    found = advise("sentences", "--trace", "far.jsonl", "--objective-ms", "200")
    assert (found.exit_code, "far.jsonl:1: must" in found.stderr) == (2, True)


def test_calls_that_are_years_apart(project: Path) -> None:
    (project / "long.csv").write_text("timestamp,duration\n0,0.1\n4000000000,0.1\n")
    found = advise("sentences", "--trace", "long.csv", "--objective-ms", "200")
    assert (found.exit_code, "may span at most 400 days" in found.stderr) == (2, True)


@pytest.mark.parametrize("plot", ["nowhere/a.svg", "x" * 5000, "calls.csv/a.svg"])
def test_a_plot_into_a_folder_that_is_not_there(project: Path, plot: str) -> None:
    found = advise("sentences", "--trace", "calls.csv", "--objective-ms", "200", "--plot", plot)
    assert found.exit_code in (1, 2)
    assert "--plot: must" in found.stderr


def test_a_plot_onto_a_folder(project: Path) -> None:
    found = advise("sentences", "--trace", "calls.csv", "--objective-ms", "200", "--plot", ".")
    assert (found.exit_code, "--plot: must be a file that can be written" in found.stderr) == (2, True)


def test_a_trace_that_is_a_named_pipe(project: Path) -> None:
    os.mkfifo(project / "pipe")
    found = advise("sentences", "--trace", "pipe", "--objective-ms", "200")
    assert (found.exit_code, "got a named pipe" in found.stderr) == (2, True)
