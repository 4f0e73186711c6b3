"""`scaletozero bench` of an artifact: what it measures, what it compares with, and what it refuses before it begins."""

from __future__ import annotations

import contextlib
import json
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from model_packaging import Artifact, package
from model_packaging.artifact.archive import write_archive
from model_packaging.artifact.reader import sha256_of
from scaletozero.cli import app


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def last_line(result: Result) -> str:
    return result.stderr.strip().splitlines()[-1]


@pytest.fixture
def project(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """A project's folder with an artifact in artifacts/ and its spec in models/."""
    monkeypatch.setattr("model_packaging.pipeline.archive.STARTS", 1)
    (tiny.folder / "models").mkdir()
    out = tiny.folder / "artifacts" / "tiny"
    values = {"source": "../model.onnx", "tokenizer": "../tokenizer.json", "out": "../artifacts/tiny"}
    spec = {"name": "tiny", "licence": "Apache-2.0", "max_length": 32, **values}
    (tiny.folder / "models" / "tiny.yaml").write_text(yaml.safe_dump(spec))
    return package(tiny.spec(out=out))


def test_an_artifact_against_its_source(project: Artifact, tmp_path: Path) -> None:
    picture = tmp_path / "starts.svg"
    result = bench(project.path, "--starts", 2, "--json", "--svg", picture)
    assert result.exit_code == 0, result.stderr
    seen = json.loads(result.stdout)
    base, ours = seen["contenders"]
    assert (base["label"], ours["label"], seen["starts"]) == ("fp32, gzip -9", "tiny", 2)
    assert (seen["sha256"], ours["archive_bytes"]) == (project.digest, project.archive.stat().st_size)
    assert set(ours["phases_ms"]) - set(base["phases_ms"]) == {"verify", "server", "canary"}
    assert 0 < ours["fastest_ms"] <= ours["p50_ms"] <= ours["p95_ms"]
    assert seen["memory_ratio"] == pytest.approx(ours["peak_rss_mb"] / base["peak_rss_mb"], abs=0.01)
    assert "bench" in result.stderr.splitlines()
    assert last_line(result).endswith("of its memory, 2 starts each.")
    texts = [each.text for each in ElementTree.parse(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert {"Whole cold start of tiny, median of 2, ms", "fp32, gzip -9", "tiny", "session"} <= set(texts)


def test_a_table_for_people_has_the_phases_in_their_order(project: Artifact) -> None:
    result = bench(project.path, "--starts", 1)
    first = [line.split()[0] for line in result.stdout.splitlines()]
    phases = ["unpack", "python", "imports", "verify", "tokenizer", "session", "server", "canary", "answer"]
    assert first[1:10] == phases
    assert first[10:] == ["p50", "p95", "fastest", "memory", "archive"]


def test_an_artifact_without_its_spec_is_measured_alone_and_says_so(project: Artifact, tmp_path: Path) -> None:
    (tmp_path / "models" / "tiny.yaml").unlink()
    with contextlib.chdir(project.path.parent):
        result = bench("tiny", "--starts", 1, "--json")
    seen = json.loads(result.stdout)
    assert [each["label"] for each in seen["contenders"]] == ["tiny"]
    assert (seen["time_ratio"], seen["memory_ratio"]) == (None, None)
    assert "give --against models/<its spec>.yaml" in last_line(result)


def test_a_spec_of_another_model_is_refused(project: Artifact, tiny: Any) -> None:
    tiny.change(lambda model: setattr(model, "doc_string", "another"))
    result = bench(project.path, "--against", tiny.folder / "models" / "tiny.yaml")
    assert result.exit_code == 2
    assert "must be the model that the artifact was packaged from, sha256" in result.stderr
    assert "two different models would be compared" in result.stderr


def test_an_artifact_that_does_not_start_is_refused(project: Artifact, tmp_path: Path) -> None:
    (tmp_path / "models" / "tiny.yaml").unlink()
    files, archive = tmp_path / "files", project.archive
    files.mkdir()
    (files / "model.json").write_text("{}")
    write_archive(files, archive, 0)
    manifest = json.loads((project.path / "manifest.json").read_text())
    manifest["archive"] |= {"size": archive.stat().st_size, "sha256": sha256_of(archive)}
    entry = {"path": "model.json", "size": 2, "sha256": sha256_of(files / "model.json"), "role": "card"}
    (project.path / "manifest.json").write_text(json.dumps({**manifest, "files": [entry]}))
    result = bench(project.path)
    assert result.exit_code == 2
    assert "must start and respond" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "option", "kind"),
    [
        (["./tiny", "--cold", "2"], "--cold", "an artifact, and ./tiny is one"),
        (["./tiny", "--requests", "2"], "--requests", "an artifact, and ./tiny is one"),
        (["./tiny", "--payload", "{}"], "--payload", "an artifact, and ./tiny is one"),
        (["./tiny", "-e", "dev"], "--environment", "an artifact, and ./tiny is one"),
        (["tiny", "--starts", "2", "--cold", "1"], "--cold", "starts of an endpoint on SageMaker, and tiny is one"),
        (["tiny", "--gate", "10"], "--gate", "an endpoint that is not on a cluster, without --starts, and tiny is one"),
        (["tiny", "--against", "x.yaml"], "--against", "an endpoint, and tiny is one"),
        (
            ["tiny", "--svg", "x.svg"],
            "--svg",
            "an endpoint that is not on a cluster, without --starts, and tiny is one",
        ),
    ],
)
def test_an_option_of_the_other_kind_is_refused(arguments: list[str], option: str, kind: str, tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        result = bench(*arguments)
    assert result.exit_code == 2
    assert f"error: {option}: must not be given for {kind}; it would have no effect." in result.stderr


def test_nothing_there(tmp_path: Path) -> None:
    result = bench(tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "the artifact must exist, got nothing there" in result.stderr


def test_a_picture_into_no_folder_is_refused_before_anything_is_measured(make_artifact: Any, tmp_path: Path) -> None:
    result = bench(make_artifact("x").path, "--svg", tmp_path / "no" / "x.svg")
    assert result.exit_code == 2
    assert "--svg: must be in a folder that exists" in result.stderr
    assert "bench" not in result.stderr


def test_a_checkpoint_for_vllm_is_told_that_nothing_here_starts_it(make_artifact: Any) -> None:
    folder = make_artifact("x").path
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"schema": "scaletozero.folder-manifest/1", "target": "gpu-vllm"}))
    result = bench(folder)
    assert result.exit_code == 2
    assert "must be packaged for `cpu-serverless`, got gpu-vllm; it cannot be started on this machine" in result.stderr
