"""A task and a recipe are one entry each: through the spec, the pipeline, the server and the inspection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import registered
import small_models
from typer.testing import CliRunner

from model_packaging import FindingsError, package, safe_extract
from model_packaging.recipes import RECIPES
from model_packaging.serving.card import verify
from model_packaging.serving.registry import TASKS
from model_packaging.serving.runtime import Runtime
from scaletozero.cli import app

pytestmark = pytest.mark.usefixtures("few_rounds")


def inspected(folder: Path) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["inspect", str(folder), "--json"])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_a_task_is_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, registered.TASK, registered.ENTRY)
    # The fresh processes that the packaging starts have to know of it as well.
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import registered\nregistered.register()\n")
    support = Path(registered.__file__).parent
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}:{support}")
    made = package(small_models.spec(tmp_path, registered.TASK, small_models.two_inputs(), floor={"difference": 0.1}))
    assert made.manifest.task == registered.TASK
    assert made.manifest.chosen.scores is not None
    assert set(made.manifest.chosen.scores) == {"difference"}
    assert made.manifest.floor == {"difference": 0.1}
    safe_extract(made.archive, tmp_path / "served")
    runtime = Runtime.load(tmp_path / "served", verify(tmp_path / "served"), 1)
    response = json.loads(runtime.answer(json.loads(made.manifest.io.sample)))
    assert set(response["sums"]) == {"scaled", "doubled"}
    assert inspected(made.path)["task"] == registered.TASK
    proved = CliRunner().invoke(app, ["verify", str(made.path)])
    assert proved.exit_code == 0, proved.stderr


def test_without_its_entry_a_task_is_a_finding(tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match=r"task: must be one of the tasks: .*, got sum"):
        small_models.spec(tmp_path, registered.TASK, small_models.two_inputs())


def test_a_recipe_is_one_entry(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, registered.RECIPE, registered.RECIPE_ENTRY)
    made = package(tiny.spec(recipes=[registered.RECIPE]))
    assert made.manifest.recipe == registered.RECIPE
    assert made.manifest.quantization is not None
    assert made.manifest.quantization.weight_bits == 16
    assert [each.recipe for each in made.manifest.candidates] == [registered.RECIPE]
    assert inspected(made.path)["recipe"] == registered.RECIPE


def test_without_its_entry_a_recipe_is_a_finding(tiny: Any) -> None:
    with pytest.raises(FindingsError, match=r"recipes\.0: must be one of the recipes: .*, got float16-weights"):
        tiny.spec(recipes=[registered.RECIPE])
