"""The arguments of `ServingImage`."""

from typing import NotRequired, TypedDict

import pulumi


class ServingImageArgs(TypedDict):
    """The arguments of `ServingImage`."""

    region: str
    """The AWS region of the registry: that of the endpoints."""
    build: NotRequired[bool]
    """Whether the serving image of CPU endpoints is built and pushed; it needs a Docker engine. False unless given."""
    keep_untagged_days: NotRequired[int]
    """How long images that have no tag any more stay, in days; 30 unless given."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key for the images; ECR's own encryption (AES-256) unless given."""
    tags: NotRequired[dict[str, str]]
    """Further tags."""
