"""Settings that more than one component takes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Int, Later, Settings, Text, may_be_later, reject
from scaletozero.partitions import arn_prefix
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import within

OWN_TAGS = ("managed-by", "stack", "endpoint")
"""The keys of the tags that components set themselves."""

RESULT_DAYS = 7
"""Default days for which an environment with asynchronous endpoints keeps requests and results."""

_TAG = re.compile(r"[\w .:/=+\-@]*")
_KMS_KEY = re.compile(r"arn:aws(?:-[a-z]+)*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]{1,64}")


def _tags(tags: dict[str, str]) -> dict[str, str]:
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or not _TAG.fullmatch(key) or key.lower().startswith("aws:"):
            rule = "must have 1 to 128 letters, digits, spaces or any of `_.:/=+-@`, and not begin with `aws:`"
            reject(f"the key of a tag {rule}", "AWS would refuse the resource", at=key)
        if len(value) > 256 or not _TAG.fullmatch(value):
            rule = "must have at most 256 letters, digits, spaces or any of `_.:/=+-@`"
            reject(f"the value of a tag {rule}", "AWS would refuse the resource", at=key)
    own = {each.lower(): each for each in OWN_TAGS}
    for key in tags:
        if own.setdefault(key.lower(), key) != key:
            rule = f"must differ from `{own[key.lower()]}` by more than upper and lower case"
            reject(f"the key of a tag {rule}", "IAM would refuse the role, half way through", at=key)
    if len(tags) > 40:
        reject("may be at most 40", "AWS allows 50 tags per resource, some of which the components set themselves")
    return tags


Tags = Annotated[dict[str, str], AfterValidator(_tags)]
"""Tags of an AWS resource."""


def _kms_key(value: str) -> str:
    if not _KMS_KEY.fullmatch(value):
        reject(
            "must be the ARN of a KMS key",
            "an alias can be moved to another key, and a policy cannot name it",
            "write `arn:<partition>:kms:<region>:<account>:key/<id>`",
        )
    return value


KmsKeyArn = Annotated[Text, AfterValidator(_kms_key), may_be_later]
"""The ARN of a KMS key."""


def _days(value: int) -> int:
    if not 1 <= value <= 3650:
        reject("must be from 1 to 3650 days", fix="write 30")
    return value


Days = Annotated[Int, AfterValidator(_days)]
"""A number of days for which something is kept."""


LOG_RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""The retention periods of CloudWatch Logs, in days (API reference, PutRetentionPolicy)."""


def _retention(value: int) -> int:
    if value not in LOG_RETENTION_DAYS:
        longer = next((days for days in LOG_RETENTION_DAYS if days > value), LOG_RETENTION_DAYS[-1])
        days = ", ".join(map(str, LOG_RETENTION_DAYS))
        reject(f"must be one of {days} days", "CloudWatch Logs would refuse the log group", f"write {longer}")
    return value


LogRetentionDays = Annotated[Int, AfterValidator(_retention)]
"""Days for which logs are kept."""


_ENDPOINT = re.compile(r"[A-Za-z0-9](?:-*[A-Za-z0-9]){0,62}")


def _endpoint_name(value: str) -> str:
    if not _ENDPOINT.fullmatch(value):
        reject(
            "must have 1 to 63 letters, digits and hyphens, with a letter or digit at both ends",
            "SageMaker would refuse it",
            "write a name such as `sentences`, not an ARN",
        )
    return value


OwnEndpointName = Annotated[Text, AfterValidator(_endpoint_name)]
"""The name of an endpoint at SageMaker (API reference, CreateEndpoint), if it decides which resources exist."""

EndpointName = Annotated[OwnEndpointName, may_be_later]
"""The name of an endpoint, which can be an output of another resource."""


ENDPOINT_ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:endpoint/(?P<name>[A-Za-z0-9-]{1,63})")
"""The ARN of an endpoint."""


def _endpoint_arn(value: str) -> str:
    if not ENDPOINT_ARN.fullmatch(value):
        reject(
            "must be the ARN of a SageMaker endpoint",
            "the function would not be allowed to call it",
            "write `arn:<partition>:sagemaker:<region>:<account>:endpoint/<name>`, or the endpoint's `endpoint_arn`",
        )
    return value


EndpointArn = Annotated[Text, AfterValidator(_endpoint_arn), may_be_later]
"""The ARN of an endpoint, which can be an output of another resource."""


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def bucket_name(value: str) -> str:
    """The name of a bucket. Rejects invalid names."""
    if not _BUCKET.fullmatch(value):
        reject(
            "must be the name of an S3 bucket: 3 to 63 lower-case letters, digits, dots and hyphens",
            "S3 would refuse it",
            "write the name alone, without `s3://` or an ARN",
        )
    return value


BucketName = Annotated[Text, AfterValidator(bucket_name), may_be_later]
"""The name of an S3 bucket."""


class ArtifactStoreOptions(Settings):
    """The settings of the bucket that holds the packaged models.

    Attributes:
        kms_key_arn: the KMS key for everything in it. Default: S3's own encryption (AES-256).
        keep_old_versions_days: days for which overwritten or deleted objects can be recovered. Objects that a stack
            itself deletes are deleted at once.
        keep_answers_days: days after which requests and results of asynchronous endpoints are deleted. Default: never;
            7 in an environment that has such endpoints.
        access_log_bucket: the bucket that S3 writes the access logs to. Default: no access logs.
        force_destroy: whether deleting the bucket deletes everything in it, such as the results of asynchronous
            endpoints.
    """

    kms_key_arn: KmsKeyArn | None = None
    keep_old_versions_days: Days = 30
    keep_answers_days: Days | None = None
    access_log_bucket: BucketName | None = None
    force_destroy: bool = False


class ArtifactStoreSettings(ArtifactStoreOptions):
    """The settings of `ArtifactStoreArgs`.

    Attributes:
        region: the AWS region of the bucket.
        residency: the allowed regions. Default: any region.
        tags: additional tags.
    """

    region: Region
    residency: tuple[Region, ...] = ()
    tags: Tags = Field(default_factory=dict)

    def conflicts(self) -> Iterable[Finding]:
        yield from key_conflicts(self.kms_key_arn, self.region)
        yield from within(self.residency, self.region, "region")


def key_conflicts(key: str | Later | None, region: str, path: str = "kms_key_arn") -> list[Finding]:
    """Findings on a KMS key of another region or partition, which S3 cannot use."""
    match = _KMS_KEY.fullmatch(key) if isinstance(key, str) else None
    begins = arn_prefix("kms", region)
    if not match or match.string.startswith(begins):
        return []
    fix = f"write an ARN that begins with `{begins}`"
    return [Finding(path, f"must be a key in {region}", match.string, "S3 would refuse every upload", fix)]
