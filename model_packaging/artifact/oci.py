"""A model as an OCI image layout with the media types of CNCF ModelPack: one raw layer per file, no registry needed.

`oras cp --from-oci-layout` copies it to a registry. The same files give the same digests.
Specifications: https://github.com/opencontainers/image-spec/blob/main/image-layout.md and
https://github.com/modelpack/model-spec/blob/main/docs/spec.md
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.magic import RUNS_CODE, sniff_file

_LAYOUT = "oci-layout"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
ARTIFACT_TYPE = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_TYPE = "application/vnd.cncf.model.config.v1+json"
FILEPATH = "org.cncf.model.filepath"
TAG = "org.opencontainers.image.ref.name"

_LAYER_TYPES = (
    ("weight", ("*.safetensors", "*.onnx", "*.onnx.data", "*.gguf")),
    ("code", ("*.py",)),
    ("doc", ("README*", "*.md", "LICENSE*", "LICENCE*", "NOTICE*", "COPYING*")),
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MANIFEST_BYTES = 4 * 2**20
"""The size up to which registries must accept a manifest (distribution specification)."""


@dataclass(frozen=True)
class Description:
    """The content of the model's configuration; empty fields are omitted.

    Attributes:
        name, version, revision, source_url, architecture, family: as the publisher states them.
        licences: SPDX expressions.
        model_format: `onnx`, `safetensors`, ...
        parameters: number of parameters.
        precision: numeric types, comma-separated, such as `bfloat16,float8_e4m3`.
        quantization: the scheme or recipe.
        inputs, outputs: any of `text`, `image`, `audio`, `video`, `embedding`, `other`.
    """

    name: str
    version: str = ""
    revision: str = ""
    source_url: str = ""
    architecture: str = ""
    family: str = ""
    licences: tuple[str, ...] = ()
    model_format: str = ""
    parameters: int = 0
    precision: str = ""
    quantization: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """A checked layout: the manifest's digest (`sha256:...`), its configuration, and each file's blob by its path."""

    digest: str
    config: Mapping[str, Any]
    files: Mapping[str, Path]


def write(files: Mapping[str, Path], description: Description, target: Path, tag: str = "latest") -> str:
    """Writes `files` (path in the model -> local file) as the new layout folder `target`. Returns its manifest's
    digest.

    The folder appears only when it is complete.

    Raises:
        FindingsError: there is no file, a path leaves the model, a file is missing or would run code on load, or
            `target` exists.
        OSError: the disk is full.
    """
    if findings := [finding for path, file in files.items() if (finding := _fault(path, file))]:
        raise FindingsError(findings)
    if not files:
        raise refuse(str(target), "an image needs a file", "none")
    if target.exists():
        raise refuse(
            str(target), "must not exist yet", "a folder or file", "old blobs would be mixed with the new ones"
        )
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    blobs = partial / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layers = [_layer(blobs, path, file) for path, file in sorted(files.items())]
    config = _config(description, [layer["digest"] for layer in layers])
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": _put_json(blobs, config, CONFIG_TYPE),
        "layers": layers,
    }
    entry = _put_json(blobs, manifest, MANIFEST_TYPE) | {"artifactType": ARTIFACT_TYPE, "annotations": {TAG: tag}}
    (partial / "index.json").write_bytes(_json({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]}))
    (partial / _LAYOUT).write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    partial.rename(target)
    return str(entry["digest"])


def clear(layout: Path) -> None:
    """Removes the layout of an earlier run, if there is one.

    Raises:
        FindingsError: there is something else than a layout.
    """
    if layout.exists():
        if not (layout / _LAYOUT).is_file():
            what = "something else" if layout.is_dir() else "a file"
            raise refuse(str(layout), "must be an OCI layout or not exist", what, "it would be lost", "move it away")
        shutil.rmtree(layout)


def read(layout: Path) -> Layout:
    """Reads a layout and checks every digest, size and path in it.

    Raises:
        FindingsError: it is not a layout with one ModelPack manifest, a blob is missing, truncated or changed, the
            configuration names other layers, a path leaves the model or occurs twice, or a blob is not referenced.
    """
    index = _object(layout / "index.json")
    entries = index.get("manifests")
    if not isinstance(entries, list) or len(entries) != 1 or entries[0].get("mediaType") != MANIFEST_TYPE:
        raise refuse(str(layout), "must contain one image manifest", entries)
    manifest = _object(_blob(layout, entries[0]))
    if manifest.get("artifactType") != ARTIFACT_TYPE or manifest.get("config", {}).get("mediaType") != CONFIG_TYPE:
        raise refuse(str(layout), f"must be a ModelPack artifact ({ARTIFACT_TYPE})", manifest.get("artifactType"))
    config = _object(_blob(layout, manifest["config"]))
    layers = manifest.get("layers") or []
    if config.get("modelfs") != {"type": "layers", "diffIds": [layer.get("digest") for layer in layers]}:
        raise refuse(str(layout), "the configuration must name the layers of the manifest", config.get("modelfs"))
    files: dict[str, Path] = {}
    for layer in layers:
        path = str(layer.get("annotations", {}).get(FILEPATH, ""))
        if not _stays_inside(path) or path in files:
            raise refuse(str(layout), "a layer must name its own path inside the model", path or "none")
        files[path] = _blob(layout, layer)
    used = {entries[0]["digest"], manifest["config"]["digest"], *(layer["digest"] for layer in layers)}
    held = {f"sha256:{blob.name}" for blob in (layout / "blobs" / "sha256").iterdir()}
    if held != used:
        raise refuse(str(layout), "a blob must belong to the manifest", ", ".join(sorted(held - used)))
    return Layout(entries[0]["digest"], config, files)


def _fault(path: str, file: Path) -> Finding | None:
    if not _stays_inside(path):
        return Finding(path, "must be a relative path inside the model", path)
    if not file.is_file():
        return Finding(path, "must be a file", f"nothing at {file}")
    kind = sniff_file(file)
    return Finding(path, "must not contain code", kind, RUNS_CODE[kind], "leave it out") if kind in RUNS_CODE else None


def _stays_inside(path: str) -> bool:
    parts = path.split("/")
    return "\\" not in path and "\0" not in path and all(part not in ("", ".", "..") for part in parts)


def _layer(blobs: Path, path: str, file: Path) -> dict[str, Any]:
    name = path.rpartition("/")[2]
    kind = next((kind for kind, names in _LAYER_TYPES if any(fnmatch(name, each) for each in names)), "weight.config")
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    shutil.copyfile(file, blobs / digest)
    size = (blobs / digest).stat().st_size
    described = _descriptor(f"application/vnd.cncf.model.{kind}.v1.raw", digest, size)
    return described | {"annotations": {FILEPATH: path}}


def _config(description: Description, digests: list[str]) -> dict[str, Any]:
    def filled(**values: Any) -> dict[str, Any]:
        return {key: value for key, value in values.items() if value}

    about, count = description, description.parameters
    scale, letter = next(
        (step for step in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")) if count >= step[0]), (1, "")
    )
    return {
        "descriptor": filled(
            name=about.name,
            version=about.version,
            revision=about.revision,
            sourceURL=about.source_url,
            family=about.family,
            licenses=list(about.licences),
        ),
        "config": filled(
            architecture=about.architecture,
            format=about.model_format,
            paramSize=f"{count / scale:.1f}{letter}" if letter else "",
            precision=about.precision,
            quantization=about.quantization,
            capabilities=filled(inputTypes=list(about.inputs), outputTypes=list(about.outputs)),
        ),
        "modelfs": {"type": "layers", "diffIds": digests},
    }


def _put_json(blobs: Path, content: Mapping[str, Any], media_type: str) -> dict[str, Any]:
    encoded = _json(content)
    digest = hashlib.sha256(encoded).hexdigest()
    (blobs / digest).write_bytes(encoded)
    return _descriptor(media_type, digest, len(encoded))


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _blob(layout: Path, descriptor: Any) -> Path:
    digest = str(descriptor.get("digest")) if isinstance(descriptor, dict) else ""
    if not _DIGEST.fullmatch(digest):
        raise refuse(str(layout), "a descriptor must have a sha256 digest", descriptor)
    path = layout / "blobs" / "sha256" / digest.removeprefix("sha256:")
    if path.is_symlink() or not path.is_file():
        raise refuse(str(path), "the blob must be there, a file", "a link" if path.is_symlink() else "nothing")
    if path.stat().st_size != descriptor.get("size"):
        raise refuse(
            str(path), f"must have {descriptor.get('size')} bytes", path.stat().st_size, "it was truncated or changed"
        )
    with path.open("rb") as content:
        if (found := hashlib.file_digest(content, "sha256").hexdigest()) != path.name:
            raise refuse(str(path), "its content must match its name", f"sha256 {found}", "it was changed")
    return path


def _object(path: Path) -> dict[str, Any]:
    if not path.is_file() or path.stat().st_size > MANIFEST_BYTES:
        raise refuse(
            str(path),
            f"must be a JSON file of at most {MANIFEST_BYTES} bytes",
            "none" if not path.is_file() else "more",
        )
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise refuse(str(path), "must be JSON", error) from error
    if not isinstance(content, dict):
        raise refuse(str(path), "must be a JSON object", type(content).__name__)
    return content
