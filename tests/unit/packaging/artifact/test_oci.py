"""An OCI layout: the right types, the same digests, and every way in which one read back is refused."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model_packaging.artifact import oci
from model_packaging.findings import FindingsError

ABOUT = oci.Description(
    "minilm", "1", licences=("Apache-2.0",), model_format="onnx", parameters=22_713_216, precision="int8",
    quantization="dynamic", inputs=("text",), outputs=("embedding",), architecture="transformer", family="bert",
    revision="0a1b", source_url="https://example.org/minilm",
)  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    names = ("model.onnx", "model.onnx.data", "tokenizer.json", "README.md", "LICENSE", "code/inference.py")
    for name in names:
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    return {name: tmp_path / "source" / name for name in names}


@pytest.fixture
def layout(files: dict[str, Path], tmp_path: Path) -> Path:
    oci.write(files, ABOUT, tmp_path / "layout")
    return tmp_path / "layout"


def blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def manifest(layout: Path) -> dict:
    index = json.loads((layout / "index.json").read_text())
    return json.loads(blob(layout, index["manifests"][0]["digest"]).read_text())


def rewrite(layout: Path, change: Callable[[dict], None]) -> None:
    """Changes the manifest and stores it under its new digest, as somebody would who wants it believed."""
    content = manifest(layout)
    change(content)
    index = json.loads((layout / "index.json").read_text())
    blob(layout, index["manifests"][0]["digest"]).unlink()
    encoded = json.dumps(content).encode()
    digest = hashlib.sha256(encoded).hexdigest()
    blob(layout, digest).write_bytes(encoded)
    index["manifests"][0] |= {"digest": f"sha256:{digest}", "size": len(encoded)}
    (layout / "index.json").write_text(json.dumps(index))


def rejected(layout: Path) -> str:
    with pytest.raises(FindingsError) as error:
        oci.read(layout)
    return str(error.value)


def test_types_and_paths(layout: Path) -> None:
    layers = {layer["annotations"][oci.FILEPATH]: layer["mediaType"] for layer in manifest(layout)["layers"]}
    assert layers == {
        "LICENSE": "application/vnd.cncf.model.doc.v1.raw",
        "README.md": "application/vnd.cncf.model.doc.v1.raw",
        "code/inference.py": "application/vnd.cncf.model.code.v1.raw",
        "model.onnx": "application/vnd.cncf.model.weight.v1.raw",
        "model.onnx.data": "application/vnd.cncf.model.weight.v1.raw",
        "tokenizer.json": "application/vnd.cncf.model.weight.config.v1.raw",
    }
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}


def test_it_reads_back(layout: Path, files: dict[str, Path]) -> None:
    read = oci.read(layout)
    assert {path: file.read_text() for path, file in read.files.items()} == {
        path: file.read_text() for path, file in files.items()
    }
    assert read.config["descriptor"]["licenses"] == ["Apache-2.0"]
    assert read.config["config"] == {
        "architecture": "transformer",
        "format": "onnx",
        "paramSize": "22.7M",
        "precision": "int8",
        "quantization": "dynamic",
        "capabilities": {"inputTypes": ["text"], "outputTypes": ["embedding"]},
    }


def test_what_is_not_known_is_left_out(files: dict[str, Path], tmp_path: Path) -> None:
    oci.write(files, oci.Description("m"), tmp_path / "out")
    assert {key: oci.read(tmp_path / "out").config[key] for key in ("descriptor", "config")} == {
        "descriptor": {"name": "m"},
        "config": {},
    }


def test_the_same_bytes_twice(files: dict[str, Path], tmp_path: Path) -> None:
    digests = []
    for name, order in (("one", files), ("two", dict(reversed(files.items())))):
        digests.append(oci.write(order, ABOUT, tmp_path / name))
    one, two = ({path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
                for root in (tmp_path / "one", tmp_path / "two"))  # fmt: skip
    assert one == two
    assert digests[0] == digests[1]


def test_two_files_of_one_content_share_a_blob(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("{}")
    oci.write({"a.json": tmp_path / "a", "b.json": tmp_path / "b"}, ABOUT, tmp_path / "out")
    assert len(list((tmp_path / "out" / "blobs" / "sha256").iterdir())) == 3
    assert len(oci.read(tmp_path / "out").files) == 2


@pytest.mark.parametrize("path", ["/etc/passwd", "../a", "a/../b", "a//b", "", ".", "a\\b"])
def test_a_path_that_leaves_the_model(files: dict[str, Path], tmp_path: Path, path: str) -> None:
    with pytest.raises(FindingsError, match="must be a relative path inside the model"):
        oci.write({path: files["LICENSE"]}, ABOUT, tmp_path / "out")


def test_a_file_that_runs_code(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_bytes(pickle.dumps({}))
    with pytest.raises(FindingsError, match="must not contain code, got pickle"):
        oci.write({"vocab.json": tmp_path / "vocab.json"}, ABOUT, tmp_path / "out")


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="must be a file"):
        oci.write({"a": tmp_path / "a"}, ABOUT, tmp_path / "out")


def test_no_files(tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="an image needs a file"):
        oci.write({}, ABOUT, tmp_path / "out")


def test_a_target_that_exists(files: dict[str, Path], layout: Path) -> None:
    with pytest.raises(FindingsError, match="must not exist yet"):
        oci.write(files, ABOUT, layout)


def test_a_full_disk_shows_no_layout(files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        oci.write(files, ABOUT, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    oci.write(files, ABOUT, tmp_path / "out")
    oci.read(tmp_path / "out")


def test_no_layout_at_all(tmp_path: Path) -> None:
    assert "index.json: must be a JSON file" in rejected(tmp_path)


@pytest.mark.parametrize(
    ("text", "rule"), [("{", "must be JSON"), ("[]", "must be a JSON object"), ("{}", "one image manifest")]
)
def test_an_index_that_is_none(layout: Path, text: str, rule: str) -> None:
    (layout / "index.json").write_text(text)
    assert rule in rejected(layout)


def test_a_blob_that_was_changed(layout: Path) -> None:
    path = blob(layout, manifest(layout)["layers"][0]["digest"])
    path.write_text(path.read_text().swapcase())
    assert "its content must match its name" in rejected(layout)


def test_a_blob_that_was_cut(layout: Path) -> None:
    blob(layout, manifest(layout)["layers"][0]["digest"]).write_text("cut")
    assert "must have 18 bytes, got 3" in rejected(layout)


def test_a_blob_that_is_gone(layout: Path) -> None:
    blob(layout, manifest(layout)["layers"][0]["digest"]).unlink()
    assert "the blob must be there" in rejected(layout)


def test_a_blob_that_is_a_link(layout: Path, tmp_path: Path) -> None:
    path = blob(layout, manifest(layout)["layers"][0]["digest"])
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert "a file, got a link" in rejected(layout)


def test_a_blob_that_belongs_to_nothing(layout: Path) -> None:
    blob(layout, "f" * 64).write_text("stowaway")
    assert f"must belong to the manifest, got sha256:{'f' * 64}" in rejected(layout)


def test_a_digest_that_is_a_path(layout: Path) -> None:
    rewrite(layout, lambda content: content["layers"][0].update(digest="sha256:../../../etc/passwd"))
    assert "must name the layers of the manifest" in rejected(layout)


@pytest.mark.parametrize("path", ["../a", "model.onnx", ""])
def test_a_layer_with_a_path_of_another(layout: Path, path: str) -> None:
    rewrite(layout, lambda content: content["layers"][0]["annotations"].update({oci.FILEPATH: path}))
    assert "a layer must name its own path inside the model" in rejected(layout)


def test_another_kind_of_image(layout: Path) -> None:
    rewrite(layout, lambda content: content.pop("artifactType"))
    assert "must be a ModelPack artifact" in rejected(layout)


def test_a_layer_that_the_configuration_does_not_know(layout: Path) -> None:
    rewrite(layout, lambda content: content["layers"].pop())
    assert "must name the layers of the manifest" in rejected(layout)
