"""Which layers are quantized, what stands in the folder afterwards, and what is refused."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from model_packaging.findings import FindingsError
from model_packaging.huggingface import hf_folder, safetensors_file
from model_packaging.quantization import compressed_tensors, weight_codecs
from model_packaging.quantization.compressed_tensors import Scheme

Llama = Callable[..., Path]
SCHEMES: list[Scheme] = ["FP8_DYNAMIC", "W4A16"]


def rejected(source: Path, scheme: Scheme = "FP8_DYNAMIC", ignore: tuple[str, ...] = ()) -> str:
    target = source.with_name("out")
    with pytest.raises(FindingsError) as error:
        compressed_tensors.quantize(source, target, scheme, ignore)
    assert not target.exists()
    return str(error.value)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def all_tensors(folder: Path) -> dict[str, np.ndarray]:
    shards = hf_folder.read(folder).shards.values()
    return {name: shard.tensor(name) for shard in shards for name in shard.tensors}


@pytest.mark.parametrize("shards", [1, 3])
def test_fp8(llama: Llama, tmp_path: Path, shards: int) -> None:
    source, target = llama(shards), tmp_path / "out"
    result = compressed_tensors.quantize(source, target, "FP8_DYNAMIC")
    before, after = all_tensors(source), all_tensors(target)
    assert len(result.layers) == 14
    assert result.ignored == ("lm_head",)
    assert 0 < result.mean_error <= result.worst_error <= 0.03
    for layer in result.layers:
        values, scale = after[f"{layer}.weight"], after[f"{layer}.weight_scale"]
        assert values.dtype == ml_dtypes.float8_e4m3fn
        assert (scale.shape, scale.dtype) == ((len(values), 1), ml_dtypes.bfloat16)
        error = weight_codecs.relative_error(before[f"{layer}.weight"], values, scale, weight_codecs.from_fp8)
        assert error <= result.worst_error
    kept = before.keys() - {f"{layer}.weight" for layer in result.layers}
    assert all(after[name].tobytes() == before[name].tobytes() for name in kept)
    assert after.keys() == before.keys() | {f"{layer}.weight_scale" for layer in result.layers}


@pytest.mark.parametrize("shards", [1, 3])
def test_w4a16(llama: Llama, tmp_path: Path, shards: int) -> None:
    source, target = llama(shards), tmp_path / "out"
    result = compressed_tensors.quantize(source, target, "W4A16")
    before, after = all_tensors(source), all_tensors(target)
    for layer in result.layers:
        out, width = before[f"{layer}.weight"].shape
        packed, scale = after[f"{layer}.weight_packed"], after[f"{layer}.weight_scale"]
        assert (packed.shape, packed.dtype) == ((out, width // 8), np.int32)
        assert (scale.shape, scale.dtype) == ((out, width // 128), ml_dtypes.bfloat16)
        assert after[f"{layer}.weight_shape"].tolist() == [out, width]
        assert (
            weight_codecs.relative_error(before[f"{layer}.weight"], packed, scale, weight_codecs.from_int4)
            <= result.worst_error
        )
        assert f"{layer}.weight" not in after
    assert result.worst_error <= 0.13
    assert result.bytes < 0.5 * result.source_bytes


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_same_bytes_twice(llama: Llama, tmp_path: Path, scheme: Scheme) -> None:
    source = llama(2)
    compressed_tensors.quantize(source, tmp_path / "one", scheme)
    compressed_tensors.quantize(source, tmp_path / "two", scheme)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_shards_and_their_index(llama: Llama, tmp_path: Path) -> None:
    result = compressed_tensors.quantize(llama(2), tmp_path / "out", "W4A16")
    folder = hf_folder.read(tmp_path / "out")
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert list(folder.shards) == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    assert index["metadata"]["total_size"] == sum(array.nbytes for array in all_tensors(tmp_path / "out").values())
    assert all(shard.metadata == {"format": "pt"} for shard in folder.shards.values())
    assert result.files == tuple(sorted(path.name for path in (tmp_path / "out").iterdir()))


def test_what_travels_along(llama: Llama, tmp_path: Path) -> None:
    source = llama()
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling" / "config.json").write_text("{}")
    (source / "train.py").write_text("")
    result = compressed_tensors.quantize(source, tmp_path / "out", "FP8_DYNAMIC")
    assert result.files == ("1_Pooling/config.json", "LICENSE", "config.json", "model.safetensors", "tokenizer.json")
    assert (tmp_path / "out" / "LICENSE").read_bytes() == (source / "LICENSE").read_bytes()


def test_the_config(llama: Llama, tmp_path: Path) -> None:
    source = llama()
    compressed_tensors.quantize(source, tmp_path / "out", "FP8_DYNAMIC")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config.pop("quantization_config")["ignore"] == ["lm_head"]
    assert config == json.loads((source / "config.json").read_text())


def as_float32(tensors: dict[str, np.ndarray]) -> None:
    tensors.update({name: array.astype(np.float32) for name, array in tensors.items()})


def test_float32_becomes_bfloat16(llama: Llama, tmp_path: Path) -> None:
    source = llama(change=as_float32, settings={"torch_dtype": "float32"})
    compressed_tensors.quantize(source, tmp_path / "out", "FP8_DYNAMIC")
    after = all_tensors(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["torch_dtype"] == "bfloat16"
    assert {array.dtype.name for array in after.values()} == {"bfloat16", "float8_e4m3fn"}


def test_a_named_layer_is_kept_with_those_it_is_fused_with(llama: Llama, tmp_path: Path) -> None:
    ignore = ("model.layers.0.self_attn.q_proj", r"re:.*layers\.1\.mlp\.down_proj")
    result = compressed_tensors.quantize(llama(), tmp_path / "out", "FP8_DYNAMIC", ignore)
    assert result.ignored == (
        "lm_head",
        "model.layers.0.self_attn.k_proj",
        "model.layers.0.self_attn.q_proj",
        "model.layers.0.self_attn.v_proj",
        "model.layers.1.mlp.down_proj",
    )


def test_a_tied_head_is_ignored_by_name(llama: Llama, tmp_path: Path) -> None:
    source = llama(change=lambda tensors: tensors.pop("lm_head.weight"))
    assert compressed_tensors.quantize(source, tmp_path / "out", "FP8_DYNAMIC", ("lm_head",)).ignored == ("lm_head",)


def test_a_layer_that_the_kernels_cannot_take_is_kept(llama: Llama, tmp_path: Path) -> None:
    def odd(tensors: dict[str, np.ndarray]) -> None:
        tensors["model.layers.0.self_attn.k_proj.weight"] = np.ones((24, 128), ml_dtypes.bfloat16)

    result = compressed_tensors.quantize(llama(change=odd), tmp_path / "out", "W4A16")
    assert [name.rpartition(".")[2] for name in result.ignored] == ["lm_head", "k_proj", "q_proj", "v_proj"]


def test_a_folder_that_is_refused_as_such(llama: Llama) -> None:
    assert "auto_map" in rejected(llama(settings={"auto_map": {"AutoModel": "m.M"}}))


def test_weights_that_are_not_numbers(llama: Llama) -> None:
    def diverged(tensors: dict[str, np.ndarray]) -> None:
        for name in ("lm_head.weight", "model.norm.weight"):
            tensors[name].reshape(-1)[0] = np.nan

    assert rejected(llama(change=diverged)).count("weights must be finite, got 1 NaN") == 2


def test_a_checkpoint_already_quantized(llama: Llama) -> None:
    assert "must not be quantized already, got awq" in rejected(
        llama(settings={"quantization_config": {"quant_method": "awq"}})
    )


def test_linear_layers_that_are_stored_transposed(llama: Llama) -> None:
    assert "must use linear layers, not Conv1D, got gpt2" in rejected(llama(settings={"model_type": "gpt2"}))


def test_experts_that_are_fused(llama: Llama) -> None:
    def fuse(tensors: dict[str, np.ndarray]) -> None:
        tensors["model.layers.0.mlp.experts.gate_up_proj"] = np.ones((2, 128, 128), ml_dtypes.bfloat16)

    assert "experts must be stored one by one" in rejected(llama(change=fuse))


def test_an_ignore_that_names_nothing(llama: Llama) -> None:
    message = rejected(llama(), ignore=("model.layers.9.mlp", "re:.*vision.*"))
    assert message.count("must name a linear layer of the model") == 2


def test_nothing_to_quantize(llama: Llama) -> None:
    def only_embeddings(tensors: dict[str, np.ndarray]) -> None:
        for name in [name for name in tensors if "proj" in name]:
            del tensors[name]

    assert "must have a linear layer to quantize" in rejected(llama(change=only_embeddings), "W4A16")


def test_a_target_that_exists(llama: Llama, tmp_path: Path) -> None:
    source = llama()
    (tmp_path / "out").mkdir()
    with pytest.raises(FindingsError, match="must not exist yet"):
        compressed_tensors.quantize(source, tmp_path / "out", "FP8_DYNAMIC")


def test_a_full_disk_shows_no_folder_and_the_next_run_starts_clean(
    llama: Llama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = llama(2), tmp_path / "out"
    calls = []

    def full(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        write(*arguments)  # pyright: ignore[reportArgumentType]

    write = safetensors_file.write
    monkeypatch.setattr(safetensors_file, "write", full)
    with pytest.raises(OSError, match="No space left"):
        compressed_tensors.quantize(source, target, "FP8_DYNAMIC")
    assert not target.exists()
    compressed_tensors.quantize(source, target, "FP8_DYNAMIC")
    assert len(hf_folder.read(target).shards) == 2
