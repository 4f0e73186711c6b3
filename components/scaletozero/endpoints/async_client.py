"""The caller's side of an asynchronous endpoint: `submit()` a request, wait for its `result()`."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from model_packaging.findings import refuse
from model_packaging.serving.limits import ASYNC_REQUEST_BYTES as MAX_BYTES
from model_packaging.serving.limits import ASYNC_SECONDS as MAX_SECONDS

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0
"""Seconds between two checks for a result: the first interval, and the longest."""


class ModelError(RuntimeError):
    """The endpoint could not process a request; the message is the model's."""


@dataclass(frozen=True)
class Submitted:
    """A submitted request. It can be stored, and its result can be fetched from another process.

    Attributes:
        inference_id: SageMaker's identifier of the request.
        answer, failure: the s3:// addresses of the result and of the failure, one of which will exist.
    """

    inference_id: str
    answer: str
    failure: str


@dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Attributes:
        at: when it was written, by the clock of S3.
        failed: the model's reason; empty if there is a result.
    """

    at: datetime
    failed: str = ""


def submit(
    endpoint_name: str,
    body: bytes,
    *,
    requests: str,
    content_type: str = "application/json",
    seconds: int = MAX_SECONDS,
    s3: Any = None,
    runtime: Any = None,
) -> Submitted:
    """Uploads a request and submits it to an asynchronous endpoint.

    The caller needs `s3:PutObject` below `requests`, `s3:GetObject` below its siblings, `s3:ListBucket` on the bucket
    (without which S3 denies access to a result that does not exist yet), and `sagemaker:InvokeEndpointAsync` on the
    endpoint.

    Args:
        endpoint_name: the name of the endpoint.
        body: the request body.
        requests: the s3:// address below which requests are put: `AsyncEndpoint.requests`.
        content_type: the content type of the request.
        seconds: how long the request may run, at most 3600.
        s3, runtime: boto3 clients of S3 and of the SageMaker Runtime. Default: new clients.

    Raises:
        FindingsError: the request is larger than the service allows, or an argument is out of its range.
        botocore.exceptions.ClientError: a service refused the call.
    """
    if len(body) > MAX_BYTES:
        why = "SageMaker would refuse it after the upload"
        raise refuse("body", f"may have at most {MAX_BYTES} bytes", len(body), why, "split it")
    if not 1 <= seconds <= MAX_SECONDS:
        raise refuse("seconds", f"must be from 1 to {MAX_SECONDS}", seconds, "SageMaker would refuse it")
    bucket, prefix = _address(requests)
    key = f"{prefix}/{uuid.uuid4().hex}".lstrip("/")
    _client("s3", s3).put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)
    response = _client("sagemaker-runtime", runtime).invoke_endpoint_async(
        EndpointName=endpoint_name,
        InputLocation=f"s3://{bucket}/{key}",
        ContentType=content_type,
        InvocationTimeoutSeconds=seconds,
    )
    return Submitted(response["InferenceId"], response["OutputLocation"], response["FailureLocation"])


def result(
    submitted: Submitted,
    *,
    timeout: float = MAX_SECONDS,
    s3: Any = None,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> bytes:
    """Waits for a result, checking for it less and less often.

    Args:
        submitted: the return value of `submit()`.
        timeout: seconds to wait. A later result is not lost: the same call can be repeated.
        s3: a boto3 client of S3. Default: a new client.
        sleep, clock: the functions with which it waits.

    Raises:
        ModelError: the model failed; the message is the model's.
        TimeoutError: there is no result within `timeout`.
        botocore.exceptions.ClientError: S3 refused the call.
    """
    client, deadline, pause = _client("s3", s3), clock() + timeout, FIRST_PAUSE
    while True:
        if (answer := ready(submitted, client)) is not None:
            return answer
        left = deadline - clock()
        if left <= 0:
            raise TimeoutError(f"{submitted.inference_id} has no result after {timeout:g} s")
        # Callers that began at the same time should not keep checking at the same time.
        sleep(min(left, pause * random.uniform(0.8, 1.2)))  # noqa: S311
        pause = min(LONGEST_PAUSE, pause * 1.6)


def outcome(submitted: Submitted, *, s3: Any = None) -> Outcome | None:
    """What became of a request so far, without its result; None while there is none.

    Args:
        submitted: the return value of `submit()`.
        s3: a boto3 client of S3. Default: a new client.

    Raises:
        botocore.exceptions.ClientError: S3 refused the call.
    """
    client = _client("s3", s3)
    if (found := _object(client, submitted.answer)) is not None:
        found["Body"].close()
        return Outcome(found["LastModified"])
    if (found := _object(client, submitted.failure)) is not None:
        return Outcome(found["LastModified"], _reason(found["Body"].read()))
    return None


def ready(submitted: Submitted, s3: Any = None) -> bytes | None:
    """A result, if it is there already.

    Args:
        submitted: the return value of `submit()`.
        s3: a boto3 client of S3. Default: a new client.

    Raises:
        ModelError: the model failed; the message is the model's.
        botocore.exceptions.ClientError: S3 refused the call.
    """
    client = _client("s3", s3)
    if (answer := _get(client, submitted.answer)) is not None:
        return answer
    if (failure := _get(client, submitted.failure)) is not None:
        raise ModelError(_reason(failure))
    return None


def _client(service: str, given: Any) -> Any:
    if given is not None:
        return given
    import boto3

    return boto3.client(service)


def _get(s3: Any, address: str) -> bytes | None:
    found = _object(s3, address)
    return None if found is None else found["Body"].read()


def _object(s3: Any, address: str) -> Any:
    bucket, key = _address(address)
    try:
        return s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return None


def _reason(failure: bytes) -> str:
    return failure.decode(errors="replace").strip() or "the endpoint gave no reason"


def _address(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise refuse("address", "must be an s3:// address", url, fix="give `AsyncEndpoint.requests`")
    return bucket, key.rstrip("/")
