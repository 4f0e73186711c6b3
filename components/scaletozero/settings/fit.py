"""Checks whether a packaged model fits SageMaker Serverless Inference, by its manifest's measurements. Pure.

The limits, with their sources, are those of `model_packaging.serving.limits`.
"""

from __future__ import annotations

from collections.abc import Iterator

from model_packaging.artifact.manifest import ArchiveEntry, Manifest
from model_packaging.findings import Finding
from model_packaging.serving.limits import (
    DISK_BYTES,
    DOWNLOAD_MB_PER_S,
    MEMORY_MB,
    REQUEST_BYTES,
    START_SECONDS,
    UNPACK_MB_PER_S,
)

_INSTANCES = "use an endpoint on instances (`kind: asynchronous`)"


def memory_of(manifest: Manifest, given: int | None) -> int:
    """The memory of an endpoint in MB: the given one, or else the smallest size with the recommended memory."""
    if given is not None:
        return given
    return next((size for size in MEMORY_MB if size >= manifest.memory.recommended_mb), MEMORY_MB[-1])


def start_seconds(manifest: Manifest) -> dict[str, float]:
    """Estimated seconds of each phase of a cold start, from the archive's size and the measurements of packaging."""
    archive = manifest.archive
    return {
        "download": archive.size / 1e6 / DOWNLOAD_MB_PER_S,
        "unpack": archive.unpacked_size / 1e6 / UNPACK_MB_PER_S[archive.compression],
        "start": manifest.cold_start.total_ms / 1000,
    }


def fit_findings(manifest: Manifest, memory_mb: int | None, path: str) -> list[Finding]:
    """The reasons why a model does not fit an endpoint with `memory_mb` (None: the memory of its manifest).

    Args:
        path: the endpoint's path, as the user wrote it; findings are on its `memory_mb` and `artifact`.
    """
    return [
        *_memory(manifest, memory_mb, path),
        *_disk(manifest.archive, f"{path}.artifact"),
        *_start(manifest, f"{path}.artifact"),
        *_request(manifest, f"{path}.artifact"),
    ]


def _memory(manifest: Manifest, given: int | None, path: str) -> Iterator[Finding]:
    needed, peak = manifest.memory.recommended_mb, manifest.memory.peak_rss_mb
    then = "containers would be killed by the largest requests, or would never start"
    held = f"{peak:.0f} MB under its largest request and a reserve for the allocator"
    if needed > MEMORY_MB[-1]:
        rule = f"must fit into {MEMORY_MB[-1]} MB, the most that SageMaker Serverless has"
        yield Finding(
            f"{path}.artifact", rule, f"{needed} MB ({held})", then, f"package a smaller model, or {_INSTANCES}"
        )
    elif given is not None and given < needed:
        rule = f"must be {memory_of(manifest, None)} or more, for {held}"
        fix = f"write {memory_of(manifest, None)}, or leave it out: the manifest recommends it"
        yield Finding(f"{path}.memory_mb", rule, str(given), then, fix)


def _disk(archive: ArchiveEntry, path: str) -> Iterator[Finding]:
    both = archive.size + archive.unpacked_size
    if both > DISK_BYTES:
        yield Finding(
            path,
            f"must fit into {DISK_BYTES / 1e9:.0f} GB of disk, the archive and its contents",
            f"{both / 1e9:.2f} GB ({archive.size / 1e9:.2f} and {archive.unpacked_size / 1e9:.2f})",
            "the endpoint would never become healthy",
            f"package a smaller model, or {_INSTANCES}",
        )


def _start(manifest: Manifest, path: str) -> Iterator[Finding]:
    parts = start_seconds(manifest)
    total = sum(parts.values())
    if total > START_SECONDS:
        said = ", ".join(f"{name} {seconds:.0f}" for name, seconds in parts.items())
        yield Finding(
            path,
            f"must be ready within {START_SECONDS} s of a cold start",
            f"about {total:.0f} s ({said})",
            "SageMaker would stop every container before it responds",
            f"package a smaller model, or {_INSTANCES}",
        )


def _request(manifest: Manifest, path: str) -> Iterator[Finding]:
    most = manifest.io.max_payload_bytes
    if most > REQUEST_BYTES:
        yield Finding(
            path,
            f"must be packaged for requests of {REQUEST_BYTES} bytes at most",
            f"a server that accepts {most}",
            "SageMaker Serverless would refuse larger requests, which callers may send",
            f"package it for `cpu-serverless`, or {_INSTANCES}",
        )
    # Text is short; a model of arrays has one example, in .npy, which is the shortest form to send it.
    example = sum(entry.size for entry in manifest.files if entry.role == "canary")
    if example > REQUEST_BYTES:
        yield Finding(
            path,
            f"must accept an example in {REQUEST_BYTES} bytes, the most that a request may have",
            f"{example} for the example that it was packaged with",
            "SageMaker Serverless would refuse every request",
            f"make the model accept smaller inputs, or {_INSTANCES}",
        )
