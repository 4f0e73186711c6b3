"""`scaletozero predict`, as it is typed: what it prints, what it asks the registry, and what if that refuses."""

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from gpu_environment import environment
from image_registry import ImageRegistry, image_registry, manifest
from moto import mock_aws
from small_artifact import small_artifact
from small_checkpoint import small_checkpoint
from typer.testing import CliRunner, Result

from scaletozero.cli import app
from scaletozero.cli.predicting import ecr_credentials

HOST = "registry.localhost"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[ImageRegistry]:
    real = socket.getaddrinfo

    def resolved(host: Any, *arguments: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == HOST else host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    with image_registry() as found:
        yield found


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: ImageRegistry) -> Path:
    small_checkpoint(tmp_path / "artifact")
    small_artifact(tmp_path, "model", recommended_mb=2048)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    write(tmp_path, registry)
    return tmp_path


def write(folder: Path, registry: ImageRegistry, **changes: Any) -> None:
    declared = environment("artifact", llm__image=f"{HOST}:{registry.port}/team/vllm:1", **changes)
    (folder / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (folder / "Pulumi.local.yaml").write_text(yaml.safe_dump({"config": {"demo:environment": declared}}))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["predict", *arguments])


def predicted(*arguments: str) -> dict[str, Any]:
    return json.loads(run("--json", *arguments).stdout)["endpoints"]["llm"]


def test_an_image_is_predicted_by_what_its_registry_says(project: Path, registry: ImageRegistry) -> None:
    digest = registry.add(manifest(6_000_000_000, 2_000_000_000), "1")
    found = run()
    assert found.exit_code == 0, found.output
    assert f"llm: 8 GB in 2 layers (gzip), the largest 75%; {digest}" in found.stderr
    assert "cold start" in found.stdout
    assert "predicted from published figures" in found.stderr
    assert registry.asked == [("/v2/team/vllm/manifests/1", None)]


def test_the_size_decides_how_long_the_pull_takes(project: Path, registry: ImageRegistry) -> None:
    registry.add(manifest(7_500_000_000), "1")
    half, whole = predicted(), predicted("--no-registry")
    pulls = [each["predicted"]["phases"]["pull"]["expected"] for each in (half, whole)]
    assert pulls[0] * 2 == pytest.approx(pulls[1], abs=0.2)


def test_json_has_image_budget_phases_and_bands(project: Path, registry: ImageRegistry) -> None:
    digest = registry.add(manifest(10**9, compression="+zstd"), "1")
    found = predicted()
    assert found["image"] == {
        "digest": digest,
        "gb": 1.0,
        "layers": 1,
        "largest_share": 1.0,
        "compression": ["zstd"],
    }
    assert found["budget"]["node"] == 90
    assert set(found["predicted"]["phases"]) == {"node", "pull", "weights", "engine"}
    total = found["predicted"]["total"]
    assert total["low"] < total["expected"] < total["high"]


def test_without_the_registry_nothing_is_asked(project: Path, registry: ImageRegistry) -> None:
    assert run("--no-registry").exit_code == 0
    assert registry.asked == []


def test_a_registry_that_refuses_is_a_warning(project: Path, registry: ImageRegistry) -> None:
    found = run()
    assert found.exit_code == 0
    assert "404, not found" in found.stderr
    assert "predicted from `serving.image_gb`" in found.stderr
    assert "404" in predicted()["not_read"][0]


def test_what_was_given_is_shown_as_given(project: Path, registry: ImageRegistry) -> None:
    write(project, registry, llm__cold_start={"engine": 77})
    found = run("--no-registry")
    assert "77 s" in found.stdout
    assert "given, or a constant" in found.stdout


def test_another_engine_is_said_to_have_no_prediction(project: Path, registry: ImageRegistry) -> None:
    write(project, registry, llm__serving={"engine": "container", "ready_path": "/health"})
    assert "only the start of vLLM is published" in run("--no-registry").stdout


def test_a_kind_that_is_not_predicted_is_named(project: Path, registry: ImageRegistry) -> None:
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/serving:1"
    write(project, registry, endpoints={"sentences": {"artifact": "model", "image": image}}, kubernetes=None)
    found = run()
    assert found.exit_code == 0, found.output
    assert "sentences: of the kind serverless no cold starts are published by phase" in found.stderr


def test_an_environment_that_does_not_exist_is_refused(project: Path) -> None:
    assert run("-e", "nowhere").exit_code == 2


def test_the_figures_are_printed(project: Path) -> None:
    found = run("--figures")
    assert "45 of 52 figures are inside their band" in found.stderr
    assert "outside" in found.stdout
    assert len(json.loads(run("--figures", "--json").stdout)) == 52


def test_amazon_ecr_takes_the_credentials_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        found = ecr_credentials("123456789012.dkr.ecr.eu-central-1.amazonaws.com")
    assert found
    assert base64.b64decode(found.removeprefix("Basic ")).startswith(b"AWS:")


@pytest.mark.parametrize(
    "host", ["public.ecr.aws", "ghcr.io", "123456789012.dkr.ecr.eu-central-1.example.com", "localhost:5000"]
)
def test_no_other_registry_gets_them(host: str) -> None:
    assert ecr_credentials(host) is None


def test_without_credentials_of_aws_there_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert ecr_credentials("123456789012.dkr.ecr.eu-central-1.amazonaws.com") is None
