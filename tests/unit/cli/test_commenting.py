"""`preview --format markdown`, as it is typed, and what it hears of the engine."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi.automation import EngineEvent
from small_artifact import small_artifact
from typer.testing import CliRunner, Result

from model_packaging.findings import FindingsError
from scaletozero.cli import app
from scaletozero.cli.commenting import Heard, read_before, short_type

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/serving:1"
COMMENT = "<!-- scaletozero preview: demo/dev -->\n### Preview of `dev`"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    small_artifact(tmp_path, "model", recommended_mb=2048)
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (tmp_path / "__main__.py").write_text("")
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **changes: Any) -> None:
    endpoint = {"artifact": "model", "image": IMAGE, **changes.pop("endpoint", {})}
    settings = {"region": "us-east-1", "endpoints": {"sentences": endpoint}, **changes}
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": {"demo:environment": settings}}))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["preview", "-e", "dev", *arguments])


def test_a_setting_that_does_not_exist(project: Path) -> None:
    write(project, endpoint={"memry": 1})
    found = run("--format", "markdown")
    assert found.exit_code == 2
    assert found.stdout.startswith(f"{COMMENT}: it would fail\n")
    assert "- `environment.endpoints.sentences.memry`: is not a setting that exists here" in found.stdout
    assert "#### Cost" not in found.stdout
    assert "error: environment.endpoints.sentences.memry" in found.stderr


def test_above_its_cap_it_shows_what_it_would_cost(project: Path) -> None:
    (project / "before.json").write_text(CliRunner().invoke(app, ["estimate", "-e", "dev", "--json"]).stdout)
    write(project, endpoint={"scaling": {"max": 20}}, spending={"cap_usd_per_month": 500})
    found = run("--format", "markdown", "--against", "before.json", "--sandbox")
    assert found.exit_code == 2
    assert "- `environment.spending.cap_usd_per_month`: must be at least the worst case" in found.stdout
    assert "| worst an hour | `$4.32` | `$8.65` | `+$4.33` |" in found.stdout
    assert "| cap a month | none | `$500.00` |  |" in found.stdout


def test_an_environment_that_does_not_exist(project: Path) -> None:
    (project / "Pulumi.dev.yaml").unlink()
    found = run("--format", "markdown")
    assert found.exit_code == 2
    assert found.stdout.startswith(f"{COMMENT}: it would fail\n")
    assert "- `environment`: needs a settings file in" in found.stdout


def test_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = run("--format", "markdown")
    assert found.exit_code == 2
    assert found.stdout.startswith("<!-- scaletozero preview: dev -->\n")


def test_without_it_nothing_is_on_stdout(project: Path) -> None:
    write(project, endpoint={"memry": 1})
    found = run()
    assert (found.exit_code, found.stdout) == (2, "")


def test_a_format_that_does_not_exist(project: Path) -> None:
    found = run("--format", "html")
    assert found.exit_code == 2
    assert "markdown" in found.stderr


ROWS = {"total": {}, "endpoints": {}}


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (None, "No such file"),
        ("", "Expecting value"),
        ("[]", "something else"),
        ('{"total": 1, "endpoints": {}}', "something else"),
        ('{"total": {}}', "something else"),
        (json.dumps({**ROWS, "endpoints": {"a": 3}}), "no amount"),
        (json.dumps({**ROWS, "total": {"worst_usd_per_hour": "4"}}), "no amount"),
        (json.dumps({**ROWS, "total": {"worst_usd_per_hour": True}}), "no amount"),
        (json.dumps({**ROWS, "total": {"worst_usd_per_hour": -1}}), "no amount"),
        ('{"total": {"worst_usd_per_hour": NaN}, "endpoints": {}}', "no amount"),
        ('{"total": {"worst_usd_per_hour": Infinity}, "endpoints": {}}', "no amount"),
        ('{"total": {"worst_usd_per_hour": 1e300}, "endpoints": {}}', "no amount"),
    ],
)
def test_what_it_is_compared_with_must_be_an_estimate(project: Path, content: str | None, got: str) -> None:
    if content is not None:
        (project / "before.json").write_text(content)
    found = run("--format", "markdown", "--against", "before.json")
    assert (found.exit_code, found.stdout) == (2, "")
    assert got in found.stderr


def test_an_estimate_is_read_as_it_was_written(project: Path) -> None:
    (project / "before.json").write_text(json.dumps({**ROWS, "total": {"worst_usd_per_hour": 4.5}}))
    found = read_before(project / "before.json")
    assert found
    assert found["total"]["worst_usd_per_hour"] == 4.5
    assert read_before(None) is None


def said(severity: str, message: str) -> EngineEvent:
    event = {"message": message, "color": "never", "severity": severity}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, "diagnosticEvent": event})


def violated(level: str) -> EngineEvent:
    event = {"message": "a bucket in the open", "policyName": "private", "enforcementLevel": level}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, "policyEvent": event})


def stepped(op: str, **more: Any) -> EngineEvent:
    step = {"op": op, "urn": "urn:pulumi:dev::demo::aws:iam/role:Role::role", "type": "aws:iam/role:Role", **more}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, "resourcePreEvent": {"metadata": step}})


def heard(*events: EngineEvent, failed: bool = False) -> str:
    listener = Heard()
    for event in events:
        listener(event)
    return listener.report("dev", before=None, on_sandbox=False, failed=failed)


def test_an_error_is_shown_once_and_without_its_traceback(project: Path) -> None:
    words = "<{%reset%}>broken\nat 1 | 2<{%reset%}>\nTraceback (most recent call last):\n  secret frames"
    text = heard(said("error", words), said("error", f"an unhandled error occurred: {words}"), failed=True)
    assert "```text\nbroken\nat 1 | 2\n```" in text
    assert "secret" not in text


def test_warnings_and_what_is_only_told(project: Path) -> None:
    text = heard(said("warning", "an old price"), said("info", "told"), said("info#err", "printed"))
    assert "#### Warnings\n\n- an old price\n" in text
    assert "told" not in text
    assert "printed" not in text


@pytest.mark.parametrize(("level", "title"), [("mandatory", "#### Errors"), ("warning", "#### Warnings")])
def test_a_policy_that_is_violated(project: Path, level: str, title: str) -> None:
    assert "private: a bucket in the open" in heard(violated(level)).partition(title)[2]


def test_a_replacement_is_one_change(project: Path) -> None:
    both = stepped("create-replacement"), stepped("replace", keys=["name"], diffs=["name"]), stepped("delete-replaced")
    text = heard(*both, stepped("same"), stepped("refresh"), stepped("read"))
    assert "**1 to replace**, 1 unchanged." in text
    assert "| replace | `role` | `aws:iam:Role` | `name` |" in text


def test_the_reason_why_the_engine_did_not_begin(project: Path) -> None:
    listener = Heard()
    listener.failed("preview of dev did not start. Fix: log in")
    text = listener.report("dev", before=None, on_sandbox=False, failed=True)
    assert "```text\npreview of dev did not start. Fix: log in\n```" in text


def test_findings_are_kept_as_they_are(project: Path) -> None:
    listener = Heard()
    with pytest.raises(FindingsError) as error:
        read_before(project / "nowhere.json")
    listener.refused(error.value)
    assert "#### Refused\n\n- `" in listener.report("dev", before=None, on_sandbox=False, failed=True)


@pytest.mark.parametrize(
    ("token", "short"),
    [
        ("aws:sagemaker/endpoint:Endpoint", "aws:sagemaker:Endpoint"),
        ("pulumi:pulumi:Stack", "pulumi:pulumi:Stack"),
        ("kubernetes:core/v1:Service", "kubernetes:core:Service"),
        ("scaletozero:index:ArtifactStore", "scaletozero:index:ArtifactStore"),
        ("odd", "odd"),
    ],
)
def test_a_type_is_shown_as_the_engine_shows_it(token: str, short: str) -> None:
    assert short_type(token) == short
