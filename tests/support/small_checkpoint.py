"""A checkpoint for vLLM that is whole, with no model that could answer in it."""

import json
from pathlib import Path

from model_packaging.artifact.folder_manifest import FolderManifest, digest_of, entries

CONFIG = {
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "hidden_size": 3584,
    "max_position_embeddings": 32768,
}


def small_checkpoint(path: Path, weights: bytes = b"w" * 1000) -> Path:
    """The artifact's folder, at `path`, with these weights."""
    folder = path / "model"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(weights)
    files = entries(folder)
    zero = "0" * 64
    manifest = {
        "schema": "scaletozero.folder-manifest/1",
        "name": "qwen",
        "key": zero,
        "target": "gpu-vllm",
        "task": None,
        "source": {"name": "qwen", "sha256": zero, "size": 1, "revision": None},
        "licence": {"expression": "Apache-2.0", "file": "given"},
        "parameters": 1000,
        "sha256": digest_of({each.path: each.sha256 for each in files}),
        "size": sum(each.size for each in files),
        "files": [each.model_dump() for each in files],
        "quantization": {
            "scheme": "FP8_DYNAMIC",
            "format_version": "0.11",
            "layers": 1,
            "ignored": [],
            "size_ratio": 0.5,
            "mean_error": 0.02,
            "worst_error": 0.03,
            "compute_capability": 8.9,
        },
        "versions": {},
    }
    (path / "manifest.json").write_text(FolderManifest.model_validate(manifest).to_json())
    return path
