"""`scaletozero estimate`, as it is typed: what it prints, what it writes, how it refuses, and what changed."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from small_artifact import small_artifact
from typer.testing import CliRunner, Result

from scaletozero.cli import app
from scaletozero.cli.estimating import show_estimate
from scaletozero.environment.estimate import estimate_environment
from scaletozero.environment.project import find_project
from scaletozero.spending.prices import prices
from scaletozero.spending.traffic import Assumptions

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/serving:1"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    small_artifact(tmp_path, "model", recommended_mb=2048)
    write(tmp_path, max=5)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCALETOZERO_PRICES", raising=False)
    return tmp_path


def write(folder: Path, region: str = "us-east-1", **scaling: Any) -> None:
    endpoints = {"sentences": {"artifact": "model", "image": IMAGE.replace("us-east-1", region), "scaling": scaling}}
    config = {"demo:environment": {"region": region, "endpoints": endpoints}}
    (folder / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (folder / "Pulumi.local.yaml").write_text(yaml.safe_dump({"config": config}))


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["estimate", *arguments], input=stdin)


def test_people_see_a_table_and_what_it_assumes(project: Path) -> None:
    found = run("--requests-per-month", "2000000", "--seconds", "0.5")
    assert found.exit_code == 0, found.output
    assert "serverless, 2048 MB x 5" in found.stdout
    assert "$40.16" in found.stdout
    assert "asynchronous, ml.t2.medium" in found.stdout
    assert "assumed: 2,000,000 requests a month of each endpoint" in found.stderr
    assert "prices are older than 90 days" in found.stderr
    assert "local: $0.00 a month without a request, $40.16 with the assumed ones" in found.stderr


def test_json_has_every_figure(project: Path) -> None:
    report = json.loads(run("--json", "--seconds", "0.5").stdout)
    assert report["environment"] == "local"
    assert report["assumed"]["requests_per_month"] == 100_000
    each = report["endpoints"]["sentences"]
    assert each["usd_per_1000_requests"] == 0.02008
    assert (each["detector_seconds"], each["overshoot_usd"], each["stopped_by"]) == (None, None, None)
    assert "sagemaker.serverless gb-second us-east-1 2023-10-09 published" in each["prices"]


def test_the_plot_is_written(project: Path) -> None:
    found = run(
        "--plot", "cost.svg", "--input-tokens", "30", "--output-tokens", "10", "--against", "openai/gpt-4o-mini"
    )
    assert found.exit_code == 0, found.output
    text = (project / "cost.svg").read_text()
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "openai/gpt-4o-mini" in text
    assert "openai/gpt-4o-mini" in found.stdout


def test_a_region_without_prices_is_said_and_is_no_error(project: Path) -> None:
    write(project, "eu-central-1", max=5)
    found = run()
    assert found.exit_code == 0
    assert "not priced: sentences: price of sagemaker.serverless gb-second: must have a row for" in found.stderr
    assert "1 not priced" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("--seconds", "nan"), "traffic.seconds: must be from 0.000001 to 86400"),
        (("--seconds", "-1"), "traffic.seconds: must be from"),
        (("--requests-per-month", "-5"), "traffic.requests_per_month: must be from 0 to"),
        (("--hours-per-month", "1000"), "traffic.hours_per_month: must be from 1 to 730"),
        (("--against", "openai/gpt-4o-mini"), "--against: needs the tokens of a request"),
        (("--against", "nobody/x", "--input-tokens", "1"), "model: must be `provider/model`"),
        (("--plot", "nowhere/x.svg"), "--plot: must be in a folder that exists"),
        (("--state", "s.json", "-e", "local"), "--state: and --environment exclude each other"),
        (("--state", "s.json", "--plot", "x.svg"), "--plot: needs an environment"),
        (("--state", "nowhere.json"), "must be a file with a stack's exported state"),
        (("-e", "nowhere"), "environment: must be one of local"),
    ],
)
def test_wrong_use_is_refused(project: Path, arguments: tuple[str, ...], wanted: str) -> None:
    found = run(*arguments)
    assert found.exit_code == 2, found.output
    assert wanted in found.stderr


PROVIDER = "urn:pulumi:prod::own::pulumi:providers:aws::default"


def state(*resources: dict[str, Any]) -> str:
    provider = {
        "urn": PROVIDER,
        "custom": True,
        "id": "1",
        "type": "pulumi:providers:aws",
        "inputs": {"region": "us-east-1"},
    }
    rows = [{"urn": f"urn:pulumi:prod::own::{e['type']}::{e['name']}", "custom": True, **e} for e in resources]
    rows = [{**row, "provider": f"{PROVIDER}::1"} for row in rows]
    return json.dumps({"version": 3, "deployment": {"resources": [provider, *rows]}})


def test_any_stack_is_priced_from_its_state(project: Path) -> None:
    nodes = {"instanceTypes": ["m6i.large"], "scalingConfig": {"desiredSize": 2, "maxSize": 4}}
    text = state(
        {"type": "aws:eks/nodeGroup:NodeGroup", "name": "nodes", "inputs": nodes},
        {"type": "aws:s3/bucket:Bucket", "name": "bucket", "inputs": {}},
        {"type": "aws:rds/instance:Instance", "name": "database", "inputs": {}},
    )
    found = run("--state", "-", stdin=text)
    assert found.exit_code == 0, found.output
    assert "nodes m6i.large" in found.stdout
    assert "$140.16" in found.stdout
    assert "stored GB and requests" in found.stdout
    assert "no price is known of aws:rds/instance:Instance" in found.stdout
    assert "$140.16 a month as declared, at most $0.39 an hour; 1 priced, 1 charged by use" in found.stderr
    report = json.loads(run("--state", "-", "--json", stdin=text).stdout)
    assert report["usd_per_month"] == 140.16
    assert report["unpriced"][0]["type"] == "aws:rds/instance:Instance"


def test_the_change_against_what_is_deployed_is_shown(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deployed = estimate_environment(find_project().environment("local"), Assumptions(), prices()).summary()
    write(project, max=10)
    found = estimate_environment(find_project().environment("local"), Assumptions(), prices())
    gone = {**deployed["endpoints"]["sentences"], "expected_usd_per_month": 7.5}
    before = {**deployed, "endpoints": {**deployed["endpoints"], "old": gone}}
    show_estimate(found, Assumptions(), before)
    shown = capsys.readouterr()
    assert "(was $" in shown.out
    assert shown.out.count("(was") == 1  # the worst case alone
    assert "no longer: old, expected $7.50 a month" in shown.err
    show_estimate(found, Assumptions(), found.summary())
    assert "(was" not in capsys.readouterr().out


def test_a_cap_that_could_be_exceeded_is_shown_with_the_estimate(project: Path) -> None:
    config = yaml.safe_load((project / "Pulumi.local.yaml").read_text())
    config["config"]["demo:environment"]["spending"] = {"cap_usd_per_month": 100, "endpoints": {"sentences": 50}}
    (project / "Pulumi.local.yaml").write_text(yaml.safe_dump(config))
    found = run()
    assert found.exit_code == 1
    assert "cap a month" in found.stdout
    assert "nothing" in found.stdout
    assert "cap: $100.00 a month of all of it" in found.stderr
    assert "environment.spending.endpoints.sentences: must be at least the worst case" in found.stderr
    assert json.loads(run("--json").stdout)["total"]["cap_usd_per_month"] == 100
    config["config"]["demo:environment"]["spending"]["enforce"] = "warn"
    (project / "Pulumi.local.yaml").write_text(yaml.safe_dump(config))
    found = run()
    assert found.exit_code == 0
    assert "warning: environment.spending.cap_usd_per_month: must be at least the worst case" in found.stderr
