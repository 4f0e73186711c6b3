"""A Hugging Face folder as the source of an artifact: its description, and its export."""

from __future__ import annotations

import hashlib
from pathlib import Path

from model_packaging.artifact.folder_manifest import Export, FolderSource, digest_of
from model_packaging.huggingface import export, hf_folder


def describe(path: Path, revision: str | None) -> tuple[FolderSource, int]:
    """The manifest's description of the folder at `path`, and the number of its parameters.

    Raises:
        FindingsError: see `hf_folder.read`.
    """
    folder = hf_folder.read(path)
    files = {name: shard.path for name, shard in folder.shards.items()}
    files |= {name: hf_folder.inside(path, name) for name in folder.carried}
    sums = {name: _sha256(file) for name, file in files.items()}
    size = sum(file.stat().st_size for file in files.values())
    return FolderSource(name=path.name, sha256=digest_of(sums), size=size, revision=revision), folder.parameters


def entry(exported: export.Exported) -> Export:
    """The manifest's description of an export."""
    return Export(
        opset=export.OPSET,
        outputs=exported.outputs,
        max_length=exported.max_length,
        parity=exported.parity,
        cases=tuple(dict(case) for case in exported.cases),
        versions=dict(exported.versions),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
