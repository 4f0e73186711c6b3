"""Writes FP8_DYNAMIC and W4A16 checkpoints in the format of compressed-tensors, which vLLM reads, without torch.

Both schemes need no calibration data. FP8_DYNAMIC: E4M3 weights with one scale per output channel, activations
quantized per token at run time (compute capability >= 8.9). W4A16: 4-bit integers with one scale for each 128 inputs,
rounded to nearest, packed eight to an int32 (compute capability >= 7.5). The scales, the packing and the
`quantization_config` are those of compressed-tensors 0.20: https://github.com/vllm-project/compressed-tensors
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.huggingface import hf_folder, safetensors_file
from model_packaging.huggingface.hf_folder import INDEX, HuggingFaceFolder
from model_packaging.huggingface.safetensors_file import DTYPES, SafetensorsFile, TensorInfo
from model_packaging.quantization import weight_codecs

Scheme = Literal["FP8_DYNAMIC", "W4A16"]

FORMAT_VERSION = "0.20.0"
"""The compressed-tensors release whose output this module reproduces, and which config.json names."""

GROUP_SIZE = 128

# Layers that vLLM builds as unquantized linear layers, or whose error affects the whole model.
_KEPT_IN_LANGUAGE = frozenset(("lm_head", "embed_out", "pooler", "classifier", "score", "gate", "router"))
_KEPT_BESIDE_IT = frozenset(("vision_tower", "vision_model", "visual", "multi_modal_projector", "audio_tower"))
_KEPT = _KEPT_IN_LANGUAGE | _KEPT_BESIDE_IT
_NO_LINEAR = re.compile(r"embed|norm|\bwte\b|\bwpe\b|\bshared\b|relative_attention_bias", re.IGNORECASE)
# vLLM runs each of these sets as one matrix: all of it must be quantized, or none.
_FUSED = tuple(map(frozenset, (("q_proj", "k_proj", "v_proj"), ("query", "key", "value"), ("gate_proj", "up_proj"))))
_CONV1D = frozenset(("gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp"))
_FLOATS = frozenset(("F64", "F32", "F16", "BF16"))


@dataclass(frozen=True)
class Quantized:
    """A quantized checkpoint.

    Attributes:
        scheme: the scheme's name.
        layers: the quantized layers, sorted.
        ignored: the linear layers that were kept unchanged, sorted, as in `quantization_config.ignore`.
        source_bytes, bytes: weights before and after.
        mean_error, worst_error: of the layers' relative errors, |W - W'| / |W| in the Frobenius norm.
        files: every file of the folder, relative to it, sorted.
    """

    scheme: Scheme
    layers: tuple[str, ...]
    ignored: tuple[str, ...]
    source_bytes: int
    bytes: int
    mean_error: float
    worst_error: float
    files: tuple[str, ...]


def quantize(source: Path, target: Path, scheme: Scheme, ignore: Iterable[str] = ()) -> Quantized:
    """Writes the Hugging Face folder `source` to the new folder `target`, its linear layers quantized.

    float32 (and float64) tensors that are kept become bfloat16; float16 and bfloat16 stay. Shards keep their names and
    their tensors. The folder appears when it is complete; the same source gives the same bytes. One tensor at a time is
    in memory.

    Args:
        ignore: additional layers to keep, in the notation of compressed-tensors: a module's name, or `re:` and an
            expression.

    Raises:
        FindingsError: whatever `hf_folder.read` refuses, weights that are not finite, a checkpoint that is already
            quantized, an architecture whose linear layers are stored transposed or fused, an `ignore` that names
            nothing, nothing left to quantize, or a `target` that exists.
        OSError: the disk is full.
    """
    folder = hf_folder.read(source)
    layers, ignored = plan(folder, scheme, tuple(ignore))
    if findings := [finding for shard in folder.shards.values() for finding in safetensors_file.non_finite(shard)]:
        raise FindingsError(findings)
    if target.exists():
        raise refuse(str(target), "must not exist yet", "a folder or file", "it would be mixed with the new one")
    partial_target = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial_target, ignore_errors=True)
    partial_target.mkdir(parents=True)
    errors: dict[str, float] = {}
    for name in folder.carried:
        (partial_target / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(hf_folder.inside(source, name), partial_target / name)
    placed: dict[str, str] = {}
    total = 0
    for name, shard in folder.shards.items():
        layout: list[tuple[str, str, tuple[int, ...]]] = []
        for info in shard.tensors.values():
            layout += _layout(info, layers, scheme)
        produce = _Producer(shard, layers, scheme, errors)
        safetensors_file.write(partial_target / name, layout, produce, {"format": "pt"})
        placed |= dict.fromkeys((entry[0] for entry in layout), name)
        total += sum(int(np.prod(shape, dtype=np.int64)) * DTYPES[dtype].itemsize for _, dtype, shape in layout)
    _write_json(partial_target / "config.json", _config(folder, scheme, ignored))
    if len(folder.shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(placed.items()))}
        _write_json(partial_target / INDEX, index)
    partial_target.rename(target)
    return Quantized(
        scheme,
        tuple(sorted(layers)),
        ignored,
        sum(shard.path.stat().st_size for shard in folder.shards.values()),
        sum((target / name).stat().st_size for name in folder.shards),
        float(np.mean(list(errors.values()))),
        max(errors.values()),
        tuple(sorted(str(file.relative_to(target)) for file in target.rglob("*") if file.is_file())),
    )


def plan(
    folder: HuggingFaceFolder, scheme: Scheme, ignore: tuple[str, ...] = ()
) -> tuple[frozenset[str], tuple[str, ...]]:
    """The layers to quantize, and the linear layers to keep, sorted.

    Raises:
        FindingsError: see `quantize`.
    """
    where = str(folder.path / "config.json")
    model_type = str(folder.config.get("model_type", ""))
    if "quantization_config" in folder.config:
        method = folder.config["quantization_config"]
        given = method.get("quant_method", "") if isinstance(method, dict) else method
        raise refuse(where, "must not be quantized already", given, "the errors would accumulate", "give the original")
    if model_type in _CONV1D:
        then = "its weights are stored transposed, and the scales would belong to the wrong dimension"
        raise refuse(where, "must use linear layers, not Conv1D", model_type, then, "serve it unquantized")
    tensors = [info for shard in folder.shards.values() for info in shard.tensors.values()]
    if fused := [info.name for info in tensors if len(info.shape) == 3 and "experts" in info.name.split(".")]:
        then = "vLLM expects one matrix for each expert"
        raise refuse(where, "experts must be stored one by one", fused[0], then, "save it with its experts unfused")
    shapes = {
        info.name.removesuffix(".weight"): info.shape
        for info in tensors
        if info.name.endswith(".weight") and len(info.shape) == 2 and info.dtype in _FLOATS
    }
    linear = {name: shape for name, shape in shapes.items() if not _NO_LINEAR.search(name)}
    head = {"lm_head"} if _has_head(folder) else set()
    if unknown := [pattern for pattern in ignore if not any(_matches(name, pattern) for name in linear.keys() | head)]:
        raise FindingsError(Finding("ignore", "must name a linear layer of the model", name) for name in unknown)
    kept = {
        name
        for name, shape in linear.items()
        if _KEPT & set(name.split("."))
        or any(_matches(name, pattern) for pattern in ignore)
        or not _fits(shape, scheme)
    }
    kept |= {name for name in linear if any(sibling in kept for sibling in _siblings(name))}
    layers = frozenset(linear.keys() - kept)
    if not layers:
        rule = "must have a linear layer to quantize"
        needs = f"inputs in multiples of {GROUP_SIZE}" if scheme == "W4A16" else "sides in multiples of 16"
        raise refuse(
            str(folder.path), rule, f"{len(kept)} linear layers, none fit {scheme}", "", f"{scheme} needs {needs}"
        )
    return layers, tuple(sorted(kept | head))


def _has_head(folder: HuggingFaceFolder) -> bool:
    # A head tied to the embeddings has no tensor, but the runtime builds the layer.
    return any(str(name).endswith("ForCausalLM") for name in folder.config.get("architectures") or ())


def _fits(shape: tuple[int, ...], scheme: Scheme) -> bool:
    # The FP8 kernels need sides in multiples of 16; the 4-bit ones complete groups, and outputs in multiples of 64.
    if scheme == "FP8_DYNAMIC":
        return shape[0] % 16 == 0 and shape[1] % 16 == 0
    return shape[0] % 64 == 0 and shape[1] % GROUP_SIZE == 0


def _siblings(name: str) -> list[str]:
    parent, _, own = name.rpartition(".")
    return [f"{parent}.{other}" for members in _FUSED if own in members for other in members]


def _matches(name: str, pattern: str) -> bool:
    return bool(re.match(pattern[3:], name)) if pattern.startswith("re:") else name == pattern


def _kept_dtype(dtype: str) -> str:
    return "BF16" if dtype in ("F64", "F32") else dtype


def _layout(info: TensorInfo, layers: frozenset[str], scheme: Scheme) -> list[tuple[str, str, tuple[int, ...]]]:
    layer, kept = info.name.removesuffix(".weight"), _kept_dtype(info.dtype)
    if layer not in layers or layer == info.name:
        return [(info.name, kept, info.shape)]
    out, width = info.shape
    if scheme == "FP8_DYNAMIC":
        return [(info.name, "F8_E4M3", info.shape), (f"{layer}.weight_scale", kept, (out, 1))]
    return [
        (f"{layer}.weight_packed", "I32", (out, width // 8)),
        (f"{layer}.weight_scale", kept, (out, width // GROUP_SIZE)),
        (f"{layer}.weight_shape", "I64", (2,)),
    ]


@dataclass
class _Producer:
    """Makes the tensors of one output shard on demand; keeps the scales, which are small."""

    shard: SafetensorsFile
    layers: frozenset[str]
    scheme: Scheme
    errors: dict[str, float]
    scales: dict[str, np.ndarray] = field(default_factory=dict)

    def __call__(self, name: str) -> np.ndarray:
        layer, _, part = name.rpartition(".")
        if layer not in self.layers or not part.startswith("weight"):
            info = self.shard.tensors[name]
            return self.shard.tensor(name).astype(DTYPES[_kept_dtype(info.dtype)], copy=False)
        weight = self.shard.tensor(f"{layer}.weight")
        if part == "weight_shape":
            return np.array(weight.shape, np.int64)
        scale = self._scale(layer, weight)
        if part == "weight_scale":
            return scale
        fp8 = self.scheme == "FP8_DYNAMIC"
        values = weight_codecs.to_fp8(weight, scale) if fp8 else weight_codecs.to_int4(weight, scale)
        restore = weight_codecs.from_fp8 if fp8 else weight_codecs.from_int4
        self.errors[layer] = weight_codecs.relative_error(weight, values, scale, restore)
        return values

    def _scale(self, layer: str, weight: np.ndarray) -> np.ndarray:
        if layer not in self.scales:
            dtype = DTYPES[_kept_dtype(self.shard.tensors[f"{layer}.weight"].dtype)]
            fp8 = self.scheme == "FP8_DYNAMIC"
            group, half_range = (
                (weight.shape[1], weight_codecs.FP8_MAX) if fp8 else (GROUP_SIZE, weight_codecs.INT4_HALF_RANGE)
            )
            self.scales[layer] = weight_codecs.scales(weight, group, half_range, dtype)
        return self.scales[layer]


def _config(folder: HuggingFaceFolder, scheme: Scheme, ignored: tuple[str, ...]) -> dict[str, Any]:
    config = dict(folder.config)
    dtypes = {info.dtype for shard in folder.shards.values() for info in shard.tensors.values()}
    if dtypes & {"F64", "F32"}:
        config["dtype" if "dtype" in config else "torch_dtype"] = "bfloat16"
    return config | {"quantization_config": quantization_config(scheme, ignored)}


def quantization_config(scheme: Scheme, ignored: Iterable[str]) -> dict[str, Any]:
    """The entry of compressed-tensors in config.json for this scheme on every linear layer not in `ignored`."""

    def numbers(bits: int, kind: str, strategy: str, dynamic: bool, group_size: int | None) -> dict[str, Any]:
        settings = {"num_bits": bits, "type": kind, "strategy": strategy, "dynamic": dynamic, "group_size": group_size}
        return settings | {"symmetric": True}

    fp8 = scheme == "FP8_DYNAMIC"
    stored = "float-quantized" if fp8 else "pack-quantized"
    group = {
        "format": stored,
        "input_activations": numbers(8, "float", "token", True, None) if fp8 else None,
        "output_activations": None,
        "targets": ["Linear"],
        "weights": numbers(8, "float", "channel", False, None)
        if fp8
        else numbers(4, "int", "group", False, GROUP_SIZE),
    }
    return {
        "config_groups": {"group_0": group},
        "format": stored,
        "global_compression_ratio": None,
        "ignore": list(ignored),
        "kv_cache_scheme": None,
        "moe_sparsity_config": None,
        "quant_method": "compressed-tensors",
        "quantization_status": "compressed",
        "sparsity_config": {},
        "transform_config": {},
        "version": FORMAT_VERSION,
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
