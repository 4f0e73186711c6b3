"""Deletes what was written to a stack's buckets besides its own objects: asynchronous requests and results.

A bucket can be deleted only when it is empty, so in the sandbox `down` empties it first. In an account it is data,
kept until it expires, or until a bucket with `force_destroy` is deleted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from scaletozero.sandbox.credentials import Credentials
from scaletozero.sandbox.providers.apply import Applier
from scaletozero.sandbox.providers.clients import Clients
from scaletozero.sandbox.providers.configuration import settings_from
from scaletozero.sandbox.providers.resources import TABLE

_BUCKET, _OBJECT, _ENDPOINT = (
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketObjectv2:BucketObjectv2",
    "aws:sagemaker/endpoint:Endpoint",
)


def delete_results(aws_url: str, credentials: Credentials, resources: Iterable[Mapping[str, Any]]) -> None:
    """Deletes the objects in a stack's buckets that are not the stack's own.

    If there are any, the stack's endpoints are deleted first, because they could go on writing.

    Args:
        aws_url: the embedded AWS.
        credentials: the sandbox's.
        resources: `deployment.resources` of the exported stack.
    """
    state = [each for each in resources if each.get("id")]
    own = {(each["outputs"]["bucket"], each["id"]) for each in state if each["type"] == _OBJECT}
    clients = Clients(aws_url, credentials)
    buckets = [(clients("s3", each["outputs"].get("region")), each["id"]) for each in state if each["type"] == _BUCKET]
    if not any(_foreign(s3, bucket, own) for s3, bucket in buckets):
        return
    applier = Applier(clients, settings_from({}, clients), threading.Event())
    for each in state:
        if each["type"] == _ENDPOINT:
            applier.delete(TABLE[_ENDPOINT], each["id"], each["outputs"])
    for s3, bucket in buckets:
        found = _foreign(s3, bucket, own)
        for start in range(0, len(found), 1000):  # the maximum that S3 deletes in one call
            s3.delete_objects(Bucket=bucket, Delete={"Objects": found[start : start + 1000], "Quiet": True})


def _foreign(s3: Any, bucket: str, own: set[tuple[str, str]]) -> list[dict[str, str]]:
    """The versions of objects in a bucket that are not the stack's."""
    try:
        pages = list(s3.get_paginator("list_object_versions").paginate(Bucket=bucket))
    except s3.exceptions.NoSuchBucket:
        return []
    found = [each for page in pages for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))]
    return [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found if (bucket, each["Key"]) not in own]
