"""The arguments of `ArtifactStore`."""

from typing import NotRequired, TypedDict

import pulumi


class ArtifactStoreArgs(TypedDict):
    """The arguments of `ArtifactStore`."""

    region: str
    """The AWS region of the bucket."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key for everything in the bucket; S3's own encryption (AES-256) unless given."""
    keep_old_versions_days: NotRequired[int]
    """How long what others overwrite or delete stays recoverable, in days; 30 unless given. What a stack itself takes
    away is gone at once."""
    keep_answers_days: NotRequired[int]
    """How long requests and answers of asynchronous endpoints stay, in days; for ever unless given."""
    residency: NotRequired[list[str]]
    """The regions that it may be in; any unless given."""
    access_log_bucket: NotRequired[pulumi.Input[str]]
    """The bucket that S3 writes the access logs to, below this bucket's name; default: none are written. It is another
    one, in the same region and account, and its policy lets the service `logging.s3` write."""
    tags: NotRequired[dict[str, str]]
    """Further tags."""
