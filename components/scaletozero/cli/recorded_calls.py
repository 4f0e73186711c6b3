"""Calls for `advise --past`: read from CloudWatch, or from a Prometheus."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from model_packaging.findings import refuse
from scaletozero.cli.querying import find_target
from scaletozero.cli.target_metrics import TargetMetrics
from scaletozero.scaling.recorded import MINUTE, Counted, Points

LARGEST_ANSWER = 64 * 2**20
"""Most bytes of one answer of a Prometheus."""

TIMEOUT_SECONDS = 60

MOST_MINUTES = 10_000
"""Minutes of one query: Prometheus answers with at most 11,000 points a series (its HTTP API)."""

NOTHING_READ = "nothing was replayed"


def from_cloudwatch(endpoint: str, environment: str, seconds: int) -> Counted:
    """The calls of a deployed endpoint on SageMaker.

    Raises:
        FindingsError: it is not deployed, or CloudWatch cannot be read.
    """
    target = find_target(endpoint, environment, "advise")
    until = datetime.now(UTC)
    read = TargetMetrics(target, until - timedelta(seconds=seconds), until)
    asynchronous = target.requests is not None
    try:
        done = read.of_variant("InvocationsProcessed" if asynchronous else "Invocations", "Sum")
        latency = read.of_variant("ModelLatency", "Average")
        waiting = read.of_endpoint("ApproximateBacklogSize", "Maximum") if asynchronous else []
    except (ClientError, BotoCoreError) as error:
        rule = "must let the caller read its metrics (cloudwatch:GetMetricData)"
        raise refuse("CloudWatch", rule, str(error), NOTHING_READ) from None
    microseconds = [(at.timestamp(), value / 1e6) for at, value in latency]
    return Counted(_seconds(done), microseconds, _seconds(waiting))


def _seconds(points: Any) -> Points:
    return [(at.timestamp(), value) for at, value in points]


def from_prometheus(address: str, endpoint: str, namespace: str, seconds: int) -> Counted:
    """The calls of an endpoint on a cluster, as the interceptor of KEDA's HTTP add-on counts them.

    How long a call takes is without those that waited for a start, where the add-on tells them apart (from version
    1.0).

    Raises:
        FindingsError: the address is wrong, or the Prometheus does not answer, or with something else.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        fix = "write its address, http://localhost:9090, and forward the port of one in the cluster to it"
        raise refuse("--prometheus", "must be the address of a Prometheus", address[:200], NOTHING_READ, fix)
    route = f'route_name="{endpoint}",route_namespace="{namespace}"'
    warm = f'{route},cold_start!="true"'
    took = [f"sum(increase(interceptor_request_duration_seconds_{each}{{{warm}}}[1m]))" for each in ("sum", "count")]
    until = int(datetime.now(UTC).timestamp() // MINUTE * MINUTE)
    since = until - seconds
    return Counted(
        _query(address, f"sum(increase(interceptor_request_count_total{{{route}}}[1m]))", since, until),
        _query(address, f"{took[0]} / ({took[1]} > 0)", since, until),
        _query(address, f"sum(interceptor_request_concurrency{{{route}}})", since, until),
    )


def _query(address: str, query: str, since: int, until: int) -> Points:
    found: list[tuple[float, float]] = []
    for begin, end in _parts(since, until):
        asked = urlencode({"query": query, "start": begin, "end": end, "step": int(MINUTE)})
        answer = _answer(f"{address.rstrip('/')}/api/v1/query_range?{asked}")
        try:
            series = answer["data"]["result"]
            # A value is of the minute before its time.
            points = [(float(at) - MINUTE, float(value)) for each in series for at, value in each["values"]]
        except (KeyError, TypeError, ValueError) as error:
            raise _wrong(f"{type(error).__name__}: {str(answer)[:200]}") from None
        found += [each for each in points if each[1] == each[1]]
    return found


def _parts(since: int, until: int) -> Iterator[tuple[int, int]]:
    step = MOST_MINUTES * int(MINUTE)
    for begin in range(since, until, step):
        yield begin + int(MINUTE), min(begin + step, until)


def _answer(address: str) -> Any:
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - http or https, see above
            content = response.read(LARGEST_ANSWER + 1)
    except urllib.error.HTTPError as error:
        said = error.read(2000).decode(errors="replace").strip()
        raise _wrong(f"HTTP {error.code}: {said[:300]}") from None
    except (OSError, ValueError) as error:
        raise _wrong(str(error)) from None
    if len(content) > LARGEST_ANSWER:
        raise _wrong(f"more than {LARGEST_ANSWER} bytes")
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        raise _wrong(content[:100].decode(errors="replace")) from None
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise _wrong(str(answer)[:300])
    return answer


def _wrong(said: str) -> Exception:
    return refuse("--prometheus", "must answer as the HTTP API of Prometheus does", said, NOTHING_READ)
