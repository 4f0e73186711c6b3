"""Buckets, what belongs to them, and objects."""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Iterator
from typing import Any

from scaletozero.sandbox.providers.rules import at_most_one, bucket_name, policy_document
from scaletozero.sandbox.providers.shapes import Failure
from scaletozero.sandbox.providers.table import Hook, Naming, Read, ResourceType, State, Step, Tagging
from scaletozero.sandbox.providers.values import UNKNOWN, Asset

_NO_BUCKET = ("NoSuchBucket", "404")

_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def _location(state: State) -> str | None:
    """The location of a new bucket. us-east-1 must not be named."""
    return None if state["@region"] == "us-east-1" else state["@region"]


def _delete_versions(client: Any, bucket: str, prefix: str, only: str | None) -> None:
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Versions", []) + page.get("DeleteMarkers", []):
            if only in (None, item["Key"]):
                client.delete_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])


def _empty_bucket(client: Any, state: State) -> None:
    if state.get("forceDestroy"):
        _delete_versions(client, state["@id"], "", None)


def _delete_object(client: Any, state: State) -> None:
    _delete_versions(client, state["bucket"], state["key"], state["key"])


def _body(state: State) -> bytes:
    source = state.get("source")
    if isinstance(source, Asset):
        return source.read()
    if state.get("contentBase64") is not None:
        return base64.b64decode(state["contentBase64"])
    return str(state.get("content") or "").encode()


def _from_address(id_: str) -> dict[str, str]:
    """Splits the import id `s3://bucket/key`; the resource's id is the key alone."""
    bucket, _, key = id_.removeprefix("s3://").partition("/")
    return {"bucket": bucket, "key": key} if id_.startswith("s3://") and key else {}


def _tag_query(state: State) -> str | None:
    return urllib.parse.urlencode(state["tagsAll"]) if state.get("tagsAll") else None


def _a_source(state: State) -> Iterator[Failure]:
    source = state.get("source")
    if source is None or source is UNKNOWN:
        return
    if not isinstance(source, Asset) or source.is_archive:
        yield Failure("source", "must be a FileAsset, StringAsset or RemoteAsset")
        return
    try:
        source.read() if not source["path"] else open(source["path"], "rb").close()  # noqa: PTH123
    except OSError as error:
        yield Failure("source", f"cannot be read: {error}")


def _lifecycle_rules(state: State) -> Iterator[Failure]:
    rules = state.get("rules")
    actions = {
        "expiration", "transitions", "noncurrentVersionExpiration", "noncurrentVersionTransitions",
        "abortIncompleteMultipartUpload",
    }  # fmt: skip
    seen: set[str] = set()
    for index, rule in enumerate(rules if isinstance(rules, list) else []):
        if not isinstance(rule, dict):
            continue
        if not any(rule.get(action) for action in actions):
            yield Failure(f"rules[{index}]", f"must have at least one of {', '.join(sorted(actions))}")
        if rule.get("id") in seen:
            yield Failure(f"rules[{index}].id", f"must be unique, got {rule['id']!r} twice")
        if isinstance(rule.get("id"), str):
            seen.add(rule["id"])


def _part(
    name: str,
    put: str,
    get: str,
    delete: tuple[Step | Hook, ...],
    sends: dict[str, str],
    gives: dict[str, str],
    gone: tuple[str, ...],
    **more: Any,
) -> ResourceType:
    """A row for a setting of a bucket, which is written, read and deleted as a whole; its id is the bucket's name."""
    to_bucket = {
        "Bucket": "bucket",
        **({"ExpectedBucketOwner": "expectedBucketOwner"} if more.pop("owner", False) else {}),
    }
    return ResourceType(
        kind=f"aws:s3/{name[0].lower()}{name[1:]}:{name}",
        service="s3",
        id=lambda s: s["bucket"],
        from_id=lambda i: {"bucket": i.split(",")[0]},
        gone=(*_NO_BUCKET, *gone),
        create=(Step(put, to_bucket | sends),),
        reads=(Read(get, {"Bucket": "@id"}, gives),),
        update=(Step(put, to_bucket | sends, on=tuple(sends.values())),),
        delete=delete,
        **more,
    )


ROWS = (
    ResourceType(
        kind="aws:s3/bucket:Bucket",
        service="s3",
        naming=Naming("bucket", 63, prefix="bucketPrefix", lowercase=True),
        id=lambda s: s["bucket"],
        from_id=lambda i: {"bucket": i},
        gone=_NO_BUCKET,
        create=(
            Step(
                "create_bucket",
                {
                    "Bucket": "bucket",
                    "CreateBucketConfiguration.LocationConstraint": _location,
                    "ObjectLockEnabledForBucket": "objectLockEnabled",
                },
            ),
        ),
        reads=(Read("head_bucket", {"Bucket": "@id"}),),
        delete=(Hook(_empty_bucket), Step("delete_bucket", {"Bucket": "@id"})),
        defaults={"forceDestroy": False, "objectLockEnabled": False},
        local={"forceDestroy": bool},
        outputs={
            "arn": "arn:{@partition}:s3:::{bucket}",
            "bucketDomainName": "{bucket}.s3.{@suffix}",
            "bucketRegionalDomainName": "{bucket}.s3.{@region}.{@suffix}",
            "bucketRegion": "{@region}",
        },
        rules=(bucket_name(),),
        refused={
            "bucketNamespace": "leave it out; the embedded AWS has one namespace",
            "objectLockConfiguration": "leave it out; declare an aws.s3.BucketObjectLockConfiguration",
        }
        | {
            prop: f"deprecated; declare an aws.s3.{kind}"
            for prop, kind in {
                "accelerationStatus": "BucketAccelerateConfiguration",
                "acl": "BucketAcl",
                "corsRules": "BucketCorsConfiguration",
                "grants": "BucketAcl",
                "lifecycleRules": "BucketLifecycleConfiguration",
                "logging": "BucketLogging",
                "policy": "BucketPolicy",
                "replicationConfiguration": "BucketReplicationConfig",
                "requestPayer": "BucketRequestPaymentConfiguration",
                "serverSideEncryptionConfiguration": "BucketServerSideEncryptionConfiguration",
                "versioning": "BucketVersioning",
                "website": "BucketWebsiteConfiguration",
            }.items()
        },
        tagging=Tagging(
            "put_bucket_tagging",
            "delete_bucket_tagging",
            "get_bucket_tagging",
            "TagSet",
            {"Bucket": "@id"},
            at_create="",
            keys="",
            param="Tagging.TagSet",
            optional=("NoSuchTagSet",),
        ),
    ),
    _part(
        "BucketVersioning",
        "put_bucket_versioning",
        "get_bucket_versioning",
        (
            Step(
                "put_bucket_versioning",
                {"Bucket": "@id", "VersioningConfiguration.Status": lambda _: "Suspended"},
                gone=_NO_BUCKET,
            ),
        ),
        {"VersioningConfiguration": "versioningConfiguration", "MFA": "mfa"},
        {"versioningConfiguration": ""},
        (),
        owner=True,
    ),
    _part(
        "BucketServerSideEncryptionConfiguration",
        "put_bucket_encryption",
        "get_bucket_encryption",
        (Step("delete_bucket_encryption", {"Bucket": "@id"}),),
        {"ServerSideEncryptionConfiguration.Rules": "rules"},
        {"rules": "ServerSideEncryptionConfiguration.Rules"},
        ("ServerSideEncryptionConfigurationNotFoundError",),
        owner=True,
        required=("rules",),
        renames={"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"},
    ),
    _part(
        "BucketPublicAccessBlock",
        "put_public_access_block",
        "get_public_access_block",
        (Step("delete_public_access_block", {"Bucket": "@id"}),),
        {
            f"PublicAccessBlockConfiguration.{prop[0].upper()}{prop[1:]}": prop
            for prop in _BLOCKS
        },
        {
            prop: f"PublicAccessBlockConfiguration.{prop[0].upper()}{prop[1:]}"
            for prop in _BLOCKS
        },
        ("NoSuchPublicAccessBlockConfiguration",),
        local={"skipDestroy": bool},
        defaults=dict.fromkeys(_BLOCKS, False),
    ),
    _part(
        "BucketOwnershipControls",
        "put_bucket_ownership_controls",
        "get_bucket_ownership_controls",
        (Step("delete_bucket_ownership_controls", {"Bucket": "@id"}),),
        {"OwnershipControls.Rules": "rule"},
        {"rule": "OwnershipControls.Rules"},
        ("OwnershipControlsNotFoundError",),
        required=("rule",),
    ),
    _part(
        "BucketPolicy",
        "put_bucket_policy",
        "get_bucket_policy",
        (Step("delete_bucket_policy", {"Bucket": "@id"}),),
        {"Policy": "policy"},
        {"policy": "Policy"},
        ("NoSuchBucketPolicy",),
        json=frozenset({"policy"}),
        rules=(policy_document("policy", principal=True, resource=True),),
    ),
    _part(
        "BucketLifecycleConfiguration",
        "put_bucket_lifecycle_configuration",
        "get_bucket_lifecycle_configuration",
        (Step("delete_bucket_lifecycle", {"Bucket": "@id"}),),
        {
            "LifecycleConfiguration.Rules": "rules",
            "TransitionDefaultMinimumObjectSize": "transitionDefaultMinimumObjectSize",
        },
        {"rules": "Rules", "transitionDefaultMinimumObjectSize": "TransitionDefaultMinimumObjectSize"},
        ("NoSuchLifecycleConfiguration",),
        owner=True,
        required=("rules",),
        computed=frozenset({"transitionDefaultMinimumObjectSize"}),
        rules=(_lifecycle_rules,),
        refused={"timeouts": "leave it out; the embedded AWS applies changes at once"},
    ),
    ResourceType(
        kind="aws:s3/bucketLogging:BucketLogging",
        service="s3",
        id=lambda s: s["bucket"],
        from_id=lambda i: {"bucket": i.split(",")[0]},
        gone=_NO_BUCKET,
        create=(
            logging := Step(
                "put_bucket_logging",
                {
                    "Bucket": "bucket",
                    "ExpectedBucketOwner": "expectedBucketOwner",
                    "BucketLoggingStatus.LoggingEnabled.TargetBucket": "targetBucket",
                    "BucketLoggingStatus.LoggingEnabled.TargetPrefix": "targetPrefix",
                },
                on=("targetBucket", "targetPrefix"),
            ),
        ),
        update=(logging,),
        reads=(
            Read(
                "get_bucket_logging",
                {"Bucket": "@id"},
                {"targetBucket": "TargetBucket", "targetPrefix": "TargetPrefix"},
                pick=lambda answer, _: answer.get("LoggingEnabled"),
            ),
        ),
        # A bucket without logging has an empty status.
        delete=(Step("put_bucket_logging", {"Bucket": "@id", "BucketLoggingStatus": lambda _: {}}, gone=_NO_BUCKET),),
        replaces=frozenset({"bucket", "expectedBucketOwner"}),
        required=("targetBucket", "targetPrefix"),
        refused=dict.fromkeys(
            ("targetGrants", "targetObjectKeyFormat"), "leave it out in the sandbox; the toolkit's buckets need none"
        ),
    ),
    ResourceType(
        kind="aws:s3/bucketObjectv2:BucketObjectv2",
        service="s3",
        id=lambda s: s["key"],
        from_id=_from_address,
        gone=(*_NO_BUCKET, "NoSuchKey"),
        create=(
            put := Step(
                "put_object",
                {
                    "Bucket": "bucket",
                    "Key": "key",
                    "Body": _body,
                    "ACL": "acl",
                    "BucketKeyEnabled": "bucketKeyEnabled",
                    "CacheControl": "cacheControl",
                    "ChecksumAlgorithm": "checksumAlgorithm",
                    "ContentDisposition": "contentDisposition",
                    "ContentEncoding": "contentEncoding",
                    "ContentLanguage": "contentLanguage",
                    "ContentType": "contentType",
                    "Metadata": "metadata",
                    "ServerSideEncryption": "serverSideEncryption",
                    "SSEKMSKeyId": "kmsKeyId",
                    "StorageClass": "storageClass",
                    "WebsiteRedirectLocation": "websiteRedirect",
                    "Tagging": _tag_query,
                },
                on=(
                    "source", "content", "contentBase64", "sourceHash", "etag", "bucketKeyEnabled", "cacheControl",
                    "checksumAlgorithm", "contentDisposition", "contentEncoding", "contentLanguage", "contentType",
                    "metadata", "serverSideEncryption", "kmsKeyId", "storageClass", "websiteRedirect", "acl",
                ),
            ),
        ),
        update=(put,),
        reads=(
            Read(
                "head_object",
                {"Bucket": "bucket", "Key": "key", "ChecksumMode": lambda _: "ENABLED"},
                {
                    "etag": "ETag",
                    "versionId": "VersionId",
                    "contentType": "ContentType",
                    "checksumSha256": "ChecksumSHA256",
                    "checksumCrc32": "ChecksumCRC32",
                    "checksumCrc32c": "ChecksumCRC32C",
                    "checksumSha1": "ChecksumSHA1",
                    "serverSideEncryption": "ServerSideEncryption",
                    "kmsKeyId": "SSEKMSKeyId",
                    "storageClass": "StorageClass",
                    "bucketKeyEnabled": "BucketKeyEnabled",
                    "cacheControl": "CacheControl",
                    "contentEncoding": "ContentEncoding",
                    "metadata": "Metadata",
                },
            ),
        ),
        delete=(Hook(_delete_object),),
        replaces=frozenset({"bucket", "key"}),
        defaults={"forceDestroy": False},
        local={
            "forceDestroy": bool, "sourceHash": str, "source": object, "content": str, "contentBase64": str,
            "etag": str,
            "overrideProvider": dict,
        },
        computed=frozenset(
            {
                "etag", "contentType", "serverSideEncryption", "kmsKeyId", "storageClass", "bucketKeyEnabled", "acl",
                "metadata",
            }
        ),
        outputs={"arn": "arn:{@partition}:s3:::{bucket}/{key}"},
        rules=(at_most_one("source", "content", "contentBase64"), _a_source),
        refused=dict.fromkeys(
            ("objectLockLegalHoldStatus", "objectLockMode", "objectLockRetainUntilDate"),
            "leave it out; the sandbox has no object lock",
        ),
        tagging=Tagging(
            "put_object_tagging",
            "delete_object_tagging",
            "get_object_tagging",
            "TagSet",
            {"Bucket": "bucket", "Key": "key"},
            at_create="",
            keys="",
            param="Tagging.TagSet",
        ),
    ),
)  # fmt: skip
