"""Everything that can be written wrong: a clear error, exit code 2, and nothing half made."""

import contextlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from workbench import COMMAND, ROOT, Workbench, endpoint

from model_packaging import Artifact
from scaletozero.cli import app


def refused(workbench: Workbench, *arguments: str) -> str:
    """Runs a command that must be refused before anything begins, in this process; what it said."""
    with contextlib.chdir(workbench.root):
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, (result.exit_code, result.stderr)
    assert result.stdout == ""
    assert not (workbench.root / ".scaletozero" / "backend").exists()
    assert not (workbench.root / ".scaletozero" / "sandbox.json").exists()
    return result.stderr


@pytest.mark.parametrize(
    "changes, where",
    [
        ({"memroy_mb": 2048}, "endpoints.sentences.memroy_mb: is not a setting that exists here"),
        ({"memory_mb": 1500}, "endpoints.sentences.memory_mb: must be one of 1024"),
        ({"scaling": {"max": 500}}, "endpoints.sentences.scaling.max: must be from 1 to 200, got 500"),
        ({"artifact": "nowhere"}, "endpoints.sentences.artifact"),
        ({"image": "nginx:1"}, "endpoints.sentences.image"),
    ],
)
def test_a_wrong_endpoint(workbench: Workbench, encoder: Artifact, changes: dict[str, Any], where: str) -> None:
    workbench.declare(endpoints={"sentences": {**endpoint(encoder), **changes}})
    assert where in refused(workbench, "up")


def test_an_unknown_key_in_an_environment(workbench: Workbench, encoder: Artifact) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)}, residancy="eu")
    assert "environment.residancy: is not a setting that exists here" in refused(workbench, "up")


def test_an_artifact_whose_digest_is_not_its_manifest_s(
    workbench: Workbench, encoder: Artifact, tmp_path: Path
) -> None:
    folder = shutil.copytree(encoder.path, tmp_path / "artifact", ignore=shutil.ignore_patterns(".work"))
    content = bytearray((folder / "model.tar.gz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.tar.gz").write_bytes(content)
    workbench.declare(endpoints={"sentences": {**endpoint(encoder), "artifact": str(folder)}})
    assert "must have the sha256 in its manifest" in refused(workbench, "up")


def test_a_truncated_artifact(workbench: Workbench, encoder: Artifact, tmp_path: Path) -> None:
    folder = shutil.copytree(encoder.path, tmp_path / "artifact", ignore=shutil.ignore_patterns(".work"))
    content = (folder / "model.tar.gz").read_bytes()
    (folder / "model.tar.gz").write_bytes(content[:-1000])
    workbench.declare(endpoints={"sentences": {**endpoint(encoder), "artifact": str(folder)}})
    assert "truncated" in refused(workbench, "up")


@pytest.mark.parametrize("text", ["config: [", "config: 3", "- 1", "config: {}", "\x00"])
def test_a_settings_file_that_is_none(workbench: Workbench, text: str) -> None:
    (workbench.root / "stacks" / "environments" / "Pulumi.local.yaml").write_text(text)
    assert "Pulumi.local.yaml" in refused(workbench, "up")


def test_an_environment_that_does_not_exist(workbench: Workbench) -> None:
    workbench.declare("local")
    assert "write `local`" in refused(workbench, "up", "-e", "locl")


def test_a_folder_that_is_no_project(workbench: Workbench) -> None:
    (workbench.root / "Pulumi.yaml").unlink()
    assert "must be inside a project" in refused(workbench, "up")


def test_an_endpoint_that_does_not_exist(workbench: Workbench, encoder: Artifact) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    assert "Fix: write `sentences`" in refused(workbench, "invoke", "sentence", "{}")


@pytest.mark.parametrize(
    "arguments", [("invoke", "sentences", "{"), ("up", "--fast"), ("fly",), ("invoke", "sentences")]
)
def test_a_command_that_is_none(workbench: Workbench, encoder: Artifact, arguments: tuple[str, ...]) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    refused(workbench, *arguments)


def test_queries_that_cannot_be_answered_and_an_endpoint_that_stays_up(workbench: Workbench, encoder: Artifact) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    workbench.done("up")
    workbench.done("invoke", "sentences", '{"inputs": ["hello"]}')
    name = "scaletozero-local-sentences"
    before = [i["pid"] for i in status(workbench)[name]["instances"]]
    for payload, reason in (
        ('{"inputs": 3}', "inputs"),
        ('{"texts": ["a"]}', "inputs"),
        ("[]", ""),
        (json.dumps({"inputs": ["a" * 4_200_000]}), "4194304"),
    ):
        result = workbench.run("invoke", "sentences", payload) if len(payload) < 100_000 else piped(workbench, payload)
        assert result.returncode == 2, result.stderr
        assert reason in result.stderr
    assert [i["pid"] for i in status(workbench)[name]["instances"]] == before
    workbench.done("invoke", "sentences", '{"inputs": ["hello"]}')


def status(workbench: Workbench) -> dict[str, Any]:
    return json.loads(workbench.run("status", "--json").stdout)["live"]["endpoints"]


def piped(workbench: Workbench, payload: str) -> Any:
    command = [COMMAND, "invoke", "sentences", "-"]
    return subprocess.run(command, input=payload, cwd=workbench.root, capture_output=True, text=True)


@pytest.mark.parametrize("environment", ["local", "dev", "prod-eu", "prod-us"])
def test_every_environment_of_this_project_previews_with_no_account(
    workbench: Workbench, encoder: Artifact, environment: str
) -> None:
    file = f"Pulumi.{environment}.yaml"
    shutil.copy(ROOT / "stacks" / "environments" / file, workbench.root / "stacks" / "environments")
    (workbench.root / "artifacts").symlink_to(encoder.path.parent)
    assert "18 to create" in workbench.done("preview", "-e", environment, "--sandbox")
    assert not (workbench.root / ".scaletozero" / "sandbox.json").exists()
