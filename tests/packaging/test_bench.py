"""Whole cold starts of real processes, and an artifact proved from the outside."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from model_packaging import Artifact, FindingsError, PackageSpec, safe_extract
from model_packaging.artifact.archive import write_archive
from model_packaging.artifact.reader import sha256_of
from model_packaging.benchmark.bench import PHASES, Contender, gzipped, usual_archive, whole_starts
from model_packaging.evaluation.measure import StartFailedError
from model_packaging.evaluation.verification import verify_artifact


def test_the_packaged_model_starts_faster_and_smaller_than_the_usual_archive(
    packaged: Artifact, minilm: dict[str, Any], tmp_path: Path
) -> None:
    usual = usual_archive(PackageSpec.of(**minilm, out=tmp_path), tmp_path)
    theirs, ours = whole_starts([Contender("usual", usual, checked=False), Contender("ours", packaged.archive)], n=3)
    assert list(theirs.phases) == ["unpack", "python", "imports", "tokenizer", "session", "answer"]
    assert list(ours.phases) == list(PHASES)
    assert ours.ratio_to(theirs) < 0.7
    assert ours.peak_rss_mb < 0.6 * theirs.peak_rss_mb
    assert ours.archive_bytes < 0.32 * theirs.archive_bytes


def test_a_contender_with_a_start_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "model").write_text("weights")
    archive = gzipped(tmp_path / "in", tmp_path / "a.tar.gz")
    code = (
        "import json, pathlib, sys; print('a warning'); name, = pathlib.Path(sys.argv[1]).iterdir()\n"
        "print(json.dumps({'phases': {'session': len(name.read_text())}, 'peak_rss_mb': 5}))"
    )
    (seen,) = whole_starts([Contender("theirs", archive, command=(sys.executable, "-c", code))], n=2)
    assert (seen.archive_bytes, seen.peak_rss_mb, len(seen.starts)) == (archive.stat().st_size, 5, 2)
    assert (list(seen.phases), seen.phases["session"]) == (["unpack", "session"], len("weights"))
    assert seen.starts[0].total_ms == round(sum(seen.starts[0].phases.values()), 1)


def test_a_contender_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "model.json").write_text("{}")
    write_archive(tmp_path / "in", tmp_path / "a.tar.gz", 0)
    with pytest.raises(StartFailedError, match="not of schema"):
        whole_starts([Contender("broken", tmp_path / "a.tar.gz")], n=1)


def test_a_good_artifact_is_proved(packaged: Artifact) -> None:
    seen = verify_artifact(packaged.path)
    assert seen.artifact == packaged
    assert seen.start.phases["canary"] > 0


def test_a_whole_artifact_that_cannot_answer_is_refused(packaged: Artifact, tmp_path: Path) -> None:
    folder = tmp_path / "artifact"
    shutil.copytree(packaged.path, folder)
    files = tmp_path / "files"
    safe_extract(packaged.archive, files)
    card = json.loads((files / "model.json").read_text())
    card["output"] = "no such output"
    (files / "model.json").write_text(json.dumps(card))
    write_archive(files, folder / "model.tar.gz", 0)
    manifest = json.loads((folder / "manifest.json").read_text())
    archive = folder / "model.tar.gz"
    manifest["archive"] |= {"size": archive.stat().st_size, "sha256": sha256_of(archive)}
    for entry in manifest["files"]:
        entry |= {"size": (files / entry["path"]).stat().st_size, "sha256": sha256_of(files / entry["path"])}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(FindingsError, match="must load and return the canary's result"):
        verify_artifact(folder)
