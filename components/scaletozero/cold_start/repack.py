"""An image whose layers are pushed again without compression: nodes write them to disk as they arrive.

The content is the same, byte for byte: a layer's uncompressed digest (its `diff_id`) is in the image's configuration,
which is copied as it is. Every layer is checked against both of its digests before it is pushed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from model_packaging.artifact.oci import MANIFEST_TYPE
from model_packaging.findings import refuse
from model_packaging.validation import show
from scaletozero.cold_start.blobs import CHUNK, Blobs, Received, Writable
from scaletozero.cold_start.image import ImageContent, content_of
from scaletozero.cold_start.registry import Credentials, reference_of

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG_BYTES = 8 * 2**20
"""Most bytes of a configuration that is read."""

LARGEST_LAYER_BYTES = 200 * 10**9
"""Most bytes that a layer may unpack to."""

WEIGHTS = (".safetensors", ".gguf", ".onnx", ".onnx.data", ".pt", ".pth", ".bin")
WEIGHTS_BYTES = 100 * 10**6
"""A file with such an ending and this size has weights of a model; libraries have none so large."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Repacked:
    """An image, and the same with other layers."""

    before: ImageContent
    after: ImageContent


def repack(
    source: str, target: str, credentials: Credentials = lambda host: None, say: Say = lambda _: None
) -> Repacked:
    """Pushes an image with uncompressed layers. The manifest comes last: a run that breaks off leaves no image.

    Args:
        source: the image, with its registry and a tag or a digest. An index is followed to its image for linux/amd64.
        target: the new image, with its registry and a new tag.
        credentials: for registries that do not answer without.
        say: told about each layer.

    Raises:
        FindingsError: a registry refuses; a layer is not what its digests say, is not gzip or uncompressed, or has the
            weights of a model; or the target is no tag.
        OSError: there is no room for the largest layer in the folder for temporary files.
    """
    to = reference_of(target)
    if to.version.startswith("sha256:"):
        raise refuse(target, "must have a new tag, and no digest", to.version, "the digest follows from the content")
    if source == target:
        raise refuse(target, "must be another image than the source", target, "the source would be replaced")
    origin, there = Blobs(reference_of(source), credentials), Writable(to, credentials)
    manifest, digest = origin.manifest()
    before = content_of(manifest, digest, source)
    config, diff_ids = _config(origin, manifest, len(before.layers))
    there.begin()
    layers = []
    for number, (layer, diff_id) in enumerate(zip(manifest["layers"], diff_ids, strict=True), 1):
        layers.append(_layer(origin, there, layer, diff_id))
        say(f"layer {number} of {len(diff_ids)}: {layer['size'] / 1e6:.1f} MB, unpacked {layers[-1]['size'] / 1e6:.1f}")
    content, described = config
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        there.put_blob(file, described["digest"], len(content))
    made = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": described, "layers": layers}
    if isinstance(notes := manifest.get("annotations"), Mapping):
        made["annotations"] = notes
    body = json.dumps(made, separators=(",", ":")).encode()
    there.put_manifest(body, MANIFEST_TYPE)
    return Repacked(before, content_of(made, f"sha256:{hashlib.sha256(body).hexdigest()}", target))


def _config(
    origin: Blobs, manifest: Mapping[str, Any], layers: int
) -> tuple[tuple[bytes, dict[str, Any]], Sequence[str]]:
    """The configuration with its descriptor, and the layers' uncompressed digests."""
    given = manifest.get("config")
    digest, size = (given.get("digest"), given.get("size")) if isinstance(given, Mapping) else (None, None)
    if not isinstance(digest, str) or not isinstance(size, int) or not 0 < size <= CONFIG_BYTES:
        raise origin.refused(f"must have a configuration of at most {CONFIG_BYTES:,} bytes", show(size))
    content = bytearray()
    with origin.blob(digest, size) as blob:
        while part := blob.read():
            content += part
        _same(origin, blob, "its configuration")
    try:
        diff_ids = json.loads(content)["rootfs"]["diff_ids"]
    except (ValueError, KeyError, TypeError, RecursionError):
        diff_ids = None
    if not isinstance(diff_ids, list) or len(diff_ids) != layers or not all(isinstance(each, str) for each in diff_ids):
        rule = f"its configuration must have a `diff_id` for each of its {layers} layers"
        raise origin.refused(rule, "none, or others", "the content of its layers could not be checked")
    return (bytes(content), {"mediaType": CONFIG_TYPE, "digest": digest, "size": size}), diff_ids


def _layer(origin: Blobs, there: Writable, layer: Mapping[str, Any], diff_id: str) -> dict[str, Any]:
    """Pushes one layer uncompressed, and describes it."""
    media, digest = str(layer.get("mediaType")), layer.get("digest")
    if not isinstance(digest, str):
        raise origin.refused("every layer must have a digest", show(digest))
    gzipped = media.endswith(("gzip", "gzip-compressed"))
    if not gzipped and media != LAYER_TYPE:
        rule = "its layers must be gzip or uncompressed"
        raise origin.refused(rule, media, "nothing was pushed", "zstd layers are pulled fast as they are")
    with tempfile.TemporaryFile() as file:
        with origin.blob(digest, layer["size"]) as blob:
            size, found = _unpack(origin, blob, file, gzipped=gzipped)
            _same(origin, blob, f"its layer {digest}")
        if found != diff_id:
            rule = f"the content of its layer {digest} must be what its configuration says, {diff_id}"
            raise origin.refused(rule, found, "another image would be pushed")
        _no_weights(origin, file)
        file.seek(0)
        there.put_blob(file, diff_id, size)
    return {"mediaType": LAYER_TYPE, "digest": diff_id, "size": size}


def _unpack(origin: Blobs, blob: Received, file: BinaryIO, *, gzipped: bool) -> tuple[int, str]:
    """Writes a layer's content to a file; its size and its digest."""
    digest, size = hashlib.sha256(), 0
    stream: Any = gzip.GzipFile(fileobj=blob) if gzipped else blob  # type: ignore[arg-type]
    try:
        while part := stream.read(CHUNK):
            digest.update(part)
            file.write(part)
            size += len(part)
            if size > LARGEST_LAYER_BYTES:
                raise origin.refused("a layer may have at most 200 GB", "more", "it would fill the disk")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise origin.refused("a layer that says that it is gzip must be", str(error)) from None
    return size, f"sha256:{digest.hexdigest()}"


def _same(origin: Blobs, blob: Received, what: str) -> None:
    if differs := blob.finish():
        raise origin.refused(f"{what} must be what its digest says", differs, "another image would be pushed")


def _no_weights(origin: Blobs, file: BinaryIO) -> None:
    """Refuses weights: they would be pulled with each image, and read from disk afterwards."""
    file.seek(0)
    try:
        with tarfile.open(fileobj=file) as layer:
            for member in layer:
                if member.size >= WEIGHTS_BYTES and member.name.endswith(WEIGHTS):
                    raise origin.refused(
                        "must not have the weights of a model",
                        f"{member.name}, {member.size / 1e9:.1f} GB",
                        "every node would pull them before the container starts, and again with each change",
                        "package the model: its weights are streamed from S3 to the GPU",
                    )
    except tarfile.TarError as error:
        raise origin.refused("its layers must be tar archives", str(error)) from None
