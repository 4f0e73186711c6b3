"""Our checkpoints against compressed-tensors and transformers themselves."""

# pyright: reportMissingImports=false
# The type checker's environment has no torch.

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the torch extra")
pytest.importorskip("compressed_tensors", reason="needs the torch extra")

from compressed_tensors.compressors import BaseCompressor  # noqa: E402
from compressed_tensors.compressors.model_compressors import ModelCompressor  # noqa: E402
from compressed_tensors.quantization import (  # noqa: E402
    QuantizationConfig,
    apply_quantization_config,
    preset_name_to_scheme,
)
from compressed_tensors.quantization.utils import calculate_qparams  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM  # noqa: E402

from model_packaging.quantization import compressed_tensors  # noqa: E402
from model_packaging.quantization.compressed_tensors import Scheme  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.parametrize("scheme", ["FP8_DYNAMIC", "W4A16"])]
FORMATS = {"FP8_DYNAMIC": "float-quantized", "W4A16": "pack-quantized"}


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=320, max_position_embeddings=64,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("llama") / request.param
    LlamaForCausalLM(config).to(getattr(torch, request.param)).save_pretrained(folder, max_shard_size="1MB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    return folder


def weights(folder: Path) -> dict[str, Any]:
    return {name: tensor for path in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(path).items()}


def by_compressed_tensors(source: Path, scheme: Scheme) -> Any:
    """The same checkpoint as compressed-tensors makes it: its scales from its own function, its own compressor."""
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16)
    groups: Any = {"group_0": preset_name_to_scheme(scheme, ["Linear"])}
    apply_quantization_config(model, QuantizationConfig(config_groups=groups, ignore=["lm_head"]))
    for module in model.modules():
        if hasattr(module, "weight_scale"):
            grouped = module.weight.data.reshape(len(module.weight), module.weight_scale.shape[1], -1)
            scale, _ = calculate_qparams(grouped.amin(-1), grouped.amax(-1), module.quantization_scheme.weights)
            module.weight_scale.data.copy_(scale)
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    return model, compressor


def test_the_same_keys_shapes_types_and_config(source: Path, tmp_path: Path, scheme: Scheme) -> None:
    compressed_tensors.quantize(source, tmp_path / "out", scheme)
    model, compressor = by_compressed_tensors(source, scheme)
    theirs = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in model.state_dict().items()}
    ours = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in weights(tmp_path / "out").items()}
    assert ours == theirs
    (tmp_path / "config.json").write_text("{}")
    compressor.update_config(str(tmp_path))
    expected = json.loads((tmp_path / "config.json").read_text())["quantization_config"]
    assert json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"] == expected
    assert expected["version"] == version("compressed-tensors") == compressed_tensors.FORMAT_VERSION


def test_it_decompresses_to_our_own_figure(source: Path, tmp_path: Path, scheme: Scheme) -> None:
    result = compressed_tensors.quantize(source, tmp_path / "out", scheme)
    before, after = weights(source), weights(tmp_path / "out")
    compressor: Any = BaseCompressor.get_value_from_registry(FORMATS[scheme])
    settings = preset_name_to_scheme(scheme, ["Linear"])
    errors = []
    for layer in result.layers:
        parts = {name.rpartition(".")[2]: tensor for name, tensor in after.items() if name.startswith(f"{layer}.")}
        restored = compressor.decompress(parts, settings)["weight"].float()
        weight = before[f"{layer}.weight"].float()
        errors.append(float((restored - weight).norm() / weight.norm()))
    # Theirs multiplies in bfloat16, ours in float32: 2^-9 of the value apart.
    assert max(errors) == pytest.approx(result.worst_error, abs=0.002)
    assert sum(errors) / len(errors) == pytest.approx(result.mean_error, abs=0.002)
    assert scheme != "FP8_DYNAMIC" or max(errors) <= 0.03


def test_no_worse_than_compressed_tensors(source: Path, tmp_path: Path, scheme: Scheme) -> None:
    result = compressed_tensors.quantize(source, tmp_path / "out", scheme)
    model, _ = by_compressed_tensors(source, scheme)
    before, theirs, ours = weights(source), model.state_dict(), weights(tmp_path / "out")
    compressor: Any = BaseCompressor.get_value_from_registry(FORMATS[scheme])
    settings = preset_name_to_scheme(scheme, ["Linear"])

    def error(state: dict[str, Any], layer: str) -> float:
        parts = {name.rpartition(".")[2]: tensor for name, tensor in state.items() if name.startswith(f"{layer}.")}
        weight = before[f"{layer}.weight"].float()
        return float((compressor.decompress(parts, settings)["weight"].float() - weight).norm() / weight.norm())

    for layer in result.layers:
        assert error(ours, layer) <= error(theirs, layer) * 1.001


def test_transformers_loads_it_and_answers_alike(source: Path, tmp_path: Path, scheme: Scheme) -> None:
    compressed_tensors.quantize(source, tmp_path / "out", scheme)
    tokens = torch.arange(2, 34)[None]
    with torch.no_grad():
        reference = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)(tokens).logits
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.bfloat16)
        answer = loaded(tokens).logits.float()
    cosine = torch.nn.functional.cosine_similarity(reference, answer, dim=-1)
    assert cosine.min() >= (0.995 if scheme == "FP8_DYNAMIC" else 0.95)
