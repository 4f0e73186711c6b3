"""A Hugging Face folder as the source: exported once, measured like any other. The exporter's interpreter is a stand-in
that hands over a graph made beforehand; tests/torch has the real one.
"""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model_packaging import package
from model_packaging.artifact import oci
from model_packaging.benchmark.baseline import baseline
from model_packaging.benchmark.bench import Contender, whole_starts
from model_packaging.findings import FindingsError
from model_packaging.huggingface import export
from model_packaging.huggingface.safetensors_file import write
from model_packaging.progress import Progress, quiet
from model_packaging.spec import PackageSpec

STAND_IN = """#!{python}
import json, sys
from pathlib import Path
import numpy as np, onnx, onnxruntime as ort
request = json.loads(Path(sys.argv[3]).read_text())
folder = Path(request["folder"])
model = onnx.load_model({source!r})
last = model.graph.node[-1].input[0]
model.graph.node[-1].CopyFrom(onnx.helper.make_node("ReduceMean", [last], request["outputs"], axes=[1], keepdims=0))
model.graph.output[0].name = request["outputs"][0]
del model.graph.output[0].type.tensor_type.shape.dim[1]
onnx.save_model(model, folder / "model.onnx")
session = ort.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
for number, batch in enumerate((1, 4)):
    given = {{each.name: np.ones((batch, 8), np.int64) for each in session.get_inputs()}}
    answers = session.run(request["outputs"], given)
    arrays = {{f"in:{{name}}": value for name, value in given.items()}}
    arrays |= {{f"out:{{name}}": value for name, value in zip(request["outputs"], answers)}}
    np.savez(folder / f"case-{{number}}.npz", **arrays)
(folder / "reply.json").write_text(json.dumps({{"versions": {{"torch": "0"}}, "cases": 2}}))
with open({log!r}, "a") as log:
    print("exported", file=log)
"""


@pytest.fixture
def folder(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose export is the tiny model."""
    path = tmp_path / "tiny-hf"
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"model_type": "bert", "max_position_embeddings": 32}))
    (path / "README.md").write_text("---\nlicense: mit\n---\n")
    (path / "tokenizer.json").write_bytes(tiny.tokenizer.read_bytes())
    write(path / "model.safetensors", [("w", "F32", (1,))], lambda _: np.zeros(1, np.float32))
    python = tmp_path / "python"
    python.write_text(STAND_IN.format(python=sys.executable, source=str(tiny.source), log=str(tmp_path / "log")))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(export.INTERPRETER, str(python))
    return path


def spec(folder: Path, **changes: object) -> PackageSpec:
    return PackageSpec.of(**{"name": "tiny", "source": folder, "out": folder.with_name("out"), **changes})


def exports(folder: Path) -> int:
    log = folder.with_name("log")
    return log.read_text().count("exported") if log.exists() else 0


def test_it_is_exported_packaged_and_said_where_it_came_from(folder: Path) -> None:
    steps: list[Progress] = []
    manifest = package(spec(folder, oci=True), steps.append).manifest
    assert manifest.export is not None
    assert manifest.export.parity < export.PARITY
    assert manifest.export.versions == {"torch": "0"}
    assert manifest.io.max_length == 32
    assert manifest.source.file == "tiny-hf"
    assert (manifest.source.licence, manifest.source.licence_from) == ("MIT", "README.md")
    assert next(step.note for step in steps if step.stage == "export" and step.done) == "within 0.0e+00 of torch"
    out = folder.with_name("out")
    assert set(oci.read(out / "oci").files) == {entry.path for entry in manifest.files}
    assert (
        json.loads((out / "sbom.cdx.json").read_text())["metadata"]["component"]["pedigree"]["ancestors"][0]["name"]
        == "tiny-hf"
    )


def test_what_is_there_is_not_exported_again(folder: Path) -> None:
    first, second = package(spec(folder), quiet), package(spec(folder), quiet)
    assert first.digest == second.digest
    assert exports(folder) == 1


def test_a_run_killed_after_the_export_goes_on_from_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("model_packaging.pipeline.archive.choose", killed)
    with pytest.raises(KeyboardInterrupt):
        package(spec(folder), quiet)
    monkeypatch.undo()
    assert exports(folder) == 1
    monkeypatch.delenv(export.INTERPRETER, raising=False)
    assert package(spec(folder), quiet).manifest.recipe
    assert exports(folder) == 1


@pytest.mark.parametrize(
    ("harm", "rule"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "the tokenizer must be a tokenizer.json"),
        (lambda folder: (folder / "README.md").unlink(), "licence: must be known"),
        (lambda folder: (folder / "README.md").write_text("---\nlicense: gemma\n---\n"), "must not be denied"),
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
            "must contain safetensors",
        ),
    ],
)
def test_a_folder_that_is_refused_is_not_exported(folder: Path, harm: Callable[[Path], object], rule: str) -> None:
    harm(folder)
    with pytest.raises(FindingsError, match=rule):
        package(spec(folder), quiet)
    assert exports(folder) == 0


def test_it_is_compared_with_the_graph_that_it_exports_to(folder: Path, tmp_path: Path) -> None:
    asked = spec(folder)
    artifact = package(asked, quiet)
    (tmp_path / "base").mkdir()
    contender = baseline(asked, artifact, tmp_path / "base")
    assert exports(folder) == 2
    theirs, ours = whole_starts([contender, Contender("ours", artifact.archive)], 1)
    assert list(theirs.phases) == ["unpack", "python", "imports", "tokenizer", "session", "answer"]
    assert theirs.archive_bytes > ours.archive_bytes
