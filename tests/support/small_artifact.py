"""A small artifact: right in form, with no model that could answer in it."""

import hashlib
from pathlib import Path

from model_packaging.artifact.archive import scan, write_archive
from model_packaging.artifact.manifest import Manifest
from model_packaging.artifact.reader import Artifact, open_artifact


def small_artifact(
    into: Path,
    name: str = "model",
    content: bytes = b"weights",
    recommended_mb: int = 1024,
    target: str = "cpu-serverless",
) -> Artifact:
    """Writes one into the folder `into / name`."""
    folder, files = into / name, into / f"{name}.files"
    for path in (folder, files):
        path.mkdir(parents=True)
    (files / "model.onnx").write_bytes(content)
    archive = folder / "model.tar.gz"
    write_archive(files, archive, level=0)
    zero = "0" * 64
    manifest = {
        "schema": "scaletozero.manifest/1",
        "name": name,
        "key": zero,
        "task": "sentence-embedding",
        "target": target,
        "recipe": "int8",
        "source": {
            "file": "m.onnx",
            "sha256": zero,
            "size": 1,
            "revision": None,
            "tokenizer_sha256": zero,
            "licence": "MIT",
        },
        "archive": {
            "file": archive.name,
            "compression": "stored",
            "size": archive.stat().st_size,
            "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
            "unpacked_size": len(content),
            "gzip_ratio": 1.0,
            "break_even_mb_per_s": 1.0,
        },
        "files": [{"path": m.path, "size": m.size, "sha256": m.sha256, "role": "graph"} for m in scan(archive)],
        "io": {
            "content_types": ["application/json"],
            "max_payload_bytes": 4_000_000,
            "max_inputs": 8,
            "max_length": 128,
            "dimension": 384,
        },
        "floor": {"mean": 0.998, "minimum": 0.996},
        "probe_sha256": zero,
        "candidates": [{"recipe": "int8", "outcome": "chosen"}],
        "memory": {"start_rss_mb": 1.0, "peak_rss_mb": 1.0, "recommended_mb": recommended_mb},
        "cold_start": {"n": 1, "phases": {"load": 1.0}, "total_ms": 1.0, "source_total_ms": 1.0},
        "environment": {
            "cpu": "x",
            "cpus": 1,
            "vnni": True,
            "python": "3.11",
            "onnxruntime": "1",
            "onnx": "1",
            "tokenizers": "0",
        },
    }
    (folder / "manifest.json").write_text(Manifest.model_validate(manifest).to_json())
    return open_artifact(folder)
