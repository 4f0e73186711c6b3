"""Images that pods run, with their registry and pinned."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from model_packaging.validation import Text, reject
from scaletozero.partitions import ECR_HOST, is_own_domain
from scaletozero.settings.images import TAG_AND_DIGEST

_IMAGE = re.compile(
    r"(?P<registry>[a-z0-9.-]+\.[a-z]+(?::\d+)?)/(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    rf"{TAG_AND_DIGEST}"
)
_ECR = re.compile(ECR_HOST)


def _image(value: str) -> str:
    match = _IMAGE.fullmatch(value)
    if not match:
        reject(
            "must be an image with its registry, and a tag or a digest",
            "the registry of an image without one depends on the configuration of each node",
            "write `<registry>/<repository>@sha256:<digest>`",
        )
    if not (match["tag"] or match["digest"]) or (match["tag"] == "latest" and not match["digest"]):
        reject(
            "must be pinned by a digest or an exact tag",
            "a replica that starts later could run another image",
            f"write `{value.removesuffix(':latest')}@sha256:<digest>`",
        )
    return value


Image = Annotated[Text, AfterValidator(_image)]
"""A pinned image with its registry."""


def image_region(image: str) -> str | None:
    """The region of an image in Amazon ECR; None for any other registry."""
    match = _ECR.fullmatch(image.partition("/")[0])
    return match["region"] if match and is_own_domain(match["region"], match["domain"]) else None
