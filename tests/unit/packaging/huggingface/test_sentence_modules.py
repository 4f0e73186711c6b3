"""What sentence-transformers stores beside an encoder, and what of it cannot be exported."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_packaging.findings import FindingsError
from model_packaging.huggingface import sentence_modules
from model_packaging.huggingface.sentence_modules import Pooling

Write = Callable[[Path, dict[str, np.ndarray]], None]
TYPES = "sentence_transformers.models."


def folder(root: Path, *modules: tuple[str, str], pooling: Any = None) -> Path:
    (root / "modules.json").write_text(json.dumps([{"type": TYPES + kind, "path": path} for kind, path in modules]))
    (root / "1_Pooling").mkdir(exist_ok=True)
    (root / "1_Pooling" / "config.json").write_text(json.dumps(pooling or {"pooling_mode_mean_tokens": True}))
    return root


def rejected(path: Path) -> str:
    with pytest.raises(FindingsError) as error:
        sentence_modules.read(path)
    return str(error.value)


def test_a_plain_encoder_is_pooled_by_the_mean(tmp_path: Path) -> None:
    assert sentence_modules.read(tmp_path) == Pooling("mean")


def test_pooling_and_normalisation(tmp_path: Path) -> None:
    path = folder(tmp_path, ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))
    (path / "sentence_bert_config.json").write_text('{"max_seq_length": 256}')
    assert sentence_modules.read(path) == Pooling("mean", normalise=True, max_length=256)


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_max_tokens": True, "word_embedding_dimension": 384}, "max"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode": ["cls"]}, "cls"),
    ],
)
def test_modes(tmp_path: Path, settings: dict, mode: str) -> None:
    assert sentence_modules.read(folder(tmp_path, ("Pooling", "1_Pooling"), pooling=settings)).mode == mode


@pytest.mark.parametrize(
    ("settings", "got"),
    [
        ({"pooling_mode_lasttoken": True}, "pooling_mode_lasttoken"),
        (
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            "pooling_mode_cls_token, pooling_mode_mean",
        ),
        ({"pooling_mode": "weightedmean"}, "weightedmean"),
        ({"word_embedding_dimension": 3}, "none"),
    ],
)
def test_a_pooling_that_cannot_be_exported(tmp_path: Path, settings: dict, got: str) -> None:
    path = folder(tmp_path, ("Pooling", "1_Pooling"), pooling=settings)
    assert f"must be one of mean, cls and max, got {got}" in rejected(path)


@pytest.mark.parametrize("module", [("Transformer", "0_Transformer"), ("WordWeights", "1"), ("Router", "")])
def test_a_module_of_another_kind(tmp_path: Path, module: tuple[str, str]) -> None:
    assert f"got {module[0]} in " in rejected(folder(tmp_path, module))


@pytest.mark.parametrize("text", ["{", "3", '[{"path": ""}]', '["Pooling"]'])
def test_modules_that_are_no_list(tmp_path: Path, text: str) -> None:
    (tmp_path / "modules.json").write_text(text)
    assert "must be a list of modules with type and path" in rejected(tmp_path)


def test_a_module_without_settings(tmp_path: Path) -> None:
    assert "must contain the module's settings" in rejected(folder(tmp_path, ("Pooling", "2_Pooling")))


def dense(root: Path, write_shard: Write, shape: tuple[int, int] = (2, 4), **changes: Any) -> Path:
    path = folder(root, ("Pooling", "1_Pooling"), ("Dense", "2_Dense"))
    (path / "2_Dense").mkdir()
    settings = {
        "in_features": 4,
        "out_features": 2,
        "bias": False,
        "activation_function": "torch.nn.modules.activation.Tanh",
    }
    (path / "2_Dense" / "config.json").write_text(json.dumps(settings | changes))
    write_shard(path / "2_Dense" / "model.safetensors", {"linear.weight": np.ones(shape, np.float32)})
    return path


def test_a_projection(tmp_path: Path, write_shard: Write) -> None:
    [found] = sentence_modules.read(dense(tmp_path, write_shard)).dense
    assert (found.in_features, found.out_features, found.bias, found.activation) == (4, 2, False, "Tanh")
    assert found.weights.name == "model.safetensors"


def test_a_projection_of_other_sides(tmp_path: Path, write_shard: Write) -> None:
    assert "must contain linear.weight of shape (2, 4), got (4, 4)" in rejected(dense(tmp_path, write_shard, (4, 4)))


@pytest.mark.parametrize(
    "changes", [{"activation_function": "my.code.Swish"}, {"in_features": "4"}, {"out_features": 0}]
)
def test_a_projection_that_cannot_be_exported(tmp_path: Path, write_shard: Write, changes: dict) -> None:
    assert "must have in_features, out_features and one of the activations" in rejected(
        dense(tmp_path, write_shard, **changes)
    )


def test_a_projection_with_pickled_weights(tmp_path: Path, write_shard: Write) -> None:
    path = dense(tmp_path, write_shard)
    (path / "2_Dense" / "model.safetensors").rename(path / "2_Dense" / "pytorch_model.bin")
    assert "model.safetensors: must be a file, got nothing there" in rejected(path)
