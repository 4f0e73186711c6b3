"""`scaletozero check`: exit codes, the table, JSON, and every way to use it wrongly."""

import json
from pathlib import Path
from typing import Any

import pytest
from residency_leaks import HERE, THERE
from typer.testing import CliRunner

from scaletozero.cli import app

PROVIDER = "urn:pulumi:prod::own::pulumi:providers:aws::default"


@pytest.fixture
def state(tmp_path: Path) -> Any:
    def write(**inputs: Any) -> str:
        bucket = {
            "urn": "urn:pulumi:prod::own::aws:s3/bucket:Bucket::reports",
            "custom": True,
            "type": "aws:s3/bucket:Bucket",
            "inputs": inputs,
            "provider": f"{PROVIDER}::1",
        }
        provider = {
            "urn": PROVIDER,
            "custom": True,
            "id": "1",
            "type": "pulumi:providers:aws",
            "inputs": {"region": HERE},
        }
        path = tmp_path / "state.json"
        path.write_text(json.dumps({"version": 3, "deployment": {"resources": [provider, bucket]}}))
        return str(path)

    return write


def run(*arguments: str, stdin: str | None = None) -> Any:
    return CliRunner().invoke(app, ["check", *arguments], input=stdin)


def test_what_stays_inside_exits_with_0(state: Any) -> None:
    done = run(state(), "--residency", "eu")
    assert done.exit_code == 0
    assert "1 resources, all within eu-central-1, eu-north-1" in done.output


def test_what_leaves_exits_with_1_and_is_shown(state: Any) -> None:
    done = run(state(region=THERE), "--residency", HERE)
    assert done.exit_code == 1
    assert "reports.region" in done.output
    assert f"1 way out of {HERE}: 1 artifacts" in done.output


def test_json_has_the_finding_whole(state: Any) -> None:
    done = run(state(region=THERE), "--residency", "eu-central-1,eu-west-1", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["residency"] == ["eu-central-1", "eu-west-1"]
    assert told["resources"] == 1
    (leak,) = told["leaks"]
    assert (leak["path"], leak["got"], leak["covers"]) == ("reports.region", THERE, "artifacts")
    assert leak["fix"]


def test_stdin_is_read(state: Any) -> None:
    assert run("-", "--residency", "eu", stdin=Path(state()).read_text()).exit_code == 0


@pytest.mark.parametrize(
    "arguments, said",
    [
        ((), "or --environment is required"),
        (("--residency", "eu", "-e", "local"), "only one of them"),
        (("--residency", "europe"), "must be one of eu, uk"),
        (("--residency", "eu-centrall-1"), "write `eu-central-1`"),
        (("--residency", ","), "is required, or a geography"),
    ],
)
def test_wrong_use_exits_with_2(state: Any, arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["check", state(), *arguments])
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}'])
def test_what_is_no_state_exits_with_2(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    assert run(str(path), "--residency", "eu").exit_code == 2


def test_a_missing_file_exits_with_2() -> None:
    done = run("nowhere.json", "--residency", "eu")
    assert done.exit_code == 2
    assert "No such file" in done.output
