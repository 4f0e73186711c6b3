"""The manifests' schemas are committed files: a change of one is a decision, not an accident."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from model_packaging import Artifact
from model_packaging.artifact.folder_manifest import FolderManifest, open_folder
from model_packaging.artifact.manifest import Manifest
from model_packaging.findings import FindingsError
from model_packaging.huggingface import export
from model_packaging.pipeline.folder import package_folder
from model_packaging.progress import quiet
from model_packaging.spec import FolderSpec

SCHEMAS = {
    "manifest": Manifest.schema_text,
    "folder_manifest": FolderManifest.schema_text,
}


def committed(name: str) -> str:
    return files("model_packaging.artifact").joinpath(f"{name}.schema.json").read_text(encoding="utf-8")


def checked(manifest: Manifest | FolderManifest, name: str) -> dict[str, Any]:
    content = json.loads(manifest.to_json())
    jsonschema.Draft202012Validator(json.loads(committed(name))).validate(content)
    return content


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_committed_schema_is_what_the_models_say(name: str) -> None:
    """Regenerate them: make schema."""
    assert committed(name) == SCHEMAS[name]()
    jsonschema.Draft202012Validator.check_schema(json.loads(committed(name)))


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_command_writes_it_as_it_is_committed(name: str) -> None:
    command = [sys.executable, "-m", f"model_packaging.artifact.{name}"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == committed(name)


def test_a_manifest_meets_it(make_artifact: Any) -> None:
    artifact: Artifact = make_artifact("sentences")
    assert checked(artifact.manifest, "manifest")["schema"] == "scaletozero.manifest/1"


@pytest.fixture
def checkpoint(llama: Callable[..., Path]) -> Path:
    """A packaged checkpoint for vLLM."""
    source = llama()
    asked = FolderSpec.of(name="llama", source=source, out=source.with_name("out"), target="gpu-vllm")
    return package_folder(asked, quiet).path


def test_a_folder_manifest_meets_it(checkpoint: Path) -> None:
    assert checked(open_folder(checkpoint).manifest, "folder_manifest")["quantization"]["scheme"] == "FP8_DYNAMIC"


def test_the_folder_manifest_of_an_exported_graph_meets_it(
    llama: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def exported(_: Path, target: Path, __: str) -> export.Exported:
        target.mkdir()
        (target / "model.onnx").write_bytes(b"a graph")
        cases = ({"input_ids": (1, 8)}, {"input_ids": (4, 8)})
        return export.Exported(target / "model.onnx", ("logits",), 128, 1e-6, cases, {"torch": "2.10"})

    monkeypatch.setattr(export, "export_folder", exported)
    source, task = llama(), "text-classification"
    asked = FolderSpec.of(name="x", source=source, out=source.with_name("out"), target="onnx-generic", task=task)
    content = checked(package_folder(asked, quiet).manifest, "folder_manifest")
    assert content["export"]["cases"] == [{"input_ids": [1, 8]}, {"input_ids": [4, 8]}]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"schema": "scaletozero.folder-manifest/2"}, "schema"),
        ({"sha256": "short"}, "sha256"),
        ({"files": []}, "files"),
        ({"surprise": 1}, "surprise"),
        ({"target": "cpu-serverless"}, "target"),
    ],
)
def test_what_the_schema_refuses_the_reader_refuses(checkpoint: Path, change: dict[str, Any], where: str) -> None:
    content = {**json.loads((checkpoint / "manifest.json").read_text()), **change}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, json.loads(committed("folder_manifest")))
    (checkpoint / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(FindingsError, match=rf"manifest\.json: {where}"):
        open_folder(checkpoint)


def test_writing_and_reading_gives_the_same(make_artifact: Any) -> None:
    manifest: Manifest = make_artifact("sentences").manifest
    assert Manifest.model_validate_json(manifest.to_json()) == manifest
    assert Manifest.model_validate_json(manifest.to_json()).to_json() == manifest.to_json()


def test_writing_and_reading_a_folder_manifest_gives_the_same(checkpoint: Path) -> None:
    manifest = open_folder(checkpoint).manifest
    assert FolderManifest.model_validate_json(manifest.to_json()) == manifest
    assert manifest.to_json() == (checkpoint / "manifest.json").read_text()


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_numbers_that_json_lacks_are_refused(make_artifact: Any, checkpoint: Path, number: float) -> None:
    manifest: Manifest = make_artifact("sentences").manifest
    with pytest.raises(ValidationError, match="finite number"):
        Manifest.model_validate({**manifest.model_dump(by_alias=True), "floor": {"error": number}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        manifest.model_copy(update={"floor": {"error": number}}).to_json()
    text = (checkpoint / "manifest.json").read_text()
    (checkpoint / "manifest.json").write_text(
        text.replace('"mean_error": ', f'"mean_error": {json.dumps(number)}, "_": ')
    )
    with pytest.raises(FindingsError, match=r"quantization.mean_error: must be a finite number"):
        open_folder(checkpoint)
