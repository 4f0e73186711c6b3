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
    recipes = {name: f"@echo {name} says hello" for name in (stages.SETUP, *stages.STAGES)} | changes
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
    everything = {stages.SETUP, *stages.STAGES}
    assert results(out) == dict.fromkeys(everything, "passed")
    assert {name for name in everything if f"{name} says hello\n" in out} == everything


def test_the_second_lane_runs_beside_the_first(stages: ModuleType, tmp_path: Path) -> None:
    """Each waits for the other's stage: one after the other neither would end."""
    recipes = {"test": f"@touch a; {until('b')}", "tools": f"@touch b; {until('a')}"}
    makefile(tmp_path, stages, **recipes)
    assert asyncio.run(asyncio.wait_for(stages.run([], 2), 600)) == 0


def test_whichever_lane_is_free_takes_the_next_stage(stages: ModuleType, tmp_path: Path) -> None:
    """The first stage waits for the last one, which the other lane comes to after all others."""
    makefile(tmp_path, stages, **{stages.STAGES[0]: f"@{until('end')}", stages.STAGES[-1]: "@touch end"})
    assert asyncio.run(asyncio.wait_for(stages.run([], 2), 600)) == 0
    (tmp_path / "end").unlink()
    makefile(tmp_path, stages, **{stages.STAGES[1]: f"@{until('end')}", stages.STAGES[-1]: "@touch end"})
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


def failing(times: int, tests: int) -> dict[str, str]:
    """A stage whose `tests` fail so many times, as pytest remembers it, and that says with which options it was run."""
    script = f"""
import json, os, pathlib, shlex, sys
options = shlex.split(os.environ["PYTEST_ADDOPTS"])
cache = pathlib.Path(options[1].removeprefix("cache_dir=")) / "v" / "cache"
cache.mkdir(parents=True, exist_ok=True)
count = len(list(cache.glob("run-*")))
(cache / f"run-{{count}}").touch()
print("options", *options[2:])
failed = [f"tests/test_a.py::test_{{i}}" for i in range({tests})] if count < {times} else []
(cache / "lastfailed").write_text(json.dumps(dict.fromkeys(failed, True)))
sys.exit(len(failed))
"""
    (Path("stage.py")).write_text(script)
    return {"test": f"@{sys.executable} stage.py"}


def test_a_few_tests_that_failed_are_run_once_more_and_named_where_they_pass(
    stages: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    makefile(tmp_path, stages, **failing(times=1, tests=2))
    assert asyncio.run(stages.run([], 2)) == 0
    out = capfd.readouterr().out
    assert re.findall(r"^options ?(.*)$", out, re.MULTILINE) == ["", "--last-failed"]
    assert "flaky, to be mended" in out
    assert out.count("\n  tests/test_a.py::test_") == 2
    assert re.findall(r"^test +(passed|failed)", out, re.MULTILINE) == ["failed", "passed"]


@pytest.mark.parametrize("times, tests, runs", [(2, 1, 2), (9, 4, 1), (9, 3, 2)], ids=["again", "too many", "most"])
def test_what_fails_twice_or_in_many_places_fails(
    stages: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    times: int,
    tests: int,
    runs: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    makefile(tmp_path, stages, **failing(times=times, tests=tests))
    assert asyncio.run(stages.run(["test"], 2)) == 1
    out = capfd.readouterr().out
    assert len(re.findall(r"^options", out, re.MULTILINE)) == runs
    assert "flaky" not in out


def test_one_stage_alone(stages: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(stages.run(["test-live"], 2)) == 0
    assert results(capfd.readouterr().out) == {"test-live": "passed"}


def test_every_stage_is_a_target_of_the_makefile(stages: ModuleType) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {stages.SETUP, *stages.STAGES} <= targets
    assert {name for name in targets if name.startswith(("test", "lint"))} <= {stages.SETUP, *stages.STAGES}
