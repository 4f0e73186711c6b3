"""The properties of a packaged model that a plan needs, from its manifest and its configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_packaging.artifact.document import manifest_json
from model_packaging.artifact.folder_manifest import MANIFEST, FolderArtifact, open_folder
from model_packaging.artifact.manifest import SCHEMA as ARCHIVE_SCHEMA
from model_packaging.artifact.reader import open_artifact
from model_packaging.findings import FindingsError, refuse
from scaletozero.settings.gpu import GpuEndpointSettings
from scaletozero.settings.names import model_prefix, models_prefix

TARGET = "gpu-vllm"
"""The packaging target whose artifacts vLLM serves."""


@dataclass(frozen=True)
class Model:
    """A packaged model.

    Attributes:
        name, digest: name and digest of the artifact; the digest is a SHA-256, in hexadecimal.
        target: the target that it was packaged for.
        weights_bytes: size of all weights, in bytes.
        capability: the least CUDA compute capability that runs it, times ten (89 is 8.9).
        max_length: maximum number of tokens of a request with its response.
        kv_bytes_per_token: size of the attention cache for a token, in bytes; None if it is not known.
    """

    name: str
    digest: str
    target: str
    weights_bytes: int
    capability: int = 75
    max_length: int | None = None
    kv_bytes_per_token: int | None = None

    def gpu_memory_mib(self, max_length: int | None = None) -> int:
        """The GPU memory that it needs, in MiB: the weights, the cache of one request, and 10 % for activations.

        If the size of the cache is not known, it is estimated as 20 % of the weights.
        """
        length = max_length or self.max_length
        cache = self.kv_bytes_per_token * length if self.kv_bytes_per_token and length else self.weights_bytes // 5
        return -(-(self.weights_bytes + cache) * 11 // 10 // 2**20)


def place(name: str, settings: GpuEndpointSettings, model: Model) -> str:
    """The prefix of the endpoint's files in the bucket."""
    return model_prefix(_owner(name, settings), model.digest, own_key=settings.kms_key_arn is not None)


def places(name: str, settings: GpuEndpointSettings) -> str:
    """The prefix of the files of all models that the endpoint has and had."""
    return models_prefix(_owner(name, settings))


def _owner(name: str, settings: GpuEndpointSettings) -> str:
    return f"{settings.cluster.name}/{settings.namespace}/{name}"


def read_model(path: Path) -> tuple[Model, dict[str, Path]]:
    """Reads the model of an artifact's folder. Returns it with its verified files, by their path below the prefix.

    Raises:
        FindingsError: there is no artifact or no manifest, or a file differs from the manifest.
    """
    if not (path / MANIFEST).is_file():
        at = str(path)
        raise refuse(at, "the artifact must exist", "no manifest there", "", "run `scaletozero package` first")
    return _read(path)


def _read(path: Path) -> tuple[Model, dict[str, Path]]:
    if _is_archive(path / MANIFEST):
        archive = open_artifact(path)
        manifest = archive.manifest
        size = manifest.archive.unpacked_size
        return Model(manifest.name, archive.digest, manifest.target, size), {archive.archive.name: archive.archive}
    artifact = open_folder(path)
    files = {entry.path: artifact.folder / entry.path for entry in artifact.manifest.files}
    return model_of(artifact), files


def _is_archive(manifest: Path) -> bool:
    try:
        content = manifest_json(manifest, "the manifest must be in the artifact")
    except FindingsError:
        return False  # the folder's own checks report what is wrong with it
    return isinstance(content, dict) and content.get("schema") == ARCHIVE_SCHEMA


def model_of(artifact: FolderArtifact) -> Model:
    """The model of a folder artifact."""
    manifest, config = artifact.manifest, artifact.folder / "config.json"
    weights = sum(
        entry.size for entry in manifest.files if entry.path.endswith((".safetensors", ".onnx", ".onnx.data"))
    )
    scheme = manifest.quantization
    described = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    return Model(
        name=manifest.name,
        digest=artifact.digest,
        target=manifest.target,
        weights_bytes=weights or manifest.size,
        capability=round(scheme.compute_capability * 10) if scheme else 75,
        max_length=described.get("max_position_embeddings"),
        kv_bytes_per_token=kv_bytes_per_token(described),
    )


def kv_bytes_per_token(config: Mapping[str, Any]) -> int | None:
    """Bytes of the attention cache for one token, at 16 bits: a key and a value for each head of each layer.

    Args:
        config: a model's config.json.

    Returns:
        The bytes; None if the configuration does not have the number of heads and layers.
    """
    layers, heads = config.get("num_hidden_layers"), config.get("num_attention_heads")
    if not layers or not heads:
        return None
    width = config.get("head_dim") or config.get("hidden_size", 0) // heads
    return 2 * layers * (config.get("num_key_value_heads") or heads) * width * 2 or None
