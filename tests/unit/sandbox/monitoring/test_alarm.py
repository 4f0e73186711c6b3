"""Alarms: which datapoints they see, and what they do about those that are missing, late or there twice."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scaletozero.sandbox.monitoring.alarm import Metric, Reported, evaluate, rule
from scaletozero.sandbox.monitoring.composite import composite_state
from scaletozero.sandbox.monitoring.expressions import UnsupportedError

END = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
ONE: dict[str, Any] = {
    "Namespace": "AWS/Lambda",
    "MetricName": "Errors",
    "Dimensions": [{"Name": "FunctionName", "Value": "close"}],
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 3,
    "Threshold": 1,
    "ComparisonOperator": "GreaterThanThreshold",
}


def of(minutes: dict[int, list[float]]) -> Any:
    """What was reported, by the minutes before END."""

    def values(_: Metric, begin: datetime, end: datetime) -> Sequence[Reported]:
        found = []
        for back, each in minutes.items():
            if begin <= END - timedelta(minutes=back) < end:
                minute = Reported()
                for value in each:
                    minute.add(value)
                found.append(minute)
        return found

    return values


def drawn(points: str) -> Any:
    """`0` is within the threshold, `X` beyond it, `-` missing; the newest is last, as in CloudWatch's guide."""
    return of({len(points) - index: [9.0 if each == "X" else 0.0] for index, each in enumerate(points) if each != "-"})


TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
RETAINED = "retained"


@pytest.mark.parametrize(
    ("points", "needed", "states"),
    [
        # The tables of the CloudWatch user guide, "How alarm state is evaluated when data is missing".
        ("0-X-X", 3, ("OK", "OK", "OK", "OK")),
        ("----0", 3, ("OK", "OK", "OK", "OK")),
        ("-----", 3, ("INSUFFICIENT_DATA", RETAINED, "ALARM", "OK")),
        ("0XX-X", 3, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("--X--", 3, ("ALARM", RETAINED, "ALARM", "OK")),
        ("0-X-X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("00X0X", 2, ("ALARM", "ALARM", "ALARM", "ALARM")),
        ("0-X--", 2, ("OK", "OK", "ALARM", "OK")),
        ("----0", 2, ("OK", "OK", "ALARM", "OK")),
        ("---X-", 2, ("ALARM", RETAINED, "ALARM", "OK")),
    ],
)
def test_missing_data_is_treated_as_the_guide_says(points: str, needed: int, states: tuple[str, ...]) -> None:
    for treatment, state in zip(TREATMENTS, states, strict=True):
        it = rule(ONE | {"TreatMissingData": treatment, "DatapointsToAlarm": needed})
        found = evaluate(it, drawn(points), END, RETAINED).state
        assert found == state, (points, treatment)


def spending(threshold: float = 1.0, hours: int = 24) -> dict[str, Any]:
    """An alarm as the guard declares it."""
    dimensions = [{"Name": "EndpointName", "Value": "vectors"}]

    def stat(key: str, name: str) -> dict[str, Any]:
        metric = {"Namespace": "AWS/SageMaker", "MetricName": name, "Dimensions": dimensions}
        return {"Id": key, "MetricStat": {"Metric": metric, "Period": hours * 3600, "Stat": "Sum"}, "ReturnData": False}

    usd = {"Id": "usd", "Expression": "FILL(work, 0) / 1000000 + FILL(calls, 0) * 0.5", "ReturnData": True}
    return {
        "Metrics": [usd, stat("work", "ModelLatency"), stat("calls", "Invocations")],
        "EvaluationPeriods": 1,
        "Threshold": threshold,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }


def work(minutes: dict[int, list[float]]) -> Any:
    """The same for one of the metrics, in seconds."""
    found = of({back: [1e6 * each for each in values] for back, values in minutes.items()})
    return lambda metric, begin, end: found(metric, begin, end) if metric.name == "ModelLatency" else []


def test_a_window_slides_over_days_and_months() -> None:
    spread = work({back: [0.1] for back in range(1, 1440, 100)})
    assert evaluate(rule(spending(1.4)), spread, END, "OK").state == "ALARM"
    assert evaluate(rule(spending(1.6)), spread, END, "OK").state == "OK"
    # Two halves on both sides of a month's end are one window.
    end = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
    found = {Metric("AWS/SageMaker", "ModelLatency", (("EndpointName", "vectors"),)): (end - timedelta(hours=6), end)}

    def values(metric: Metric, begin: datetime, until: datetime) -> Sequence[Reported]:
        moments = found.get(metric, ())
        return [Reported(0.6e6, 1, 0, 0) for each in moments if begin <= each - timedelta(minutes=1) < until]

    assert evaluate(rule(spending()), values, end, "OK").recent == (1.2,)


def test_what_has_left_the_window_is_forgotten() -> None:
    assert evaluate(rule(spending()), work({1: [9.0]}), END, "OK").state == "ALARM"
    assert evaluate(rule(spending()), work({1441: [9.0]}), END, "ALARM").state == "OK"


def test_metrics_that_come_late_count_in_their_minute() -> None:
    before = evaluate(rule(spending()), work({1: [0.6]}), END, "OK")
    after = evaluate(rule(spending()), work({1: [0.6], 700: [0.6]}), END, before.state)
    assert (before.state, after.state) == ("OK", "ALARM")


def test_metrics_that_come_twice_count_twice_and_never_less() -> None:
    once, twice = (evaluate(rule(spending()), work({1: [0.6] * times}), END, "OK") for times in (1, 2))
    assert (once.state, twice.state) == ("OK", "ALARM")
    assert twice.recent[0] == pytest.approx(2 * once.recent[0])


def test_without_data_the_alarm_ends() -> None:
    found = evaluate(rule(spending()), of({}), END, "ALARM")
    assert (found.state, found.recent) == ("OK", (0.0,))


@pytest.mark.parametrize(
    ("statistic", "value"),
    [("Sum", 10.0), ("Average", 2.5), ("Minimum", 1.0), ("Maximum", 4.0), ("SampleCount", 4.0), ("p50", 2.5),
     ("p100", 4.0), ("p99.9", 3.997)],
)  # fmt: skip
def test_statistics(statistic: str, value: float) -> None:
    kind = "ExtendedStatistic" if statistic.startswith("p") else "Statistic"
    it = rule({**ONE, "Statistic": None, "EvaluationPeriods": 1, kind: statistic})
    assert evaluate(it, of({1: [4.0, 1.0, 2.0, 3.0]}), END, "OK").recent == (pytest.approx(value),)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"Statistic": "IQM"}, "IQM"),
        ({"ExtendedStatistic": "tm99", "Statistic": None}, "tm99"),
        ({"Period": 10}, "multiple of 60"),
        ({"Threshold": None}, "anomaly"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "anomaly"),
        ({"Namespace": None}, "namespace"),
    ],
)
def test_alarms_that_would_never_be_evaluated_are_refused(change: dict[str, Any], names: str) -> None:
    with pytest.raises(UnsupportedError, match=names):
        rule(ONE | change)


def test_math_over_what_is_not_there_is_refused() -> None:
    usd, *metrics = spending()["Metrics"]
    cases = [
        ([usd | {"Expression": "nothing * 2"}, *metrics], "nothing"),
        ([usd, *(each | {"ReturnData": True} for each in metrics)], "ReturnData"),
        ([usd, *metrics, metrics[0]], "once"),
        ([usd | {"Id": "USD"}, *metrics], "small letter"),
        ([usd, metrics[0], {**metrics[1], "MetricStat": metrics[1]["MetricStat"] | {"Period": 60}}], "one period"),
        ([usd, *metrics, *({**metrics[0], "Id": f"m{index}"} for index in range(9))], "10"),
    ]
    for given, names in cases:
        with pytest.raises(UnsupportedError, match=names):
            rule(spending() | {"Metrics": given})


@pytest.mark.parametrize(
    ("written", "state"),
    [
        ('ALARM("a")', "ALARM"),
        ('ALARM("a") OR ALARM("b")', "ALARM"),
        ('ALARM("a") AND ALARM("b")', "OK"),
        ("OK(b) AND NOT (ALARM('c') OR ALARM(b))", "ALARM"),
        ('ALARM("b") OR ALARM("b") AND ALARM("a")', "OK"),
        ('ALARM("arn:aws:cloudwatch:eu-central-1:123456789012:alarm:a")', "ALARM"),
        ("INSUFFICIENT_DATA(c)", "ALARM"),
        ("FALSE OR TRUE", "ALARM"),
    ],
)
def test_composite_alarms(written: str, state: str) -> None:
    assert composite_state(written, {"a": "ALARM", "b": "OK", "c": "INSUFFICIENT_DATA"}) == state


@pytest.mark.parametrize("written", ["", "ALARM(gone)", "ALARM(a", "ALARM(a) ALARM(a)", "(ALARM(a)", "AND", "a"])
def test_composite_rules_that_are_not_valid(written: str) -> None:
    with pytest.raises(UnsupportedError):
        composite_state(written, {"a": "OK"})
