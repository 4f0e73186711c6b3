"""A packaged model on disk: model.tar.gz and the manifest beside it. Light enough for a preview: standard library and
pydantic.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from model_packaging.artifact.archive import scan
from model_packaging.artifact.document import manifest_json, parse_manifest
from model_packaging.artifact.manifest import Manifest
from model_packaging.files import exists, shown
from model_packaging.findings import refuse
from model_packaging.magic import RUNS_CODE, sniff_file

ARCHIVE = "model.tar.gz"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Artifact:
    """A packaged model whose archive was checked against its manifest.

    Attributes:
        path: the folder.
        archive: model.tar.gz in it.
        digest: SHA-256 of the archive, in hex.
        manifest: its manifest.
    """

    path: Path
    archive: Path
    digest: str
    manifest: Manifest

    def __fspath__(self) -> str:
        return str(self.path)


def open_artifact(path: str | Path | Artifact) -> Artifact:
    """Opens the artifact at `path`, its folder or the model.tar.gz in it, and checks every byte. Returns an open one as
    is.

    Raises:
        FindingsError: there is no artifact; it is a pickle or another kind of file; the manifest is missing or of
            another schema; the archive is truncated, differs from its digest, contains other files than the manifest
            lists, or breaks a rule of `safe_extract`.
    """
    if isinstance(path, Artifact):
        return path
    path = Path(path)
    if not exists(path):
        raise refuse(shown(path), "the artifact must exist", "nothing there", "", "run `scaletozero package` first")
    if path.is_file() and (kind := sniff_file(path)) != "gzip":
        raise refuse(
            str(path),
            f"an artifact is a folder with {ARCHIVE} and {MANIFEST}",
            f"a {kind} file",
            RUNS_CODE.get(kind, ""),
            "package the model with `scaletozero package`, from ONNX",
        )
    folder, archive = (path, path / ARCHIVE) if path.is_dir() else (path.parent, path)
    manifest = read_manifest(folder / MANIFEST)
    _check_archive(archive, manifest)
    return Artifact(folder, archive, manifest.archive.sha256, manifest)


def read_manifest(path: Path) -> Manifest:
    """Reads the manifest at `path`.

    Raises:
        FindingsError: it is missing, not JSON, of another schema, or incomplete.
    """
    return parse_manifest(Manifest, manifest_json(path, "the manifest must be beside the archive"), path)


def _check_archive(archive: Path, manifest: Manifest) -> None:
    if not archive.is_file():
        raise refuse(
            str(archive), "the archive must be beside the manifest", "nothing there", "", "package the model again"
        )
    recorded, size = manifest.archive, archive.stat().st_size
    if size != recorded.size:
        how = "truncated" if size < recorded.size else "too long"
        raise refuse(
            str(archive),
            f"must have the {recorded.size} bytes that its manifest says",
            f"{size} ({how})",
            "the endpoint would never become healthy",
            "copy or package it again",
        )
    digest = sha256_of(archive)
    if digest != recorded.sha256:
        raise refuse(
            str(archive),
            f"must have the sha256 in its manifest, {recorded.sha256}",
            digest,
            "a different model than the measured one would be served",
            "copy or package it again",
        )
    held = {(each.path, each.size, each.sha256) for each in scan(archive)}
    listed = {(each.path, each.size, each.sha256) for each in manifest.files}
    if held != listed:
        odd = ", ".join(sorted({each[0] for each in held ^ listed}))
        raise refuse(
            str(archive),
            "must contain exactly the files that its manifest lists",
            f"a difference in {odd}",
            "a different model than the measured one would be served",
            "package the model again",
        )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
