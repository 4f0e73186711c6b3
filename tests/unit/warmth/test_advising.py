"""`scaletozero advise`, as it is typed: what it prints, what it writes, and how it refuses."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from small_artifact import small_artifact
from typer.testing import CliRunner, Result

from scaletozero.cli import app


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one endpoint, and calls that were recorded of it."""
    small_artifact(tmp_path, "model", recommended_mb=2048)
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/serving:1"
    endpoints = {"sentences": {"artifact": "model", "image": image, "scaling": {"max": 5}}}
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


def test_people_see_a_table(project: Path) -> None:
    found = advise("sentences", "--trace", "calls.csv", "--objective-ms", "200")
    assert found.exit_code == 0, found.output
    assert "USD a month" in found.stdout
    assert "min 0" in found.stdout


@pytest.mark.parametrize(
    "arguments, said",
    [
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
