"""The bucket that holds an environment's packaged models."""

import json

import pulumi
import pulumi_aws as aws

from scaletozero.args.artifact_store import ArtifactStoreArgs
from scaletozero.component import Component, validated
from scaletozero.settings.common import ArtifactStoreSettings
from scaletozero.settings.names import MODELS

ANSWERS = "async"
"""The prefix of the requests and results of asynchronous endpoints: `async/<name>/requests`, `answers`,
`failures`."""

UNFINISHED_DAYS = 7
"""How long the parts of an unfinished upload are kept: they cost as much as objects, and are not listed."""


class ArtifactStore(Component):
    """A private, versioned, encrypted bucket, reachable through TLS only.

    A bucket that still contains other objects (published models, requests and results of asynchronous endpoints) is not
    deleted, unless `force_destroy` is set.

    The bucket itself is the attribute `bucket_resource`.

    Raises:
        FindingsError: an argument is invalid. Nothing is declared.
    """

    type_name = "scaletozero:index:ArtifactStore"

    bucket: pulumi.Output[str]
    """The bucket's name."""
    arn: pulumi.Output[str]
    """The bucket's ARN."""

    def __init__(self, name: str, args: ArtifactStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, inputs = validated(
            ArtifactStoreSettings, args, name=name, inputs=["kms_key_arn", "access_log_bucket"]
        )
        super().__init__(name, opts, region=settings.region, tags=settings.tags)
        region = settings.region

        bucket = aws.s3.Bucket(
            self.child(limit=63),
            region=region,
            force_destroy=settings.force_destroy or None,
            tags=self._tags,
            opts=self.options(),
        )
        private = aws.s3.BucketPublicAccessBlock(
            self.child("private"),
            region=region,
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.options(),
        )
        aws.s3.BucketOwnershipControls(
            self.child("ownership"),
            region=region,
            bucket=bucket.bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=self.options(),
        )
        versioning = aws.s3.BucketVersioning(
            self.child("versioning"),
            region=region,
            bucket=bucket.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=self.options(),
        )
        with_key = settings.kms_key_arn is not None
        encryption = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="aws:kms" if with_key else "AES256",
            kms_master_key_id=inputs["kms_key_arn"] if with_key else None,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            self.child("encryption"),
            region=region,
            bucket=bucket.bucket,
            # A bucket key spares a KMS call per object.
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=encryption, bucket_key_enabled=with_key
                )
            ],
            opts=self.options(),
        )
        aws.s3.BucketLifecycleConfiguration(
            self.child("lifecycle"),
            region=region,
            bucket=bucket.bucket,
            rules=[
                {
                    "id": "old-versions",
                    "status": "Enabled",
                    "filter": {"prefix": f"{MODELS}/"},
                    "noncurrent_version_expiration": {"noncurrent_days": settings.keep_old_versions_days},
                },
                {
                    "id": "unfinished-uploads",
                    "status": "Enabled",
                    # For the whole bucket: packaging, `publish` and the callers of asynchronous endpoints write to it.
                    "filter": {"prefix": ""},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": UNFINISHED_DAYS},
                },
                *_answers_rule(settings.keep_answers_days),
            ],
            # S3 accepts a rule about old versions only once versioning is enabled.
            opts=self.options(depends_on=[versioning]),
        )
        aws.s3.BucketPolicy(
            self.child("tls-only"),
            region=region,
            bucket=bucket.bucket,
            policy=bucket.arn.apply(tls_only_policy),
            # S3 refuses two changes of a bucket's access rules at the same time.
            opts=self.options(depends_on=[private]),
        )

        if settings.access_log_bucket is not None:
            aws.s3.BucketLogging(
                self.child("access-logs"),
                region=region,
                bucket=bucket.bucket,
                target_bucket=inputs["access_log_bucket"],
                target_prefix=pulumi.Output.format("{0}/", bucket.bucket),
                opts=self.options(),
            )

        # Objects wait for versioning: deleting an object that was written before it would leave a marker.
        self.bucket = versioning.bucket
        self.arn = bucket.arn
        # Not annotated in the class, because the plugin takes every annotation of a component for an output.
        self.bucket_resource = bucket
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})


def _answers_rule(days: int | None) -> list[aws.s3.BucketLifecycleConfigurationRuleArgsDict]:
    if days is None:
        return []
    return [
        {
            "id": "answers",
            "status": "Enabled",
            "filter": {"prefix": f"{ANSWERS}/"},
            "expiration": {"days": days},
            "noncurrent_version_expiration": {"noncurrent_days": 1},
        }
    ]


def tls_only_policy(bucket_arn: str) -> str:
    """The bucket policy that denies every request made without TLS."""
    statement = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
