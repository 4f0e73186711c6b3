"""GetMetricData of the embedded CloudWatch, in place of moto's: percentiles, metric math, and time by its own data.

Periods begin at multiples of their length since 1970, as the service aligns them (API reference, GetMetricData). Moto
begins them at the time that is asked for, ignores a metric's namespace, has no percentiles and no metric math, and
passes over all data once for each period.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import CloudWatchBackend, MetricDatum

from scaletozero.sandbox.monitoring.metric_math import MathError, Points, evaluate
from scaletozero.sandbox.monitoring.statistics import percentile

MOST_QUERIES = 500
"""Queries of one call (API reference, GetMetricData)."""

MOST_POINTS = 100_800
"""Data points of one response (API reference, GetMetricData). The service pages; here a call for more is refused."""

_SECONDS = 60
"""The shortest period of a metric of standard resolution."""

Sample = tuple[float, float, float, float]
"""Count, sum, minimum and maximum of what was put at once."""

Key = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name and dimensions of a metric."""


def get_metric_data(
    self: CloudWatchBackend,
    queries: list[dict[str, Any]],
    start_time: datetime,
    end_time: datetime,
    scan_by: str = "TimestampDescending",
) -> list[dict[str, Any]]:
    """The response's results, as moto's responses take them."""
    first, last = _epoch(start_time), _epoch(end_time)
    if first >= last:
        raise ValidationError("The parameter EndTime must be greater than StartTime.")
    _check(queries)
    stored, found, results = _stored(self, queries, first, last), dict[str, Points](), []
    # An expression has no period of its own where it uses metrics that have one.
    periods = {each["Id"]: int(each["MetricStat"]["Period"]) for each in queries if "MetricStat" in each}
    default = min(periods.values(), default=_SECONDS)
    for query in queries:
        if "MetricStat" in query:
            found[query["Id"]] = _measured(stored, query["MetricStat"], first, last)
    for query in queries:
        if "MetricStat" not in query:
            used = [periods[name] for name in re.findall(r"\w+", query["Expression"]) if name in periods]
            grid = _grid(first, last, int(query.get("Period") or min(used, default=default)))
            try:
                found[query["Id"]] = evaluate(query["Expression"], found, grid)
            except MathError as error:
                raise ValidationError(f"{query['Id']}: {error}") from None
    if sum(map(len, found.values())) > MOST_POINTS:
        raise ValidationError(f"more than {MOST_POINTS} data points: ask for a shorter time")
    for query in queries:
        if query.get("ReturnData", True):
            points = sorted(found[query["Id"]].items(), reverse=scan_by != "TimestampAscending")
            results.append(
                {
                    "id": query["Id"],
                    "label": query.get("Label") or query["Id"],
                    "timestamps": [datetime.fromtimestamp(at, UTC) for at, _ in points],
                    "values": [value for _, value in points],
                    "status_code": "Complete",
                }
            )
    return results


def _check(queries: Sequence[Mapping[str, Any]]) -> None:
    if len(queries) > MOST_QUERIES:
        raise ValidationError(f"The collection MetricDataQueries must not have more than {MOST_QUERIES} elements.")
    ids = [each["Id"] for each in queries]
    if twice := sorted({each for each in ids if ids.count(each) > 1}):
        raise ValidationError(f"The values for parameter id must be unique: {', '.join(twice)}")
    for query in queries:
        if "MetricStat" in query and int(query["MetricStat"]["Period"]) % _SECONDS:
            raise ValidationError(f"{query['Id']}: Period must be a multiple of {_SECONDS}")


def _epoch(at: datetime) -> float:
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _grid(first: float, last: float, period: int) -> range:
    return range(int(first // period) * period, int(-(-last // 1)), period)


def _key(namespace: str, name: str, dimensions: Iterable[Mapping[str, str]]) -> Key:
    return namespace, name, frozenset((each["Name"], each["Value"]) for each in dimensions)


def _stored(
    backend: CloudWatchBackend, queries: Sequence[Mapping[str, Any]], first: float, last: float
) -> dict[Key, list[tuple[float, Sample]]]:
    """The data of every metric that is asked for, by when it was put; one pass over all that is stored."""
    metrics = [each["MetricStat"]["Metric"] for each in queries if "MetricStat" in each]
    found: dict[Key, list[tuple[float, Sample]]] = {
        _key(each["Namespace"], each["MetricName"], each.get("Dimensions") or ()): [] for each in metrics
    }
    names = {name for _, name, _ in found}
    longest = max((int(each["MetricStat"]["Period"]) for each in queries if "MetricStat" in each), default=_SECONDS)
    for datum in list(backend.metric_data):
        if datum.name not in names or not first - longest <= (at := _epoch(datum.timestamp)) < last:
            continue
        key = (datum.namespace, datum.name, frozenset((str(each.name), str(each.value)) for each in datum.dimensions))
        if key in found:
            found[key].append((at, _sample(datum)))
    return found


def _sample(datum: Any) -> Sample:
    if isinstance(datum, MetricDatum):
        return 1.0, datum.value, datum.value, datum.value
    return datum.sample_count, datum.sum, datum.min, datum.max


def _measured(
    stored: Mapping[Key, Sequence[tuple[float, Sample]]], query: Mapping[str, Any], first: float, last: float
) -> Points:
    metric, period = query["Metric"], int(query["Period"])
    begin, found = _grid(first, last, period).start, dict[int, list[Sample]]()
    for at, sample in stored[_key(metric["Namespace"], metric["MetricName"], metric.get("Dimensions") or ())]:
        if at >= begin:
            found.setdefault(int(at // period) * period, []).append(sample)
    return {at: _statistic(query["Stat"], samples) for at, samples in found.items()}


def _statistic(name: str, samples: Sequence[Sample]) -> float:
    count, total = sum(each[0] for each in samples), sum(each[1] for each in samples)
    match name:
        case "SampleCount":
            return count
        case "Sum":
            return total
        case "Average":
            return total / count
        case "Minimum":
            return min(each[2] for each in samples)
        case "Maximum":
            return max(each[3] for each in samples)
    if name[0] != "p" or any(each[0] != 1 for each in samples):
        raise ValidationError(f"the embedded CloudWatch has no statistic {name} of this metric")
    return percentile(float(name[1:]), sorted(each[1] for each in samples))
