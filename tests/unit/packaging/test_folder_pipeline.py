"""A model as a folder: what is in it, that it starts again where it was, and every way in which one is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_packaging.artifact import oci
from model_packaging.artifact.folder_manifest import FolderManifest, open_folder
from model_packaging.findings import FindingsError
from model_packaging.huggingface import export
from model_packaging.pipeline.folder import package_folder
from model_packaging.progress import Progress, quiet
from model_packaging.quantization import compressed_tensors
from model_packaging.spec import FolderSpec, PackageSpec, spec_of

Llama = Callable[..., Path]


def spec(source: Path, **changes: Any) -> FolderSpec:
    fine = {"name": "llama", "source": source, "out": source.with_name("out"), "target": "gpu-vllm", "licence": None}
    return FolderSpec.of(**(fine | changes))


def rejected(asked: FolderSpec) -> str:
    with pytest.raises(FindingsError) as error:
        package_folder(asked, quiet)
    return str(error.value)


@pytest.mark.parametrize("scheme", ["FP8_DYNAMIC", "W4A16"])
def test_a_checkpoint_for_vllm(llama: Llama, scheme: str) -> None:
    steps: list[Progress] = []
    made = package_folder(spec(llama(shards=2), scheme=scheme, revision="0a1b"), steps.append)
    manifest = made.manifest
    assert made == open_folder(made.path)
    assert sorted(path.name for path in made.path.iterdir()) == ["manifest.json", "model", "sbom.cdx.json"]
    assert (manifest.licence.expression, manifest.licence.file) == ("Apache-2.0", "LICENSE")
    assert manifest.source.revision == "0a1b"
    assert manifest.quantization is not None
    assert (manifest.quantization.scheme, manifest.quantization.layers) == (scheme, 14)
    assert manifest.quantization.compute_capability == (8.9 if scheme == "FP8_DYNAMIC" else 7.5)
    assert manifest.export is None
    assert manifest.parameters == 352_896
    assert json.loads((made.path / "sbom.cdx.json").read_text())["metadata"]["component"]["name"] == "llama"
    assert [step.stage for step in steps] == ["inspect", "inspect", "quantize", "quantize", "manifest"]


def test_the_same_bytes_twice(llama: Llama, tmp_path: Path) -> None:
    source = llama()
    one, two = (package_folder(spec(source, out=tmp_path / name, oci=True), quiet) for name in ("one", "two"))
    for name in ("manifest.json", "sbom.cdx.json", "oci/index.json"):
        assert (one.path / name).read_bytes() == (two.path / name).read_bytes()


def test_an_oci_layout_beside_it(llama: Llama) -> None:
    made = package_folder(spec(llama(), oci=True), quiet)
    layout = oci.read(made.path / "oci")
    assert set(layout.files) == {entry.path for entry in made.manifest.files}
    assert layout.config["config"] == {
        "format": "safetensors",
        "paramSize": "352.9K",
        "precision": "bfloat16,float8_e4m3",
        "quantization": "FP8_DYNAMIC",
    }
    assert layout.config["descriptor"]["licenses"] == ["Apache-2.0"]


def test_what_is_there_is_not_made_again(llama: Llama, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = spec(llama())
    made = package_folder(asked, quiet)
    monkeypatch.setattr(compressed_tensors, "quantize", None)
    assert package_folder(asked, quiet) == made


def test_another_source_replaces_it(llama: Llama) -> None:
    source = llama()
    made = package_folder(spec(source, oci=True), quiet)
    (source / "tokenizer.json").write_text('{"version": "2.0"}')
    again = package_folder(spec(source), quiet)
    assert again.digest != made.digest
    assert not (again.path / "oci").exists()


def test_a_source_is_never_replaced_by_its_artifact(llama: Llama, tmp_path: Path) -> None:
    source = llama().rename(tmp_path / "model")
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    assert "the artifact would replace the source" in rejected(spec(source, out=tmp_path))
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


@pytest.mark.parametrize("name", ["model", "oci"])
def test_what_no_run_made_is_not_replaced(llama: Llama, name: str) -> None:
    asked = spec(llama(), oci=True)
    mine = asked.out / name / "mine"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert "it would be lost" in rejected(asked)
    assert mine.read_text() == "mine"


def test_only_results_are_removed_from_the_folder_they_are_kept_in(llama: Llama, tmp_path: Path) -> None:
    mine, stale = tmp_path / "own" / "mine", tmp_path / "own" / ("0a" * 8) / "model.onnx"
    for path in (mine, stale):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    package_folder(spec(llama(), work=tmp_path / "own"), quiet)
    assert list((tmp_path / "own").iterdir()) == [mine]


def test_a_run_killed_before_its_manifest_goes_on(llama: Llama, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = spec(llama())

    def killed(*_: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(FolderManifest, "to_json", killed)
    with pytest.raises(KeyboardInterrupt):
        package_folder(asked, quiet)
    monkeypatch.undo()
    monkeypatch.setattr(compressed_tensors, "quantize", None)
    assert package_folder(asked, quiet).manifest.name == "llama"
    assert not (asked.out / ".work").exists()


def test_no_licence(llama: Llama) -> None:
    source = llama()
    (source / "LICENSE").unlink()
    assert "licence: must be known" in rejected(spec(source))
    assert package_folder(spec(source, licence="MIT"), quiet).manifest.licence.file == "given"


def test_a_denied_licence(llama: Llama) -> None:
    source = llama()
    (source / "README.md").write_text("---\nlicense: llama3.1\n---\n")
    (source / "LICENSE").unlink()
    assert "must not be denied, got LicenseRef-llama3.1 in README.md" in rejected(spec(source))
    assert package_folder(spec(source, denied=()), quiet).manifest.licence.expression == "LicenseRef-llama3.1"


def test_a_source_that_is_refused(llama: Llama) -> None:
    assert "auto_map" in rejected(spec(llama(settings={"auto_map": {"AutoModel": "m.M"}})))


def link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


@pytest.mark.parametrize(
    ("name", "harm", "got"),
    [
        ("model/config.json", Path.unlink, "config.json: must be what the manifest lists, got nothing there"),
        ("model/config.json", lambda path: path.write_text("{}"), "got 2 bytes, not"),
        ("model/LICENSE", lambda path: path.write_text("Apache License, Version 3.0"), "got other bytes"),
        ("model/run.py", Path.touch, "run.py: must be what the manifest lists, got a file that it does not"),
        ("model/config.json", link, "got a link or a special file"),
        ("manifest.json", Path.unlink, "the manifest must be in the artifact"),
        ("manifest.json", lambda path: path.write_text("{"), "manifest.json: must be JSON"),
        ("manifest.json", lambda path: path.write_text("{}"), "manifest.json: name: is required"),
    ],
)
def test_an_artifact_that_was_harmed(llama: Llama, name: str, harm: Callable[[Path], Any], got: str) -> None:
    made = package_folder(spec(llama()), quiet)
    harm(made.path / name)
    with pytest.raises(FindingsError) as error:
        open_folder(made.path)
    assert got in str(error.value)


def test_a_digest_that_is_not_of_the_files(llama: Llama) -> None:
    made = package_folder(spec(llama()), quiet)
    path = made.path / "manifest.json"
    path.write_text(path.read_text().replace(made.digest, "0" * 64))
    with pytest.raises(FindingsError, match="its sha256 must be that of its files"):
        open_folder(made.path)


def test_a_graph_for_any_runtime(llama: Llama, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def exported(folder: Path, target: Path, task: str) -> export.Exported:
        asked.append((folder.name, task))
        target.mkdir()
        shutil.copy(folder / "tokenizer.json", target / "model.onnx")
        return export.Exported(target / "model.onnx", ("logits",), 64, 1e-7, ({"input_ids": (1, 8)},), {"torch": "0"})

    monkeypatch.setattr(export, "export_folder", exported)
    made = package_folder(spec(llama(), target="onnx-generic", task="text-classification"), quiet)
    assert asked == [("llama", "text-classification")]
    assert made.manifest.export is not None
    assert (made.manifest.export.parity, made.manifest.export.max_length) == (1e-7, 64)
    assert [entry.path for entry in made.manifest.files] == ["LICENSE", "config.json", "model.onnx", "tokenizer.json"]


MODULE = {"module": "shop:Ranker", "example": "shop:example", "outputs": ["scores"], "search": "."}


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"target": "gpu-vllm"}, "exactly one of source and module must be given"),
        ({"target": "onnx-generic", "source": "m", "module": MODULE}, "exactly one of source and module must be given"),
        ({"target": "gpu-vllm", "module": MODULE}, "module: is for onnx-generic, got a torch module"),
        ({"target": "gpu-vllm", "source": "m", "task": "sentence-embedding"}, "vLLM decides itself"),
        ({"target": "onnx-generic", "source": "m"}, "task: is required for a folder"),
        ({"target": "onnx-generic", "module": MODULE, "scheme": "W4A16"}, "scheme: is for gpu-vllm, got W4A16"),
        (
            {"target": "gpu-vllm", "source": "m", "compression": "gzip"},
            "compression: is not a setting that exists here",
        ),
        ({"target": "gpu-vllm", "source": "m", "scheme": "INT3"}, "scheme: must be 'FP8_DYNAMIC' or 'W4A16'"),
        ({"target": "onnx-generic", "module": {"module": "a:b"}}, "module.example: is required"),
    ],
)
def test_specs_that_make_no_sense(values: dict, rule: str) -> None:
    with pytest.raises(FindingsError) as error:
        spec_of({"name": "m", "out": "out"} | values)
    assert rule in str(error.value)


def test_the_target_tells_the_spec() -> None:
    cpu = {"name": "m", "out": "out", "source": "m.onnx", "tokenizer": "t.json", "licence": "MIT"}
    assert isinstance(spec_of(cpu), PackageSpec)
    assert isinstance(spec_of({"name": "m", "out": "out", "source": "m", "target": "gpu-vllm"}), FolderSpec)
