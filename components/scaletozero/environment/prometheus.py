"""Asks a Prometheus server, by its HTTP API v1, which it keeps compatible."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from datetime import date, datetime

from model_packaging.findings import refuse
from scaletozero.observability.gpu_usage import Answered, questions

LARGEST = 1_000_000
"""Bytes of an answer, of which a sum has some hundred."""


def checked_url(option: str, url: str) -> str:
    """A server's address without a slash at its end.

    Raises:
        FindingsError: it is no address.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        rule, then = "must be the address of a Prometheus server", "nothing could be read"
        raise refuse(option, rule, url[:200], then, "write http://127.0.0.1:9090, for example")
    return url.rstrip("/")


class UnansweredError(Exception):
    """The server could not be asked, or did not answer the question; the text says why."""


def read_gpu(url: str, name: str, namespace: str, first: date, now: datetime) -> list[Answered]:
    """What an endpoint on a cluster used, day by day.

    Args:
        url: the server's address.
        name, namespace: of the endpoint's Deployment.
        first: the first day, in UTC.

    Raises:
        UnansweredError: the server did not answer.
    """
    return [
        Answered(
            each.day,
            *(value(url, query, each.at) for query in (each.replicas, each.busy, each.requests, each.warm)),
        )
        for each in questions(name, namespace, first, now)
    ]


def value(url: str, query: str, at: datetime) -> float | None:
    """The one value of a query at a moment; None if there is none.

    Raises:
        UnansweredError: the server did not answer.
    """
    asked = urllib.parse.urlencode({"query": query, "time": f"{at.timestamp():.0f}"})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{asked}", timeout=30) as answer:  # noqa: S310 - checked_url
            content = json.loads(answer.read(LARGEST))
        result = content["data"]["result"]
        found = float(result[0]["value"][1]) if result else None
    except urllib.error.HTTPError as error:
        raise UnansweredError(f"it answered {error.code} {error.reason}") from None
    except OSError as error:
        raise UnansweredError(str(getattr(error, "reason", error))) from None
    except (ValueError, LookupError, TypeError):
        raise UnansweredError("what it answered is not Prometheus's") from None
    if found is not None and not math.isfinite(found):
        raise UnansweredError(f"it answered {found}")
    return found
