"""An image's size and layers, from its manifest. Pure: see `scaletozero.cold_start.registry` for who asks for it.

The documents are those of the OCI Image Specification ("Image Manifest", "Image Index") and of Docker's schema 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model_packaging.artifact.oci import INDEX_TYPE, MANIFEST_TYPE
from model_packaging.findings import refuse
from model_packaging.validation import show

MANIFESTS = (MANIFEST_TYPE, "application/vnd.docker.distribution.manifest.v2+json")
INDEXES = (INDEX_TYPE, "application/vnd.docker.distribution.manifest.list.v2+json")

MOST_LAYERS = 1000
"""Most layers of an image that is believed: overlayfs mounts 128, and builders make no more."""


@dataclass(frozen=True)
class Layer:
    """A layer: its size in the registry in bytes, and its compression (`gzip`, `zstd` or `none`)."""

    size: int
    compression: str


@dataclass(frozen=True)
class ImageContent:
    """What an image consists of.

    Attributes:
        digest: the digest of its manifest, `sha256:` and 64 hexadecimal digits.
        layers: its layers, in order.
    """

    digest: str
    layers: tuple[Layer, ...]

    @property
    def gb(self) -> float:
        """Size of all layers as they are pulled, in GB (10^9 bytes)."""
        return sum(layer.size for layer in self.layers) / 1e9

    @property
    def largest(self) -> float:
        """Share of the largest layer, which no node can pull and unpack in parallel."""
        whole = sum(layer.size for layer in self.layers)
        return max(layer.size for layer in self.layers) / whole if whole else 0.0

    @property
    def gzipped(self) -> bool:
        """Whether any layer is gzip."""
        return any(layer.compression == "gzip" for layer in self.layers)


def platform_digest(index: Mapping[str, Any], image: str, architecture: str = "amd64") -> str:
    """The digest of an index's manifest for Linux on a processor.

    Raises:
        FindingsError: it has none.
    """
    listed = index.get("manifests")
    found: list[str] = []
    for each in listed if isinstance(listed, list) else ():
        platform = each.get("platform") if isinstance(each, Mapping) else None
        if not isinstance(platform, Mapping) or not isinstance(each.get("digest"), str):
            continue
        found.append(f"{platform.get('os')}/{platform.get('architecture')}")
        if (platform.get("os"), platform.get("architecture")) == ("linux", architecture):
            return each["digest"]
    raise refuse(
        image,
        f"must have a manifest for linux/{architecture}",
        show(", ".join(found) or "none"),
        "no GPU node could run it",
        "name an image that was built for it",
    )


def content_of(manifest: Mapping[str, Any], digest: str, image: str) -> ImageContent:
    """The content of an image from its manifest.

    Raises:
        FindingsError: it has no layers, or sizes that are no sizes.
    """
    listed = manifest.get("layers")
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_LAYERS:
        got = f"{len(listed)} layers" if isinstance(listed, list) else show(listed)
        raise refuse(image, f"must be an image with 1 to {MOST_LAYERS} layers", got, "its size would not be known")
    layers = []
    for each in listed:
        size = each.get("size") if isinstance(each, Mapping) else None
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise refuse(image, "every layer must have a size of 0 bytes or more", show(size), "its size is not known")
        layers.append(Layer(size, _compression(str(each.get("mediaType")))))
    return ImageContent(digest, tuple(layers))


def _compression(media_type: str) -> str:
    if media_type.endswith(("+gzip", ".gzip")):
        return "gzip"
    return "zstd" if media_type.endswith("+zstd") else "none"
