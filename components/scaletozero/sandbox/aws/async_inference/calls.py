"""InvokeEndpointAsync without side effects: parses a call, names its result, and words its notification.

Members, headers and limits are those of botocore's model of the SageMaker Runtime. Names of objects and messages are
those that the service uses (the developer guide's page on asynchronous inference shows both).
"""

from __future__ import annotations

import functools
import urllib.parse
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import botocore.session

from scaletozero.sandbox.aws.middleware import AwsError
from scaletozero.sandbox.aws.runtime.deployment import AsyncOutput
from scaletozero.sandbox.providers.shapes import compiled

TTL_SECONDS = 21_600
"""Default and maximum of how long a request may wait (API reference)."""

TIMEOUT_SECONDS = 900
"""Default of how long a request may run (API reference)."""

MAX_INLINE_BYTES = 128_000
"""Maximum size of a request that is sent in the call itself (`BodyBlob` of this operation)."""

MAX_BYTES = 1024**3
"""Maximum size of a request or a result in S3 (the developer guide's page on asynchronous inference)."""


@dataclass(frozen=True)
class AsyncCall:
    """An accepted request.

    Attributes:
        endpoint, region: where it is sent.
        inference_id: given by the caller, or random.
        source: the s3:// address of the request; None if `body` is the request.
        headers: the headers that the container receives.
        output, failure: the s3:// addresses of the result and the failure, one of which will exist; failure is None if
            the endpoint writes none.
        received: seconds since the epoch.
        ttl, timeout: seconds that it may wait, and run.
    """

    endpoint: str
    region: str
    inference_id: str
    source: str | None
    body: bytes | None
    headers: Mapping[str, str]
    output: str
    failure: str | None
    received: float
    ttl: int = TTL_SECONDS
    timeout: int = TIMEOUT_SECONDS

    def expired(self, now: float) -> bool:
        """Whether its waiting time has expired."""
        return now - self.received > self.ttl


@dataclass(frozen=True)
class Outcome:
    """The outcome of a request.

    Attributes:
        status: `Completed`, `Failed` or `Expired`.
        body, content_type: the result, or the failure that is written instead.
        reason: why it failed; empty if it did not.
    """

    status: str
    body: bytes
    content_type: str = "text/plain"
    reason: str = ""


@functools.cache
def _members() -> Mapping[str, Any]:
    model: Any = botocore.session.get_session().get_service_model("sagemaker-runtime")
    return model.operation_model("InvokeEndpointAsync").input_shape.members


def parameters(environ: Mapping[str, Any]) -> dict[str, str]:
    """The operation's parameters that were sent as headers, by their API names, from a WSGI environment."""
    found: dict[str, str] = {}
    for name, shape in _members().items():
        if shape.serialization.get("location") == "header":
            key = "HTTP_" + shape.serialization["name"].upper().replace("-", "_")
            if key in environ:
                found[name] = environ[key]
    return found


def accept(
    given: Mapping[str, str],
    body: bytes,
    *,
    endpoint: str,
    region: str,
    output: AsyncOutput,
    now: float,
    fresh: str | None = None,
) -> AsyncCall:
    """Validates a call.

    Args:
        given: the parameters, as `parameters()` reads them.
        body: the request itself; empty if it is in S3.
        output: the endpoint's settings.
        now: seconds since the epoch.
        fresh: a unique name for the result. Default: a random one.

    Raises:
        AwsError: ValidationError, with every constraint that the call breaks.
    """
    failures = [each for name, value in given.items() for each in _failures(name, value)]
    if len(body) > MAX_INLINE_BYTES:
        failures.append(_failure("body", None, f"Member must have length less than or equal to {MAX_INLINE_BYTES}"))
    if failures:
        count = f"{len(failures)} validation error{'s' if len(failures) > 1 else ''} detected"
        raise AwsError("ValidationError", f"{count}: {'; '.join(failures)}")
    source = given.get("InputLocation")
    if bool(source) == bool(body):
        raise AwsError("ValidationError", "Exactly one of InputLocation and Body must be provided.")
    if source and not object_at(source)[1]:
        raise AwsError("ValidationError", f"InputLocation {source} is not the address of an object.")
    fresh = fresh or str(uuid.uuid4())
    inference_id = given.get("InferenceId") or str(uuid.uuid4())
    result, failure = locations(output, fresh, given.get("S3OutputPathExtension"), given.get("Filename"))
    headers = {
        "Content-Type": given.get("ContentType"),
        "Accept": given.get("Accept"),
        "X-Amzn-SageMaker-Custom-Attributes": given.get("CustomAttributes"),
        "X-Amzn-SageMaker-Inference-Id": inference_id,
    }
    return AsyncCall(
        endpoint=endpoint,
        region=region,
        inference_id=inference_id,
        source=source,
        body=body or None,
        headers={name: value for name, value in headers.items() if value},
        output=result,
        failure=failure,
        received=now,
        ttl=int(given.get("RequestTTLSeconds") or TTL_SECONDS),
        timeout=int(given.get("InvocationTimeoutSeconds") or TIMEOUT_SECONDS),
    )


def _failures(name: str, value: str) -> Iterator[str]:
    """The constraints of the service model that a parameter breaks, in the service's words."""
    shape, member = _members()[name], name[0].lower() + name[1:]
    low, high, pattern = (shape.metadata.get(key) for key in ("min", "max", "pattern"))
    whole = shape.type_name == "integer"
    if whole and not value.lstrip("-").isdecimal():
        yield _failure(member, value, "Member must be a number")
        return
    size, has = (int(value), "value") if whole else (len(value), "length")
    if low is not None and size < low:
        yield _failure(member, value, f"Member must have {has} greater than or equal to {low}")
    if high is not None and size > high:
        yield _failure(member, value, f"Member must have {has} less than or equal to {high}")
    # Java's end of input, which Python's expressions write differently
    if pattern and not compiled(pattern.removesuffix(r"\z")).search(value):
        yield _failure(member, value, f"Member must satisfy regular expression pattern: {pattern}")


def _failure(member: str, value: str | None, constraint: str) -> str:
    shown = "" if value is None else f" '{value}'"
    return f"Value{shown} at '{member}' failed to satisfy constraint: {constraint}"


def locations(
    output: AsyncOutput, fresh: str, extension: str | None = None, filename: str | None = None
) -> tuple[str, str | None]:
    """The addresses of a result, `<path>/<name>.out`, and of a failure, `<path>/<name>-error.out`.

    The name is `fresh`, unless the caller gives a file name, which is used unchanged.
    """
    folder = f"/{extension.strip('/')}" if extension and extension.strip("/") else ""
    result = f"{output.results.rstrip('/')}{folder}/{filename or f'{fresh}.out'}"
    stem = filename.partition(".")[0] if filename else fresh
    failure = f"{output.failures.rstrip('/')}{folder}/{stem}-error.out" if output.failures else None
    return result, failure


def object_at(address: str) -> tuple[str, str]:
    """(bucket, key) of an address: `s3://bucket/key`, or an https address of S3 with the bucket in its host or path."""
    parts = urllib.parse.urlsplit(address)
    path = address.split("//", 1)[1].partition("/")[2]
    if parts.scheme == "s3":
        return parts.netloc, path
    bucket, found, _ = parts.netloc.partition(".s3")
    if found and bucket:
        return bucket, urllib.parse.unquote(path)
    bucket, _, key = path.partition("/")
    return bucket, urllib.parse.unquote(key)


def notification(call: AsyncCall, outcome: Outcome, finished: float) -> dict[str, Any]:
    """The message that is published to an endpoint's topic, as JSON."""
    done = outcome.status == "Completed"
    asked = {
        "contentType": call.headers.get("Content-Type"),
        "accept": call.headers.get("Accept"),
        "customAttributes": call.headers.get("X-Amzn-SageMaker-Custom-Attributes"),
        "endpointName": call.endpoint,
        "inputLocation": call.source,
    }
    response = {
        "contentType": outcome.content_type,
        "outputLocation": call.output if done else None,
        "failureLocation": None if done else call.failure,
    }
    message = {
        "awsRegion": call.region,
        "eventTime": _moment(finished),
        "receivedTime": _moment(call.received),
        "invocationStatus": outcome.status,
        "failureReason": None if done else outcome.reason,
        "requestParameters": _given(asked),
        "responseParameters": _given(response),
        "inferenceId": call.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    return _given(message)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
