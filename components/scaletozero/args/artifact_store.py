"""The arguments of `ArtifactStore`."""

from typing import NotRequired, TypedDict

import pulumi


class ArtifactStoreArgs(TypedDict):
    """The arguments of `ArtifactStore`."""

    region: str
    """AWS region of the bucket."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """ARN of the KMS key for everything in the bucket. Default: S3's own encryption (AES-256)."""
    keep_old_versions_days: NotRequired[int]
    """Days for which overwritten or deleted objects can be recovered. Default: 30. Objects that a stack itself
    deletes are deleted at once, with all their versions."""
    keep_answers_days: NotRequired[int]
    """Days after which requests and results of asynchronous endpoints are deleted. Default: never."""
    residency: NotRequired[list[str]]
    """Allowed regions. Default: any region."""
    access_log_bucket: NotRequired[pulumi.Input[str]]
    """The bucket that S3 writes the access logs to, below this bucket's name. Default: no access logs. It must be
    another bucket in the same region and account, whose policy lets the service `logging.s3` write."""
    force_destroy: NotRequired[bool]
    """Whether deleting the bucket deletes everything in it, such as requests and results of asynchronous endpoints.
    Default: false. The value of the last `up` before the deletion applies."""
    tags: NotRequired[dict[str, str]]
    """Additional tags."""
