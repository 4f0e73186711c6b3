"""What asynchronous endpoints were asked and have answered, taken away with them: a bucket goes only when it is empty.

On an account nobody does this: there requests and answers are data, and stay until they expire.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from scaletozero.sandbox.credentials import Credentials
from scaletozero.sandbox.providers.clients import Clients

GONE_SECONDS = 60


def forget_answers(
    aws_url: str, credentials: Credentials, region: str, endpoints: Mapping[str, Mapping[str, Any]]
) -> None:
    """Deletes asynchronous endpoints, which could go on writing, and then what they have read and written.

    Args:
        aws_url: the embedded AWS.
        credentials: the sandbox's.
        region: where the endpoints are.
        endpoints: an environment's endpoints as `deploy()` exports them; those of other kinds are left alone.

    Raises:
        TimeoutError: an endpoint did not go.
    """
    clients = Clients(aws_url, credentials)
    sagemaker, s3 = clients("sagemaker", region), clients("s3", region)
    for about in endpoints.values():
        if not about.get("requests"):
            continue
        _delete_endpoint(sagemaker, about["name"])
        bucket, _, requests = about["requests"].removeprefix("s3://").partition("/")
        _empty(s3, bucket, requests.rpartition("/")[0] + "/")


def _delete_endpoint(sagemaker: Any, name: str) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while True:
        try:
            if sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Deleting":
                sagemaker.delete_endpoint(EndpointName=name)
        except ClientError as error:
            if "Could not find" not in error.response["Error"]["Message"]:
                raise
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} is still there after {GONE_SECONDS} s")
        time.sleep(0.1)


def _empty(s3: Any, bucket: str, prefix: str) -> None:
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if found:
                objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
                s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    except s3.exceptions.NoSuchBucket:
        return
