"""Recipes that a spec names: nothing else is tried, and the floor holds all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import small_models

from model_packaging import FindingsError, package
from model_packaging.serving.card import verify
from model_packaging.serving.runtime import Runtime
from model_packaging.serving.texts import Texts
from model_packaging.tasks.texts import as_long_as_read

ANY = {"mean": 0.9, "minimum": 0.8}
OUT_OF_REACH = {"mean": 0.999999, "minimum": 0.999999}


pytestmark = pytest.mark.usefixtures("few_rounds")


def test_the_one_that_is_named_is_the_only_one(tiny: Any) -> None:
    artifact = package(tiny.spec(recipes=["int8-blockwise"], floor=ANY))
    assert [each.recipe for each in artifact.manifest.candidates] == ["int8-blockwise"]
    assert artifact.manifest.recipe == "int8-blockwise"


def test_another_choice_of_recipes_is_another_package(tiny: Any) -> None:
    package(tiny.spec(recipes=["fp32"]))
    assert package(tiny.spec(recipes=["int8"], floor=ANY)).manifest.recipe == "int8"


def test_what_misses_the_floor_is_not_shipped_because_it_is_named(tiny: Any) -> None:
    with pytest.raises(FindingsError, match=r"int8: .*; int8-kept: .*remove `recipes`") as caught:
        package(tiny.spec(recipes=["int8-kept"], floor=OUT_OF_REACH))
    assert "blockwise" not in str(caught.value)


def test_a_recipe_for_other_models_is_a_finding(tiny: Any) -> None:
    with pytest.raises(FindingsError, match="recipes: must name one that fits the model, got int8-static"):
        package(tiny.spec(recipes=["int8-static"]))


@pytest.mark.parametrize("wrong", [[], ["int4"], "int8"])
def test_no_recipe_or_an_unknown_one(tiny: Any, wrong: Any) -> None:
    with pytest.raises(FindingsError, match="recipes") as caught:
        tiny.spec(recipes=wrong)
    assert len(caught.value.findings) == 1


@pytest.mark.parametrize("texts", [("the train is late",), ("late",) * 500, (" ", "")])
def test_the_text_that_is_timed_is_as_long_as_the_model_reads(tmp_path: Path, texts: tuple[str, ...]) -> None:
    wanted = small_models.spec(tmp_path, "text-classification", small_models.text_classifier())
    folder = small_models.servable(tmp_path / "made", wanted)
    task = Runtime.load(folder, verify(folder), 1).task
    assert isinstance(task, Texts)
    text = as_long_as_read(texts, task)
    task.tokenizer.no_truncation()
    tokens = len(task.tokenizer.encode(text).ids)
    assert tokens == (32 if any(text.strip() for text in texts) else 1)


def test_an_archive_that_is_to_be_compressed_has_embeddings_that_compress(tiny: Any, tmp_path: Path) -> None:
    sizes, schemes = {}, {}
    for wish in ("auto", "gzip"):
        made = package(tiny.spec(recipes=["int8"], floor=ANY, compression=wish, out=tmp_path / wish)).manifest
        sizes[wish] = made.archive.gzip_ratio * made.archive.unpacked_size
        assert made.quantization
        schemes[wish] = made.quantization.scheme
    assert sizes["gzip"] < 0.98 * sizes["auto"]
    assert schemes["gzip"] == f"{schemes['auto']} of a common step"
