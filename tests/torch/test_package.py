"""all-MiniLM-L6-v2 from its Hugging Face folder to an artifact, through torch."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the torch extra")

from model_packaging import PackageSpec, package
from model_packaging.evaluation.choose import slower
from scaletozero.cli.packaging import read_spec

pytestmark = pytest.mark.torch
MODELS = Path(__file__).resolve().parents[2] / "models"


def test_all_minilm_l6_v2_meets_the_default_floor_at_a_quarter_of_its_size(tmp_path: Path) -> None:
    manifest = package(PackageSpec.of(**{**read_spec(MODELS / "all-minilm-l6.yaml"), "out": tmp_path})).manifest
    outcomes = {each.recipe: each.outcome for each in manifest.candidates}
    assert "below the floor" in outcomes["int8-blockwise"]
    assert manifest.recipe == "int8-blockwise-kept"
    chosen = manifest.chosen
    assert chosen.quality is not None
    assert chosen.speed is not None
    assert chosen.size_ratio is not None
    assert chosen.quality.cosine_mean >= 0.998
    assert chosen.quality.cosine_min >= 0.996
    assert chosen.size_ratio <= 0.285
    assert not slower(chosen.speed)
    assert manifest.source.licence == "Apache-2.0"
    assert manifest.export is not None
