"""When a CloudWatch alarm is in which state. Pure.

Source: CloudWatch user guide, "Using Amazon CloudWatch alarms": alarm evaluation, and how missing data is treated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from scaletozero.sandbox.monitoring.expressions import ID, Expression, UnsupportedError, parse
from scaletozero.sandbox.monitoring.statistics import percentile

MINUTE = timedelta(minutes=1)

ALARM, OK, INSUFFICIENT = "ALARM", "OK", "INSUFFICIENT_DATA"

LOOKS_BACK = 2
"""Periods beyond those to evaluate in which CloudWatch looks for datapoints where some are missing: the guide's
examples have five for three."""

MOST_METRICS = 10
"""Metrics of an alarm's metric math (CloudWatch API reference, PutMetricAlarm)."""

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
_STATISTICS: Mapping[str, Callable[[Sequence[Reported]], float]] = {
    "Sum": lambda each: math.fsum(minute.total for minute in each),
    "Average": lambda each: math.fsum(minute.total for minute in each) / sum(minute.count for minute in each),
    "Minimum": lambda each: min(minute.low for minute in each),
    "Maximum": lambda each: max(minute.high for minute in each),
    "SampleCount": lambda each: sum(minute.count for minute in each),
}
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,2})?|100)")


@dataclass(frozen=True)
class Metric:
    """A metric's name: namespace, name, and dimensions in order."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


@dataclass
class Reported:
    """What was reported of a metric for a minute. What is reported twice counts twice, as at CloudWatch.

    Attributes:
        total, count, low, high: of the values.
        values: the values, except those that came as a set of statistics.
    """

    total: float = 0.0
    count: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    values: list[float] = field(default_factory=list)

    def add(self, value: float) -> None:
        """Adds one value."""
        self.add_set(value, 1, value, value)
        self.values.append(value)

    def add_set(self, total: float, count: float, low: float, high: float) -> None:
        """Adds a set of statistics."""
        self.total, self.count = self.total + total, self.count + count
        self.low, self.high = min(self.low, low), max(self.high, high)


Values = Callable[[Metric, datetime, datetime], Sequence[Reported]]
"""A metric, from, to -> what was reported for the minutes between, without those for which nothing was."""


@dataclass(frozen=True)
class Query:
    """A statistic of a metric."""

    metric: Metric
    statistic: str

    def datapoint(self, reported: Sequence[Reported]) -> float | None:
        """The statistic of one period; None where nothing was reported, or only sets for a percentile."""
        if (found := _PERCENTILE.fullmatch(self.statistic)) is None:
            return float(_STATISTICS[self.statistic](reported)) if reported else None
        values = [value for minute in reported for value in minute.values]
        if not values:
            return None
        return percentile(float(found[1]), sorted(values))


@dataclass(frozen=True)
class Rule:
    """The part of an alarm that says when it is in alarm.

    Attributes:
        queries: id -> metric.
        expressions: id -> expression over metrics.
        shown: the id of what is compared with the threshold.
        seconds: the length of a period.
        periods, datapoints: of how many periods how many must breach.
        missing: how missing data is treated, in the API's words.
    """

    queries: Mapping[str, Query]
    expressions: Mapping[str, Expression]
    shown: str
    seconds: int
    periods: int
    datapoints: int
    operator: str
    threshold: float
    missing: str


@dataclass(frozen=True)
class Evaluation:
    """An alarm's state with its reason, and the newest datapoints that it is from."""

    state: str
    reason: str
    recent: tuple[float, ...]


def rule(alarm: Mapping[str, Any]) -> Rule:
    """The rule of an alarm from the members of `PutMetricAlarm`.

    Raises:
        UnsupportedError: it is not valid, or is none that the sandbox evaluates.
    """
    queries, expressions, seconds = {}, {}, set[int]()
    listed = alarm.get("Metrics") or []
    if listed:
        for each in listed:
            key = str(each.get("Id"))
            if not ID.fullmatch(key) or key in queries or key in expressions:
                raise UnsupportedError(f"the id {key!r} must begin with a small letter, and be there once")
            if each.get("Expression") is not None:
                expressions[key] = parse(each["Expression"])
            else:
                stat = each.get("MetricStat") or {}
                queries[key] = _query(stat.get("Metric") or {}, stat.get("Stat"))
                seconds.add(int(stat.get("Period") or 0))
        shown = [str(each["Id"]) for each in listed if each.get("ReturnData") in (True, "true", None)]
        if len(shown) != 1:
            raise UnsupportedError(f"exactly one of the metrics must have ReturnData true, got {len(shown)}")
        _require_known(queries, expressions)
    else:
        shown = ["metric"]
        queries["metric"] = _query(alarm, alarm.get("Statistic") or alarm.get("ExtendedStatistic"))
        seconds.add(int(alarm.get("Period") or 0))
    if len(seconds) != 1 or (period := seconds.pop()) < 60 or period % 60:
        raise UnsupportedError("the metrics must have one period, a multiple of 60 s, in the sandbox")
    if alarm.get("Threshold") is None or alarm.get("ComparisonOperator") not in OPERATORS:
        raise UnsupportedError("the sandbox has no anomaly detection: it needs a threshold and a comparison with it")
    periods = int(alarm.get("EvaluationPeriods") or 1)
    return Rule(
        queries,
        expressions,
        shown[0],
        period,
        periods,
        int(alarm.get("DatapointsToAlarm") or periods),
        alarm["ComparisonOperator"],
        float(alarm["Threshold"]),
        alarm.get("TreatMissingData") or "missing",
    )


def _query(metric: Mapping[str, Any], statistic: str | None) -> Query:
    if statistic not in _STATISTICS and not _PERCENTILE.fullmatch(statistic or ""):
        names = ", ".join(_STATISTICS)
        raise UnsupportedError(f"the statistic {statistic!r} is not computed here; write one of {names}, or p90")
    pairs = tuple(sorted((str(each["Name"]), str(each["Value"])) for each in metric.get("Dimensions") or []))
    if not metric.get("Namespace") or not metric.get("MetricName"):
        raise UnsupportedError("a metric must have a namespace and a name; Metrics Insights is not evaluated here")
    return Query(Metric(metric["Namespace"], metric["MetricName"], pairs), str(statistic))


def _require_known(queries: Mapping[str, Query], expressions: Mapping[str, Expression]) -> None:
    if len(queries) > MOST_METRICS:
        raise UnsupportedError(f"metric math takes at most {MOST_METRICS} metrics, got {len(queries)}")
    for each in expressions.values():
        if unknown := each.ids - queries.keys():
            names = ", ".join(sorted(unknown))
            raise UnsupportedError(f"{each.text!r} must be over metrics of the alarm; it names {names}")


def evaluate(it: Rule, values: Values, end: datetime, state: str) -> Evaluation:
    """The state of an alarm.

    Args:
        values: what was reported.
        end: the end of the newest period, a full minute.
        state: the state before.
    """
    step = timedelta(seconds=it.seconds)
    real: list[float] = []
    for back in range(it.periods + LOOKS_BACK):
        if len(real) == it.periods:
            break
        point = _datapoint(it, values, end - step * (back + 1), end - step * back)
        if point is not None:
            real.append(point)
    breaching = sum(OPERATORS[it.operator](point, it.threshold) for point in real)
    return Evaluation(_state(it, len(real), breaching, state), _reason(it, real, breaching), tuple(real))


def _datapoint(it: Rule, values: Values, begin: datetime, end: datetime) -> float | None:
    points = {key: each.datapoint(values(each.metric, begin, end)) for key, each in it.queries.items()}
    if it.shown in points:
        return points[it.shown]
    return it.expressions[it.shown].evaluate(points)


def _state(it: Rule, real: int, breaching: int, before: str) -> str:
    gaps = it.periods - real
    if it.missing == "breaching":
        return ALARM if breaching + gaps >= it.datapoints else OK
    if it.missing == "notBreaching" or not gaps:
        return ALARM if breaching >= it.datapoints else OK
    # What is there decides; where it would only be an alarm because the rest is missing, `ignore` keeps the state.
    if breaching >= it.datapoints:
        return ALARM
    if not real:
        return before if it.missing == "ignore" else INSUFFICIENT
    if breaching >= min(it.datapoints, real):
        return before if it.missing == "ignore" else ALARM
    return OK


def _reason(it: Rule, real: Sequence[float], breaching: int) -> str:
    if not real:
        treated = f"treated as {it.missing}" if it.missing != "missing" else "no treatment of it is set"
        return f"No datapoints were received for {it.periods} period(s); {treated}"
    newest = ", ".join(f"{point:.6g}" for point in real[:3])
    crossed = "Threshold Crossed" if breaching else "Threshold not crossed"
    return (
        f"{crossed}: {breaching} out of the last {len(real)} datapoints [{newest}] "
        f"were {_words(it.operator)} the threshold ({it.threshold:.6g})"
    )


def _words(operator: str) -> str:
    words = re.findall("[A-Z][a-z]+", operator.removesuffix("Threshold").removesuffix("To"))
    return " ".join(words).lower()
