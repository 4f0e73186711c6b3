"""The arguments of `ServingImage`."""

from typing import NotRequired, TypedDict

import pulumi


class ServingImageArgs(TypedDict):
    """The arguments of `ServingImage`."""

    region: str
    """AWS region of the registry, which must be that of the endpoints."""
    build: NotRequired[bool]
    """Whether the serving image of CPU endpoints is built and pushed, which needs a Docker engine. Default: false."""
    keep_untagged_days: NotRequired[int]
    """Days after which images without a tag are deleted. Default: 30."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """ARN of the KMS key for the images. Default: ECR's own encryption (AES-256)."""
    residency: NotRequired[list[str]]
    """Regions that it may be in. Default: any region."""
    tags: NotRequired[dict[str, str]]
    """Additional tags."""
