"""Reads CloudWatch for the page. What cannot be read is a reason, never a zero."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

from scaletozero.environment.usage import read_sums
from scaletozero.observability.metric_queries import Asked, Points, batches, points
from scaletozero.observability.usage import Metering, Sums

CALLS = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 2})
"""Somebody waits for the page: it says soon that CloudWatch does not respond, and asks again by itself."""

UNREADABLE = (ClientError, BotoCoreError)

ClientOf = Callable[[str], Any]
"""A client of CloudWatch in a region."""


@dataclass
class Read:
    """What was read of panels.

    Attributes:
        lines: id -> its points.
        reasons: id -> why it could not be read.
    """

    lines: dict[str, Points] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def read_panels(client: Callable[[], Any], asked: Iterable[Asked], since: datetime, until: datetime) -> Read:
    """Reads panels, in as few calls as possible; a call that fails leaves the others' panels.

    Args:
        client: makes the client of CloudWatch in the panels' region.
    """
    found, asked = Read(), list(asked)
    # Together only what has periods of one length, because a call has one beginning, which is to be that of a period.
    lengths = sorted({each.panel.seconds for each in asked})
    alike = ([each for each in asked if each.panel.seconds == seconds] for seconds in lengths)
    for batch in chain.from_iterable(map(batches, alike)):
        ids = [line for each in batch for line in each.lines]
        try:
            results = _pages(client(), batch, begin(since, batch[0].panel.seconds), until)
        except UNREADABLE as error:
            found.reasons |= dict.fromkeys(ids, reason(error))
            continue
        found.lines |= points(results)
        for each in results:
            if each.get("StatusCode") in ("Forbidden", "InternalError"):
                found.reasons[each["Id"]] = f"CloudWatch: {each['StatusCode']}"
    return found


def begin(at: datetime, seconds: int) -> datetime:
    """The begin of the period of a length that a time is in."""
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)


def _pages(client: Any, batch: Sequence[Asked], since: datetime, until: datetime) -> list[dict[str, Any]]:
    queries = [query for each in batch for query in each.queries]
    pages = client.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=since, EndTime=until, ScanBy="TimestampAscending"
    )
    return [result for page in pages for result in page["MetricDataResults"]]


def read_usage(client: Callable[[], Any], endpoint: str, metering: Metering, first: date, now: datetime) -> Sums | str:
    """What an endpoint used by day, or why that cannot be read."""
    try:
        return read_sums(client(), endpoint, metering, first, now)
    except UNREADABLE as error:
        return reason(error)


def reason(error: Exception) -> str:
    """Why CloudWatch could not be read, and what to do, for a person."""
    if isinstance(error, NoCredentialsError):
        return "No AWS credentials were found: set AWS_PROFILE, or the variables of a role, and start this again."
    if isinstance(error, EndpointConnectionError):
        return f"CloudWatch does not respond: {error}"
    if not isinstance(error, ClientError):
        return f"CloudWatch could not be read: {error}"
    code, message = (error.response.get("Error", {}).get(key, "") for key in ("Code", "Message"))
    operation = error.operation_name
    if "Throttl" in code or code == "RequestLimitExceeded":
        return f"CloudWatch throttles {operation}: {message or code}. It is asked again by itself."
    if "AccessDenied" in code or code == "UnauthorizedOperation":
        return f"CloudWatch denies {operation}: {message or code}. Allow the caller cloudwatch:{operation}."
    if code in ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"):
        return f"The AWS credentials are not valid: {message or code}. Renew them, and start this again."
    return f"CloudWatch refused {operation}: {code}: {message}"
