"""The metrics of an asynchronous endpoint: of its requests, of its backlog and of its instances."""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scaletozero import ModelError
from scaletozero.sandbox.aws.async_inference.backlog import Backlog
from scaletozero.sandbox.aws.async_inference.service import gauges


def test_the_metrics_that_the_service_has(world: Any) -> None:
    world.asynchronous("a")
    world.result(world.submit("a"))
    with pytest.raises(ModelError):
        world.result(world.submit("a", status=500))
    client = world.client("cloudwatch")
    of_variant = {
        "TimeInBacklog", "TotalProcessingTime", "RequestDownloadLatency", "ResponseUploadLatency", "ModelLatency",
        "InvocationsProcessed", "InvocationFailures", "Invocation4XXErrors", "Invocation5XXErrors",
    }  # fmt: skip
    of_endpoint = {
        "ApproximateBacklogSize", "ApproximateBacklogSizePerInstance", "ApproximateAgeOfOldestRequest",
        "HasBacklogWithoutCapacity",
    }  # fmt: skip

    def found() -> dict[str, set[str]] | None:
        metrics = client.list_metrics(Namespace="AWS/SageMaker")["Metrics"]
        by_name = {each["MetricName"]: {d["Name"] for d in each["Dimensions"]} for each in metrics}
        return by_name if of_variant | of_endpoint <= by_name.keys() else None

    by_name = world.wait_for(found)
    assert by_name.keys() == of_variant | of_endpoint  # not Invocations, not OverheadLatency
    assert all(by_name[name] == {"EndpointName", "VariantName"} for name in of_variant)
    assert all(by_name[name] == {"EndpointName"} for name in of_endpoint)
    now = datetime.now(UTC)

    def totals() -> list[float]:
        points = client.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="InvocationFailures",
            Dimensions=[{"Name": "EndpointName", "Value": "a"}, {"Name": "VariantName", "Value": "main"}],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=600,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        return [sum(each[key] for each in points) for key in ("Sum", "SampleCount")]

    world.wait_for(lambda: totals() == [1, 2])


def test_an_instance_has_one_sample_of_its_processors_a_minute(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its time is billed by, in `costs` and in a guard's alarm."""
    began, passed = time.time(), [0.0]
    monkeypatch.setattr(world.servers._runtime._async, "_clock", lambda: began + passed[0])
    world.asynchronous("a", instances=2)

    def samples() -> float:
        points = world.client("cloudwatch").get_metric_statistics(
            Namespace="/aws/sagemaker/Endpoints",
            MetricName="CPUUtilization",
            Dimensions=[{"Name": "EndpointName", "Value": "a"}, {"Name": "VariantName", "Value": "main"}],
            StartTime=datetime.now(UTC) - timedelta(minutes=5),
            EndTime=datetime.now(UTC) + timedelta(minutes=5),
            Period=600,
            Statistics=["SampleCount", "Minimum", "Maximum"],
        )["Datapoints"]
        # The first sample is of a start too, which takes as long as it takes and no shorter.
        most = 110 * (os.cpu_count() or 1)
        assert all(0 <= each["Minimum"] <= each["Maximum"] <= most for each in points)
        return sum(each["SampleCount"] for each in points)

    for minute in (1, 2, 3):
        world.wait_for(lambda wanted=2 * minute: samples() == wanted)
        passed[0] += 60


def test_there_is_no_backlog_for_each_instance_where_there_is_none() -> None:
    backlog = Backlog()
    assert gauges(backlog, 2, 0.0)["ApproximateBacklogSizePerInstance"] == 0
    assert "ApproximateBacklogSizePerInstance" not in gauges(backlog, 0, 0.0)
    assert gauges(backlog, 0, 0.0)["HasBacklogWithoutCapacity"] == 0
