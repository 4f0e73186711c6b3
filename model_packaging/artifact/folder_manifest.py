"""The manifest of a folder artifact, and the check of the folder against it. Light
enough for a preview: standard library and pydantic.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from model_packaging.artifact.document import (
    Amount,
    Count,
    Document,
    Inside,
    Positive,
    Sha256,
    manifest_json,
    parse_manifest,
)
from model_packaging.findings import Finding, FindingsError, refuse

SCHEMA = "scaletozero.folder-manifest/1"
MANIFEST = "manifest.json"
MODEL = "model"
BILL = "sbom.cdx.json"
OCI = "oci"


class LicenceEntry(Document):
    """The licence of the model.

    Attributes:
        expression: SPDX expression of the licence.
        file: the file that states the licence, or `given` if the user stated it.
        remarks: other licences that were found, which are those of a package instead of the model.
    """

    expression: str
    file: str
    remarks: tuple[str, ...] = ()


class FolderSource(Document):
    """The model that was packaged.

    Attributes:
        name: name of the model.
        sha256: digest of the model's files: SHA-256 of the output of `sha256sum` for them, in hex.
        size: size of the model's files in bytes.
        revision: a commit or a version; null if the user named none.
    """

    name: str
    sha256: Sha256
    size: Count
    revision: str | None


class FileEntry(Document):
    """One file of the packaged model.

    Attributes:
        path: path of the file in the model's folder.
        size: size of the file in bytes.
        sha256: SHA-256 of the file in hex.
    """

    path: Inside
    size: Count
    sha256: Sha256


class Quantization(Document):
    """How a checkpoint was quantized.

    Attributes:
        scheme: name of the scheme in compressed-tensors.
        format_version: version of the compressed-tensors format that the files follow.
        layers: number of quantized layers.
        ignored: names of the linear layers that were not quantized.
        size_ratio: size of the weights divided by the size of the source's weights.
        mean_error: mean over the layers of |W - W'| / |W| in the Frobenius norm.
        worst_error: maximum over the layers of |W - W'| / |W| in the Frobenius norm.
        compute_capability: minimum CUDA compute capability of a GPU for the scheme's kernels.
    """

    scheme: Literal["FP8_DYNAMIC", "W4A16"]
    format_version: str
    layers: Count
    ignored: tuple[str, ...]
    size_ratio: Amount
    mean_error: Amount
    worst_error: Amount
    compute_capability: Amount


class Export(Document):
    """How a graph was exported.

    Attributes:
        opset: version of the ONNX operator set.
        outputs: names of the graph's outputs.
        max_length: maximum number of tokens of a text; null for a model without texts.
        parity: largest absolute difference to torch over all compared shapes.
        cases: the compared shapes, each by name of the input.
        versions: versions of the exporting libraries, by name.
    """

    opset: Positive
    outputs: tuple[str, ...]
    max_length: Positive | None
    parity: Amount
    cases: tuple[dict[str, tuple[Count, ...]], ...]
    versions: dict[str, str]


class FolderManifest(Document):
    """A folder artifact and its evidence.

    Attributes:
        schema_: version of the manifest's format.
        name: name of the artifact.
        key: SHA-256 of everything that determines the artifact: spec, source and libraries.
        target: where the model is served.
        task: what the model is for; null if the target needs no task.
        source: the model that was packaged.
        licence: the licence of the model.
        parameters: number of the model's weights; 0 if the source does not state it.
        sha256: digest of the folder: SHA-256 of the output of `sha256sum` for its files, sorted by path, in hex.
        size: size of the folder in bytes.
        files: the files of the folder.
        quantization: how the checkpoint was quantized; null if it was not.
        export: how the graph was exported; null if it was not.
        versions: versions of the libraries that wrote the artifact, by name.
    """

    schema_: Literal["scaletozero.folder-manifest/1"] = Field(default=SCHEMA, alias="schema")
    name: str
    key: Sha256
    target: Literal["gpu-vllm", "onnx-generic"]
    task: str | None
    source: FolderSource
    licence: LicenceEntry
    parameters: Count
    sha256: Sha256
    size: Positive
    files: tuple[FileEntry, ...] = Field(min_length=1)
    quantization: Quantization | None = None
    export: Export | None = None
    versions: dict[str, str]


@dataclass(frozen=True)
class FolderArtifact:
    """A packaged folder that was checked against its manifest.

    Attributes:
        path: the artifact's folder; `folder` is the model's own folder in it.
        digest: SHA-256 of the model's folder, in hex.
        manifest: its manifest.
    """

    path: Path
    folder: Path
    digest: str
    manifest: FolderManifest


def is_folder(path: Path) -> bool:
    """Whether the artifact at `path` is a folder artifact, by its manifest's schema, of any version."""
    try:
        content = manifest_json(path / MANIFEST, "the manifest must be in the artifact")
    except FindingsError:
        return False
    return isinstance(content, dict) and str(content.get("schema")).startswith(SCHEMA.rpartition("/")[0] + "/")


def open_folder(path: Path) -> FolderArtifact:
    """Opens the folder artifact at `path` and checks every byte.

    Raises:
        FindingsError: there is no manifest, or one of another schema; a file is missing, changed, truncated, a link, or
            not listed in the manifest.
    """
    manifest = _manifest(path / MANIFEST)
    listed = {entry.path: entry for entry in manifest.files}
    folder = path / MODEL
    held = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if not _folder(file)}
    rule, then, fix = "must be what the manifest lists", "another model would be served", "package it again"
    findings = [
        Finding(f"{folder}: {name}", rule, got, then, fix)
        for name in sorted(listed.keys() | held.keys())
        if (got := _difference(listed.get(name), held.get(name)))
    ]
    if findings:
        raise FindingsError(findings)
    if digest_of({entry.path: entry.sha256 for entry in manifest.files}) != manifest.sha256:
        raise refuse(
            str(path / MANIFEST), "its sha256 must be that of its files", manifest.sha256, "", "package it again"
        )
    return FolderArtifact(path, folder, manifest.sha256, manifest)


def entries(folder: Path) -> tuple[FileEntry, ...]:
    """The manifest's entries for the files in `folder`."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return tuple(
        FileEntry(path=file.relative_to(folder).as_posix(), size=file.stat().st_size, sha256=_sha256(file))
        for file in files
    )


def digest_of(sums: Mapping[str, str]) -> str:
    """The digest of a folder with these files (path -> sha256)."""
    return hashlib.sha256("".join(f"{sha}  {path}\n" for path, sha in sorted(sums.items())).encode()).hexdigest()


def _manifest(path: Path) -> FolderManifest:
    content = manifest_json(path, "the manifest must be in the artifact")
    return parse_manifest(FolderManifest, content, path)


def _folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _difference(entry: FileEntry | None, file: Path | None) -> str:
    if file is None:
        return "nothing there"
    if entry is None:
        return "a file that it does not list"
    if file.is_symlink() or not file.is_file():
        return "a link or a special file"
    if file.stat().st_size != entry.size:
        return f"{file.stat().st_size} bytes, not {entry.size}"
    return "" if _sha256(file) == entry.sha256 else "other bytes"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    print(FolderManifest.schema_text(), end="")
