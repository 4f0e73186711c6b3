"""A random two-layer Llama as a Hugging Face folder, small enough for every test to have its own."""

import json
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from model_packaging.huggingface import safetensors_file

HIDDEN, INTERMEDIATE, VOCABULARY = 128, 256, 96


def llama_tensors(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) * 0.02).astype(ml_dtypes.bfloat16)

    tensors = {"model.embed_tokens.weight": normal(VOCABULARY, HIDDEN), "lm_head.weight": normal(VOCABULARY, HIDDEN)}
    tensors["model.norm.weight"] = np.ones(HIDDEN, ml_dtypes.bfloat16)
    for layer in range(2):
        at = f"model.layers.{layer}"
        tensors |= {f"{at}.self_attn.{name}_proj.weight": normal(HIDDEN, HIDDEN) for name in "qkvo"}
        tensors |= {f"{at}.mlp.{name}_proj.weight": normal(INTERMEDIATE, HIDDEN) for name in ("gate", "up")}
        tensors[f"{at}.mlp.down_proj.weight"] = normal(HIDDEN, INTERMEDIATE)
        tensors |= {f"{at}.{name}_layernorm.weight": np.ones(HIDDEN, ml_dtypes.bfloat16)
                    for name in ("input", "post_attention")}  # fmt: skip
    return tensors


@pytest.fixture
def write_shard() -> Callable[[Path, dict[str, np.ndarray]], None]:
    codes = {dtype: code for code, dtype in safetensors_file.DTYPES.items()}

    def write(path: Path, tensors: dict[str, np.ndarray]) -> None:
        layout = [(name, codes[array.dtype], array.shape) for name, array in tensors.items()]
        safetensors_file.write(path, layout, tensors.__getitem__, {"format": "pt"})

    return write


@pytest.fixture
def llama(tmp_path: Path, write_shard: Callable[[Path, dict[str, np.ndarray]], None]) -> Callable[..., Path]:
    """Writes the folder; `change` edits the tensors first, `settings` the config, `shards` splits the weights."""

    def make(
        shards: int = 1, change: Callable[[dict[str, np.ndarray]], None] = lambda _: None, settings: dict | None = None
    ) -> Path:
        folder = tmp_path / "llama"
        folder.mkdir()
        config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
                  "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE, "num_hidden_layers": 2,
                  "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": VOCABULARY}  # fmt: skip
        (folder / "config.json").write_text(json.dumps(config | (settings or {})))
        (folder / "tokenizer.json").write_text('{"version": "1.0"}')
        (folder / "LICENSE").write_text("Apache License, Version 2.0")
        tensors = llama_tensors(0)
        change(tensors)
        if shards == 1:
            write_shard(folder / "model.safetensors", tensors)
            return folder
        names = sorted(tensors)
        placed = {}
        for number in range(shards):
            name = f"model-{number + 1:05}-of-{shards:05}.safetensors"
            write_shard(folder / name, {key: tensors[key] for key in names[number::shards]})
            placed |= dict.fromkeys(names[number::shards], name)
        index = {"metadata": {"total_size": sum(array.nbytes for array in tensors.values())}, "weight_map": placed}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        return folder

    return make
