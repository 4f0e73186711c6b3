"""GetMetricData of the embedded CloudWatch: statistics, periods, metric math, and what it refuses."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from scaletozero.sandbox.aws.moto_patches import patch_moto
from scaletozero.sandbox.monitoring.metric_math import MathError, evaluate

GRID = range(0, 300, 60)
KNOWN = {"a": {0: 2.0, 60: 4.0, 120: 0.0}, "b": {0: 1.0, 60: 0.0, 180: 8.0}}
AT = datetime(2026, 11, 29, 10, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("a / 2", {0: 1.0, 60: 2.0, 120: 0.0}),
        ("100 * a / b", {0: 200.0}),  # without data on one side, or divided by zero, there is no value
        ("FILL(b, 0)", {0: 1.0, 60: 0.0, 120: 0.0, 180: 8.0, 240: 0.0}),
        ("(FILL(a, 0) + FILL(b, 0)) / 1000000 * 0.5", {0: 1.5e-6, 60: 2e-6, 120: 0.0, 180: 4e-6, 240: 0.0}),
        ("IF(a > 1, a, 100 * a)", {0: 2.0, 60: 4.0, 120: 0.0}),
        ("IF(a > 1, b)", {0: 1.0, 60: 0.0}),
        ("RUNNING_SUM(a)", {0: 2.0, 60: 6.0, 120: 6.0}),
        # Of every period, also of those without data.
        ("DATE(a) + HOUR(b) + 100 * MONTH(a)", dict.fromkeys(GRID, 101.0)),
        ("-a", {0: -2.0, 60: -4.0, 120: 0.0}),
        ("1 - a", {0: -1.0, 60: -3.0, 120: 1.0}),
    ],
)
def test_an_expression(expression: str, wanted: dict[int, float]) -> None:
    assert evaluate(expression, KNOWN, GRID) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("c + 1", "Unknown id: c"),
        ("1 + 1", "not a time series"),
        ("1 / 0", "division by zero"),
        ("SEARCH('{AWS/SageMaker} ModelLatency', 'Sum', 60)", "evaluates arithmetic"),
        ("FILL(a, REPEAT)", "Unknown id: REPEAT"),
        ("FILL(1, 0)", "FILL takes a time series"),
        ("RUNNING_SUM(1)", "a time series is needed"),
        ("DATE(1)", "a time series is needed"),
        ("DAY(a)", "evaluates arithmetic"),
        ("a.__class__", "evaluates arithmetic"),
        ("__import__('os')", "evaluates arithmetic"),
        ("SELECT SUM(x) FROM y", "cannot be read"),
        ("a +", "cannot be read"),
        ("a\0", "cannot be read"),
        ("a * 1" + "0" * 400, "too large"),
        ("-" * 2000 + "a", "cannot be read|too deep"),
        ("(" * 2000, "cannot be read"),
        ("a" * 2049, "2048 characters"),
    ],
)
def test_an_expression_that_is_refused(expression: str, said: str) -> None:
    with pytest.raises(MathError, match=said):
        evaluate(expression, KNOWN, GRID)


@given(st.text(max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    with contextlib.suppress(MathError):
        assert all(isinstance(each, float) for each in evaluate(text, KNOWN, GRID).values())


@pytest.fixture
def cloudwatch() -> Any:
    patch_moto()
    with mock_aws():
        given = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
        yield boto3.client("cloudwatch", region_name="us-east-1", **given)


def put(client: Any, values: list[float], *, minute: int = 5, namespace: str = "N", who: str = "e") -> None:
    at = AT.replace(minute=minute, second=17)
    named = [{"Name": "EndpointName", "Value": who}]
    data = [{"MetricName": "M", "Dimensions": named, "Timestamp": at, "Value": each} for each in values]
    client.put_metric_data(Namespace=namespace, MetricData=data)


def metric(name: str, stat: str, period: int = 60, **more: Any) -> dict[str, Any]:
    about = {"Namespace": "N", "MetricName": "M", "Dimensions": [{"Name": "EndpointName", "Value": "e"}]}
    return {"Id": name, "MetricStat": {"Metric": about, "Period": period, "Stat": stat}, **more}


def ask(client: Any, *queries: dict[str, Any], begin: int = 3) -> dict[str, list[tuple[datetime, float]]]:
    found = client.get_metric_data(
        MetricDataQueries=queries, StartTime=AT.replace(minute=begin), EndTime=AT, ScanBy="TimestampAscending"
    )
    return {
        each["Id"]: list(zip(each["Timestamps"], each["Values"], strict=True)) for each in found["MetricDataResults"]
    }


@pytest.mark.parametrize(
    ("stat", "wanted"),
    [("Sum", 10.0), ("SampleCount", 4.0), ("Average", 2.5), ("Minimum", 1.0), ("Maximum", 4.0), ("p50", 2.5)],
)
def test_a_statistic_is_of_its_own_metric_alone(cloudwatch: Any, stat: str, wanted: float) -> None:
    put(cloudwatch, [4.0, 1.0, 3.0, 2.0])
    put(cloudwatch, [99.0], namespace="Other")
    put(cloudwatch, [99.0], who="another")
    assert ask(cloudwatch, metric("m", stat)) == {"m": [(AT.replace(minute=5), wanted)]}


def test_periods_begin_at_multiples_of_their_length_and_an_unasked_metric_is_not_returned(cloudwatch: Any) -> None:
    put(cloudwatch, [1.0], minute=1)
    put(cloudwatch, [2.0], minute=4)
    put(cloudwatch, [4.0], minute=6)
    found = ask(cloudwatch, metric("m", "Sum", 300, ReturnData=False), {"Id": "twice", "Expression": "2 * m"}, begin=3)
    assert found == {"twice": [(AT.replace(minute=0), 6.0), (AT.replace(minute=5), 8.0)]}


def test_a_metric_without_data_is_filled_over_the_whole_time(cloudwatch: Any) -> None:
    found = ask(cloudwatch, metric("m", "Sum", ReturnData=False), {"Id": "f", "Expression": "FILL(m, 0)"})
    assert found == {"f": [(AT.replace(minute=each), 0.0) for each in (3, 4, 5, 6)]}


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        ([metric("m", "Sum"), metric("m", "Sum")], "must be unique: m"),
        ([{"Id": "x", "Expression": "unknown + 1"}], "x: Unknown id: unknown"),
        ([metric("m", "Sum", 30)], "multiple of 60"),
        ([metric(f"m{each}", "Sum") for each in range(501)], "more than 500"),
        ([metric("m", "tm99")], "no statistic tm99"),
    ],
)
def test_queries_that_are_refused(cloudwatch: Any, queries: list[dict[str, Any]], said: str) -> None:
    put(cloudwatch, [1.0])
    with pytest.raises(ClientError, match=said):
        ask(cloudwatch, *queries)


def test_a_time_that_ends_before_it_begins_is_refused(cloudwatch: Any) -> None:
    with pytest.raises(ClientError, match="EndTime must be greater"):
        ask(cloudwatch, metric("m", "Sum"), begin=30)
