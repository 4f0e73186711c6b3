"""Decides the capacity of an asynchronous endpoint from samples of its backlog, without side effects.

Three rules of CloudWatch and Application Auto Scaling: when an alarm is in alarm, what a step policy does then, and
what target tracking requests.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

METRIC_SECONDS = 60.0
"""Seconds between two datapoints of a metric in AWS/SageMaker."""

TRACKED_SECONDS = 60
"""The seconds that target tracking evaluates: one datapoint. Application Auto Scaling's own alarms use three to scale
out, and fifteen to scale in."""


@dataclass(frozen=True)
class Sample:
    """A sample of an endpoint: waiting and running requests, seconds since the oldest was received, instances."""

    at: datetime
    backlog: int
    instances: int
    age: float = 0.0


METRICS: Mapping[str, Callable[[Sample], float | None]] = {
    "ApproximateBacklogSize": lambda seen: seen.backlog,
    "ApproximateBacklogSizePerInstance": lambda seen: seen.backlog / seen.instances if seen.instances else None,
    "ApproximateAgeOfOldestRequest": lambda seen: seen.age,
    "HasBacklogWithoutCapacity": lambda seen: float(seen.backlog > 0 and seen.instances == 0),
}
"""Metric of a backlog -> its value in a sample; None if it has none."""

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


@dataclass(frozen=True)
class AlarmRule:
    """The part of a CloudWatch alarm that says when it is in alarm; periods are seconds."""

    metric: str
    statistic: str
    period: int
    evaluation_periods: int
    operator: str
    threshold: float
    datapoints: int | None = None
    missing: str = "missing"

    def evaluate(self, samples: Sequence[Sample], now: datetime) -> tuple[bool | None, float | None]:
        """(whether it is in alarm, or None while that is unknown; the newest datapoint).

        Periods end now, not at full minutes. A metric is evaluated once it was sampled for all of them.
        """
        start = now - timedelta(seconds=self.period * self.evaluation_periods)
        if not samples or samples[0].at > start:
            return None, None
        points = [
            datapoint(self.metric, self.statistic, self.period, samples, now - timedelta(seconds=self.period * back))
            for back in range(self.evaluation_periods)
        ]
        newest = next((point for point in points if point is not None), None)
        if newest is None and self.missing in ("missing", "ignore"):
            return None, None
        breaching = sum(
            self.missing == "breaching" if point is None else OPERATORS[self.operator](point, self.threshold)
            for point in points
        )
        return breaching >= (self.datapoints or self.evaluation_periods), newest


def datapoint(metric: str, statistic: str, period: int, samples: Sequence[Sample], end: datetime) -> float | None:
    """A metric's statistic over the `period` seconds before `end`; None if it had no value in them."""
    begin = end - timedelta(seconds=period)
    found = [METRICS[metric](seen) for seen in samples if begin < seen.at <= end]
    values = [value for value in found if value is not None]
    if not values:
        return None
    count = period / METRIC_SECONDS  # samples are taken more often than the service has datapoints
    by_name = {
        "Average": statistics.fmean,
        "Maximum": max,
        "Minimum": min,
        "Sum": lambda values: statistics.fmean(values) * count,
        "SampleCount": lambda _: count,
    }
    return by_name[statistic](values)


def stepped(current: int, over: float, policy: Mapping[str, Any]) -> int:
    """The capacity that a step policy requests.

    Args:
        current: the current number of instances.
        over: the metric's value minus the alarm's threshold.
        policy: a `StepScalingPolicyConfiguration`.
    """
    for step in policy.get("StepAdjustments") or []:
        low, high = step.get("MetricIntervalLowerBound"), step.get("MetricIntervalUpperBound")
        low = -math.inf if low is None else float(low)
        high = math.inf if high is None else float(high)
        # Above the threshold the lower bound belongs to a step, below it the upper one.
        inside = low <= over < high if over >= 0 else low < over <= high
        if inside:
            return _adjusted(current, int(step["ScalingAdjustment"]), policy)
    return current


def _adjusted(current: int, by: int, policy: Mapping[str, Any]) -> int:
    kind = policy.get("AdjustmentType", "ChangeInCapacity")
    if kind == "ExactCapacity":
        return by
    if kind == "PercentChangeInCapacity":
        exact = current * by / 100
        # Rounded toward zero, but to at least one unless it is zero.
        change = math.trunc(exact) or (math.copysign(1, exact) if exact else 0)
        least = int(policy.get("MinAdjustmentMagnitude") or 0)
        return max(0, current + int(math.copysign(max(abs(change), least), by) if by else 0))
    return max(0, current + by)


def tracked(metric: str, statistic: str, target: float, samples: Sequence[Sample], now: datetime) -> int | None:
    """The capacity at which a metric would be at its target; None until it was sampled for a whole minute.

    At zero instances there is no backlog per instance, so tracking it never requests the first one.
    """
    begin = now - timedelta(seconds=TRACKED_SECONDS)
    recent = [seen for seen in samples if seen.at > begin]
    if not recent or samples[0].at > begin or any(METRICS[metric](seen) is None for seen in recent):
        return None
    value = datapoint(metric, statistic, TRACKED_SECONDS, recent, now)
    assert value is not None
    return math.ceil(recent[-1].instances * value / target - 1e-9)  # 3 x (5 / 3) is not exactly 5
