"""How continuous integration runs its stages, with a Makefile whose targets take no time."""

import asyncio
import importlib.util
import os
import re
import signal
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`.ci/stages.py`, over a Makefile of the test's own, in which every stage passes until it says otherwise."""
    spec = importlib.util.spec_from_file_location("ci_stages", ROOT / ".ci" / "stages.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    makefile(tmp_path, module)
    return module


def makefile(folder: Path, stages: ModuleType, **changes: str) -> None:
    recipes = {name: f"@echo {name} says hello" for name in (*stages.FRONT, *stages.BESIDE)} | changes
    (folder / "Makefile").write_text("".join(f"{name}:\n\t{recipe}\n" for name, recipe in recipes.items()))


def until(file: str) -> str:
    return f"while [ ! -e {file} ]; do sleep 0.02; done"


def results(out: str) -> dict[str, str]:
    """Each stage of the table -> its result."""
    table = out[out.index("began at (s)") :]
    return dict(re.findall(r"^([a-z-]+) +(passed|failed|interrupted|running) +\d+ +\d+$", table, re.MULTILINE))


@pytest.mark.parametrize("cores", [1, 2])
def test_all_pass(stages: ModuleType, capfd: pytest.CaptureFixture[str], cores: int) -> None:
    assert asyncio.run(stages.run([], cores)) == 0
    out = capfd.readouterr().out
    everything = {*stages.FRONT, *stages.BESIDE}
    assert results(out) == dict.fromkeys(everything, "passed")
    assert {name for name in everything if f"{name} says hello\n" in out} == everything


def test_the_second_lane_runs_beside_the_first(stages: ModuleType, tmp_path: Path) -> None:
    """Each waits for the other's stage: one after the other neither would end."""
    recipes = {"test": f"@touch a; {until('b')}", "tools": f"@touch b; {until('a')}"}
    makefile(tmp_path, stages, **recipes)
    assert asyncio.run(asyncio.wait_for(stages.run([], 2), 600)) == 0


@pytest.mark.parametrize("failing, other", [("tools", "test"), ("test", "tools")])
def test_a_failure_is_named_and_ends_what_runs_beside_it(
    stages: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str], failing: str, other: str
) -> None:
    recipes = {
        failing: f"@{until('began')}; echo first line; echo last line >&2; exit 3",
        other: "@trap 'touch cleaned; exit 1' INT; touch began; while true; do sleep 0.1; done",
    }
    makefile(tmp_path, stages, **recipes)
    assert asyncio.run(stages.run([], 2)) == 1
    captured = capfd.readouterr()
    assert "first line\n" in captured.out
    assert "last line\n" in captured.out + captured.err
    assert f"{failing} failed" in captured.out
    assert f".ci/run {failing}\n" in captured.out
    assert results(captured.out) == {"setup": "passed", failing: "failed", other: "interrupted"}
    assert (tmp_path / "cleaned").exists()


def test_an_interrupt_shows_what_has_run_and_how_far_the_rest_came(
    stages: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hangs = f"@echo it hangs here; kill -TERM {os.getpid()}; while true; do sleep 0.1; done"
    makefile(tmp_path, stages, tools=hangs, test=f"@{until('never')}")
    before = signal.getsignal(signal.SIGTERM)
    assert asyncio.run(stages.run([], 2)) == 130
    assert signal.getsignal(signal.SIGTERM) == before
    out = capfd.readouterr().out
    assert "it hangs here\n" in out
    assert results(out) == {"setup": "passed", "test": "interrupted", "tools": "interrupted"}


def test_one_stage_alone(stages: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(stages.run(["test-live"], 2)) == 0
    assert results(capfd.readouterr().out) == {"test-live": "passed"}


def test_every_stage_is_a_target_of_the_makefile(stages: ModuleType) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {*stages.FRONT, *stages.BESIDE} <= targets
    assert {name for name in targets if name.startswith(("test", "lint"))} <= {*stages.FRONT, *stages.BESIDE}
