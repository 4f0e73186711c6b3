"""Opening an artifact: whole, or refused with the reason."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model_packaging import Artifact, FindingsError, open_artifact
from model_packaging.artifact.archive import write_archive
from model_packaging.artifact.folder_manifest import is_folder, open_folder
from model_packaging.artifact.reader import sha256_of


@pytest.fixture
def artifact(make_artifact: Any) -> Artifact:
    return make_artifact("sentences")


def rewrite(artifact: Artifact, **changes: Any) -> None:
    path = artifact.path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refused(path: Path) -> str:
    with pytest.raises(FindingsError) as caught:
        open_artifact(path)
    return str(caught.value)


@pytest.mark.parametrize("what", ["path", "archive"])
def test_the_folder_and_the_archive_in_it_open_alike(artifact: Artifact, what: str) -> None:
    again = open_artifact(str(getattr(artifact, what)))
    assert again == artifact
    assert again.digest == sha256_of(artifact.archive)


def test_nothing_there(tmp_path: Path) -> None:
    assert "the artifact must exist" in refused(tmp_path / "none")


@pytest.mark.parametrize("name", ["manifest.json", "model.tar.gz"])
def test_half_of_it_missing(artifact: Artifact, name: str) -> None:
    (artifact.path / name).unlink()
    assert "must be beside" in refused(artifact.path)


def test_a_recipe_that_no_candidate_has(artifact: Artifact) -> None:
    rewrite(artifact, recipe="int4")
    assert "recipe: must be the recipe of a candidate, got int4" in refused(artifact.path)


@pytest.mark.parametrize(
    "at",
    [
        ("memory", "start_rss_mb"),
        ("memory", "recommended_mb"),
        ("cold_start", "n"),
        ("cold_start", "total_ms"),
        ("cold_start", "phases", "load"),
        ("archive", "gzip_ratio"),
        ("io", "max_inputs"),
        ("io", "dimension"),
        ("environment", "cpus"),
        ("candidates", 0, "load_ms"),
    ],
    ids=lambda at: ".".join(map(str, at)),
)
def test_a_figure_below_zero(artifact: Artifact, at: tuple[Any, ...]) -> None:
    path = artifact.path / "manifest.json"
    manifest = json.loads(path.read_text())
    group = manifest
    for key in at[:-1]:
        group = group[key]
    group[at[-1]] = -1
    path.write_text(json.dumps(manifest))
    said = next(line for line in refused(artifact.path).splitlines() if ".".join(map(str, at)) in line)
    assert "must be " in said


@pytest.mark.parametrize("file", ["../model.tar.gz", "/etc/passwd", "a\\b", "a\0", ""])
def test_a_path_in_place_of_the_archive_s_name(artifact: Artifact, file: str) -> None:
    manifest = json.loads((artifact.path / "manifest.json").read_text())
    rewrite(artifact, archive={**manifest["archive"], "file": file})
    assert "manifest.json: archive.file: " in refused(artifact.path)


def test_a_manifest_that_is_a_named_pipe_is_not_waited_for(artifact: Artifact) -> None:
    (artifact.path / "manifest.json").unlink()
    os.mkfifo(artifact.path / "manifest.json")
    assert "must be beside the archive, got a named pipe" in refused(artifact.path)
    assert not is_folder(artifact.path)
    with pytest.raises(FindingsError, match="got a named pipe"):
        open_folder(artifact.path)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_path_that_no_file_system_accepts(tmp_path: Path, name: str) -> None:
    said = refused(tmp_path / name)
    assert "the artifact must exist" in said
    assert len(said) < 500


def test_a_manifest_that_is_nested_too_deep(artifact: Artifact) -> None:
    (artifact.path / "manifest.json").write_text("[" * 200_000)
    assert "must be JSON" in refused(artifact.path)
    with pytest.raises(FindingsError, match="must be JSON"):
        open_folder(artifact.path)


def test_an_archive_that_differs_from_its_digest(artifact: Artifact) -> None:
    content = bytearray(artifact.archive.read_bytes())
    content[-40] ^= 1
    artifact.archive.write_bytes(content)
    assert f"must have the sha256 in its manifest, {artifact.digest}" in refused(artifact.path)


def test_a_truncated_archive(artifact: Artifact) -> None:
    artifact.archive.write_bytes(artifact.archive.read_bytes()[:-7])
    assert "(truncated)" in refused(artifact.path)


def test_an_archive_with_something_at_its_end(artifact: Artifact) -> None:
    artifact.archive.write_bytes(artifact.archive.read_bytes() + b"more")
    assert "(too long)" in refused(artifact.path)


@pytest.mark.parametrize("name", ["model.tar.gz", "model.onnx", "weights"])
def test_a_pickle_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"weights": [1.0] * 10}))
    assert "a pickle file; loading a pickle runs any code that it contains" in refused(tmp_path / name)


def test_a_bare_model(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    assert "an onnx file" in refused(tmp_path / "model.onnx").replace("a onnx", "an onnx")


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}"])
def test_a_manifest_that_is_none(artifact: Artifact, content: str) -> None:
    (artifact.path / "manifest.json").write_text(content)
    assert "manifest.json" in refused(artifact.path)


def test_a_manifest_of_another_schema(artifact: Artifact) -> None:
    rewrite(artifact, schema="scaletozero.manifest/2")
    assert "schema" in refused(artifact.path)


def test_a_manifest_with_an_unknown_key(artifact: Artifact) -> None:
    rewrite(artifact, colour="blue")
    assert "colour" in refused(artifact.path)


def test_files_that_the_manifest_does_not_list(artifact: Artifact, tmp_path: Path) -> None:
    files = tmp_path / "other"
    files.mkdir()
    (files / "model.onnx").write_bytes(b"other weights")
    write_archive(files, artifact.archive, 0)
    recorded = json.loads((artifact.path / "manifest.json").read_text())["archive"]
    size, digest = artifact.archive.stat().st_size, sha256_of(artifact.archive)
    rewrite(artifact, archive={**recorded, "size": size, "sha256": digest})
    assert "must contain exactly the files that its manifest lists, got a difference in model.onnx" in refused(
        artifact.path
    )


def test_a_dangerous_archive_is_refused_even_where_the_manifest_vouches_for_it(
    artifact: Artifact, tmp_path: Path
) -> None:
    import io
    import tarfile

    with tarfile.open(artifact.archive, "w:gz") as tar:
        info = tarfile.TarInfo("../outside")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    recorded = json.loads((artifact.path / "manifest.json").read_text())["archive"]
    size, digest = artifact.archive.stat().st_size, sha256_of(artifact.archive)
    rewrite(artifact, archive={**recorded, "size": size, "sha256": digest})
    assert "paths must be relative" in refused(artifact.path)


def test_the_server_refuses_a_folder_without_a_model(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "model_packaging.serving", "check"],
        env={"SM_MODEL_DIR": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no packaged model in" in done.stderr


def test_the_server_says_how_it_is_used(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "model_packaging.serving", "train"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage:")
    shutil.rmtree(tmp_path)
