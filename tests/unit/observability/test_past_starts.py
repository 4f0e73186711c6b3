"""Cold starts from what AWS keeps: responses in the shapes of its APIs, made of known times."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.observability.past_starts import (
    Kept,
    Minute,
    asynchronous_wakes,
    minutes,
    ready_of,
    serverless_starts,
)

AT = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
ALARM = "acme-prod-llm-backlog-without-capacity-0123abc"
LINE = (
    'ready after 812 ms of loading: {"python": 90.1, "imports": 310.0, "verify": 40.2, "load": 250.0, "canary": 12.0}'
)


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def milliseconds(seconds: float) -> int:
    return int(after(seconds).timestamp() * 1000)


def event(seconds: float, message: str = LINE, stream: str = "AllTraffic/i-1") -> dict[str, Any]:
    """As FilterLogEvents has it."""
    at = milliseconds(seconds)
    return {"logStreamName": stream, "timestamp": at, "message": message, "ingestionTime": at + 900, "eventId": "36"}


def test_the_phases_that_a_container_logged() -> None:
    (found,) = ready_of([event(5), event(6, "ready after a while"), event(7, "ready after 1 ms of loading: {x}")])
    assert (found.at, found.load_ms, found.phases["imports"]) == (after(5), 812, 310)


def test_what_the_server_prints_is_read() -> None:
    """The line is written by the server in the container, which imports nothing of this."""
    import inspect

    from model_packaging.serving import serve

    assert 'print(f"ready after {(time.perf_counter() - began) * 1000:.0f} ms of loading: {json.dumps(phases)}"' in (
        inspect.getsource(serve)
    )


@given(st.lists(st.floats(1e3, 1e7), min_size=1, max_size=2))
def test_one_or_two_starts_of_a_minute_are_known_exactly(values: list[float]) -> None:
    (minute,) = minutes(
        [(AT, len(values))], [(AT, min(values))], [(AT, max(values))], [(AT, sum(values) / len(values))]
    )
    assert sorted(minute.values()) == pytest.approx(sorted(values))


@given(st.lists(st.floats(1e3, 1e7), min_size=3, max_size=9))
def test_of_more_their_ends_and_their_sum_are_right(values: list[float]) -> None:
    found = Minute(AT, len(values), min(values), max(values), sum(values) / len(values)).values()
    assert (len(found), min(found), max(found)) == (
        len(values),
        pytest.approx(min(values)),
        pytest.approx(max(values)),
    )
    assert sum(found) == pytest.approx(sum(values))


def test_the_starts_of_a_serverless_endpoint() -> None:
    """Two minutes: one call that was alone and cold, and five calls with three starts."""
    later = after(60)
    setup = [Minute(AT, 1, 2e6, 2e6, 2e6), Minute(later, 3, 1e6, 3e6, 2e6)]
    found = serverless_starts(setup, [(AT, 1), (later, 5)], [(AT, 2.1e6), (later, 9e6)], ready_of([event(5)]))
    assert found.setup == (2000, 1000, 2000, 3000)
    assert found.inexact == 1
    # The overhead includes the start; of calls among others it cannot be told.
    assert found.overhead == (100,)
    assert found.containers["load"] == (250,)


def activity(seconds: float, wanted: int = 1, **changes: Any) -> dict[str, Any]:
    """As DescribeScalingActivities has it."""
    return {
        "ActivityId": "e6c5f7d1-dbbb-4a3f-89b2-51f33e766399",
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/acme-prod-llm/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "Description": f"Setting desired instance count to {wanted}.",
        "Cause": f"monitor alarm {ALARM} in state ALARM triggered policy wake",
        "StartTime": after(seconds),
        "EndTime": after(seconds + 300),
        "StatusCode": "Successful",
        "StatusMessage": f"Successfully set desired instance count to {wanted}. Change successfully fulfilled.",
        **changes,
    }


def rang(seconds: float, name: str = ALARM, summary: str = "Alarm updated from INSUFFICIENT_DATA to ALARM") -> Any:
    """As DescribeAlarmHistory has it."""
    return {
        "AlarmName": name,
        "AlarmType": "MetricAlarm",
        "Timestamp": after(seconds),
        "HistoryItemType": "StateUpdate",
        "HistorySummary": summary,
    }


def stream(seconds: float, name: str = "AllTraffic/i-1") -> dict[str, Any]:
    """As DescribeLogStreams has it."""
    return {"logStreamName": name, "creationTime": milliseconds(seconds), "storedBytes": 0}


def kept(**changes: Any) -> Kept:
    """A wake: a request at 0, the alarm at 130, instances asked for at 140, a container at 400, ready at 460."""
    whole: dict[str, Any] = {
        "activities": [activity(140), activity(4000, 0)],
        "alarms": [rang(130), rang(135, "another"), rang(100, summary="Alarm updated from ALARM to OK")],
        "streams": [stream(400), stream(401, "AllTraffic/i-1/data-log"), stream(-500, "AllTraffic/i-0")],
        "ready": ready_of([event(460), event(-400, stream="AllTraffic/i-0")]),
        "waiting": [(after(each), 1.0) for each in range(-600, -540, 60)]
        + [(after(each), 1.0) for each in (0, 60, 120)],
        "processed": [(after(420), 0.0), (after(480), 3.0)],
    }
    return Kept(**{**whole, **changes})


def test_the_phases_of_a_wake() -> None:
    (found,) = asynchronous_wakes(kept())
    assert (found.at, found.failed) == (AT, "")
    assert found.seconds == pytest.approx(
        {"queue": 130, "alarm": 10, "instance": 260, "container": 59.188, "model": 0.812, "answer": 80}
    )


def test_what_is_not_kept_any_more_is_part_of_the_phase_before_it() -> None:
    (found,) = asynchronous_wakes(kept(alarms=[], ready=[]))
    assert found.seconds == {"queue": 140, "instance": 260, "container": 140}
    (found,) = asynchronous_wakes(kept(streams=[], processed=[]))
    assert found.seconds == {"queue": 130, "alarm": 10}


def test_a_wake_that_fails_is_no_time() -> None:
    said = "Failed to set desired instance count to 1. Reason: InsufficientInstanceCapacity"
    (found,) = asynchronous_wakes(kept(activities=[activity(140, StatusCode="Failed", StatusMessage=said)]))
    assert (found.failed, found.seconds) == (said, {})


def test_instances_that_are_added_to_others_are_no_wake() -> None:
    assert asynchronous_wakes(kept(activities=[])) == []
    assert asynchronous_wakes(kept(waiting=[])) == []
    assert asynchronous_wakes(kept(waiting=[(after(-3000), 1.0)])) == []
    assert asynchronous_wakes(kept(activities=[activity(140, 0)])) == []


def test_the_container_of_the_next_wake_is_not_this_ones() -> None:
    found = kept(
        activities=[activity(140), activity(300, 0), activity(4140)],
        streams=[stream(4400, "AllTraffic/i-2")],
        waiting=[(AT, 1.0), (after(4020), 1.0)],
        ready=[],
        processed=[(after(4440), 1.0)],
        alarms=[],
    )
    first, second = asynchronous_wakes(found)
    assert first.seconds == {"queue": 140}
    assert second.seconds == {"queue": 120, "instance": 260, "container": 100}
