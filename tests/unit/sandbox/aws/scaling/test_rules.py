"""What scales an asynchronous endpoint: alarms, step policies and target tracking, decided from samples."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.sandbox.aws.scaling.rules import AlarmRule, Sample, datapoint, stepped, tracked

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
WAKE = AlarmRule("HasBacklogWithoutCapacity", "Average", 60, 1, "GreaterThanOrEqualToThreshold", 1.0)


def samples(*parts: tuple[int, int, int]) -> list[Sample]:
    """Parts of (seconds, backlog, instances), a sample a second, the last one now."""
    seen = [(backlog, instances) for seconds, backlog, instances in parts for _ in range(seconds)]
    return [Sample(NOW - timedelta(seconds=len(seen) - 1 - at), *each) for at, each in enumerate(seen)]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (samples((120, 0, 0)), False),
        (samples((120, 3, 1)), False),
        (samples((60, 0, 0), (59, 3, 0)), False),
        (samples((60, 0, 0), (60, 3, 0)), True),
        (samples((60, 3, 0)), None),  # not watched for long enough to tell
        (samples((30, 0, 0), (60, 3, 0), (1, 3, 1)), False),
        ([], None),
    ],
)
def test_requests_without_an_instance_for_a_whole_period_raise_the_alarm(
    seen: list[Sample], expected: bool | None
) -> None:
    assert WAKE.evaluate(seen, NOW)[0] is expected


def test_the_period_that_the_alarm_declares_is_waited_for() -> None:
    slow = AlarmRule("HasBacklogWithoutCapacity", "Average", 60, 3, "GreaterThanOrEqualToThreshold", 1.0)
    assert slow.evaluate(samples((60, 0, 0), (179, 1, 0)), NOW) == (False, 1.0)
    assert slow.evaluate(samples((60, 0, 0), (180, 1, 0)), NOW) == (True, 1.0)
    two_of_three = AlarmRule("HasBacklogWithoutCapacity", "Average", 60, 3, "GreaterThanOrEqualToThreshold", 1.0, 2)
    assert two_of_three.evaluate(samples((100, 0, 0), (119, 1, 0)), NOW)[0] is False
    assert two_of_three.evaluate(samples((100, 0, 0), (120, 1, 0)), NOW)[0] is True


@pytest.mark.parametrize(
    ("missing", "expected"), [("missing", None), ("ignore", None), ("breaching", True), ("notBreaching", False)]
)
def test_a_metric_without_values_is_what_the_alarm_says_it_is(missing: str, expected: bool | None) -> None:
    rule = AlarmRule("ApproximateBacklogSizePerInstance", "Average", 60, 1, "GreaterThanThreshold", 5.0, None, missing)
    assert rule.evaluate(samples((90, 9, 0)), NOW) == (expected, None)


@pytest.mark.parametrize(
    ("operator", "below", "at", "above"),
    [
        ("GreaterThanOrEqualToThreshold", False, True, True),
        ("GreaterThanThreshold", False, False, True),
        ("LessThanThreshold", True, False, False),
        ("LessThanOrEqualToThreshold", True, True, False),
    ],
)
def test_operators(operator: str, below: bool, at: bool, above: bool) -> None:
    rule = AlarmRule("ApproximateBacklogSize", "Maximum", 60, 1, operator, 5.0)
    assert [rule.evaluate(samples((90, size, 1)), NOW)[0] for size in (4, 5, 6)] == [below, at, above]


def test_statistics() -> None:
    seen = samples((60, 9, 1), (30, 2, 1), (30, 4, 1))
    found = {
        name: datapoint("ApproximateBacklogSize", name, 60, seen, NOW)
        for name in ("Average", "Minimum", "Maximum", "Sum", "SampleCount")
    }
    # One datapoint a minute, as the service has them, however often the sandbox looks.
    assert found == {"Average": 3.0, "Minimum": 2, "Maximum": 4, "Sum": 3.0, "SampleCount": 1.0}


def policy(*steps: tuple[float | None, float | None, int], kind: str = "ChangeInCapacity", **more: Any) -> Any:
    names = ("MetricIntervalLowerBound", "MetricIntervalUpperBound", "ScalingAdjustment")
    adjustments = [
        {name: value for name, value in zip(names, step, strict=True) if value is not None} for step in steps
    ]
    return {"AdjustmentType": kind, "StepAdjustments": adjustments, **more}


@pytest.mark.parametrize(
    ("current", "over", "policy", "expected"),
    [
        (0, 0.0, policy((0, None, 1)), 1),
        (2, 0.0, policy((0, None, 1)), 3),
        (2, -0.5, policy((0, None, 1)), 2),  # no step for it
        (2, 9.99, policy((0, 10, 1), (10, None, 4)), 3),
        (2, 10.0, policy((0, 10, 1), (10, None, 4)), 6),
        (5, -10.0, policy((None, -10, -4), (-10, 0, -1)), 1),
        (5, -9.99, policy((None, -10, -4), (-10, 0, -1)), 4),
        (1, -20.0, policy((None, 0, -4)), 0),
        (7, 0.0, policy((0, None, 3), kind="ExactCapacity"), 3),
        (4, 0.0, policy((0, None, 50), kind="PercentChangeInCapacity"), 6),
        (1, 0.0, policy((0, None, 50), kind="PercentChangeInCapacity"), 2),
        (5, 0.0, policy((0, None, 50), kind="PercentChangeInCapacity"), 7),
        (5, -1.0, policy((None, 0, -50), kind="PercentChangeInCapacity"), 3),
        (4, 0.0, policy((0, None, 25), kind="PercentChangeInCapacity", MinAdjustmentMagnitude=3), 7),
    ],
)
def test_a_step(current: int, over: float, policy: Any, expected: int) -> None:
    assert stepped(current, over, policy) == expected


def follow(seen: list[Sample], target: float = 5.0) -> int | None:
    return tracked("ApproximateBacklogSizePerInstance", "Average", target, seen, NOW)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (samples((61, 0, 1)), 0),
        (samples((61, 1, 1)), 1),
        (samples((61, 5, 1)), 1),
        (samples((61, 6, 1)), 2),
        (samples((61, 30, 2)), 6),
        (samples((60, 0, 1), (1, 1, 1)), 1),  # a minute that was not all quiet is not quiet
        (samples((60, 0, 1)), None),  # less than a minute
        (samples((120, 9, 0)), None),  # nothing to divide by: this never wakes
        (samples((30, 9, 0), (59, 9, 1)), None),
    ],
)
def test_target_tracking(seen: list[Sample], expected: int | None) -> None:
    assert follow(seen) == expected


@given(st.integers(0, 500), st.integers(1, 20), st.floats(0.5, 50))
def test_what_tracking_asks_for_brings_the_metric_to_its_target_and_no_instance_more(
    backlog: int, instances: int, target: float
) -> None:
    asked = follow(samples((61, backlog, instances)), target)
    assert asked is not None
    assert asked * target >= backlog * (1 - 1e-6)
    assert asked == 0 or (asked - 1) * target < backlog
