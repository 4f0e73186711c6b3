"""A target on trial: what its alarm's history says of it, and which targets are asked then."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.gateway.service.canaries import Trial, has_sounded, verdict
from scaletozero.gateway.service.ways import Way, in_order
from scaletozero.settings.gateway import Gateway
from scaletozero.settings.gateway_canary import Canary

SINCE = datetime(2026, 12, 1, 9, tzinfo=UTC)
WRITTEN = {"alarm": "new-is-bad", "since": "2026-12-01T09:00:00Z", "promote_after_hours": 24}
CANARY = parse(Canary, WRITTEN, "canary")
API = {"base_url": "https://api.example.com/v1", "model": "there", "secret": "key", "price": "openai/gpt-5-mini"}


@pytest.mark.parametrize(
    ("hours", "sounded", "silent", "expected"),
    [
        (1, False, True, "on trial"),
        (24, False, True, "promoted"),
        (24, False, False, "on trial"),
        (1, True, False, "rolled back"),
        (48, True, True, "rolled back"),
        (24 * 28, False, True, "rolled back"),
    ],
)
def test_a_verdict(hours: int, sounded: bool, silent: bool, expected: str) -> None:
    assert verdict(CANARY, SINCE + timedelta(hours=hours), sounded, silent) == expected


class CloudWatch:
    """An alarm and its history."""

    def __init__(self, state: str | None, *history: str) -> None:
        self.state, self.history, self.asked = state, history, cast("list[Any]", [])

    def describe_alarms(self, **asked: Any) -> Any:
        if self.state == "denied":
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "DescribeAlarms")
        return {"MetricAlarms": [{"StateValue": self.state}] if self.state else []}

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **asked: Any) -> Any:
        self.asked.append(asked)
        items = [{"HistoryData": json.dumps({"newState": {"stateValue": each}})} for each in self.history]
        return [{"AlarmHistoryItems": [each]} for each in items] or [{"AlarmHistoryItems": []}]


def looked(cloudwatch: CloudWatch, hours: int = 1) -> Trial:
    trial = Trial(CANARY, "new", cloudwatch, now=lambda: SINCE + timedelta(hours=hours))

    async def look() -> None:
        assert trial.look() == "on trial", "no request waits for the alarm"
        assert trial.reading
        await trial.reading

    asyncio.run(look())
    return trial


@pytest.mark.parametrize(
    ("cloudwatch", "hours", "expected"),
    [
        (CloudWatch("OK", "OK"), 1, "on trial"),
        (CloudWatch("OK", "OK"), 25, "promoted"),
        (CloudWatch("ALARM"), 1, "rolled back"),
        (CloudWatch("OK", "OK", "ALARM"), 25, "rolled back"),
        (CloudWatch("INSUFFICIENT_DATA"), 25, "on trial"),
        (CloudWatch(None), 25, "on trial"),
        (CloudWatch("denied"), 25, "on trial"),
    ],
)
def test_an_alarm_decides(cloudwatch: CloudWatch, hours: int, expected: str) -> None:
    assert looked(cloudwatch, hours).verdict == expected
    assert all(each["StartDate"] == SINCE for each in cloudwatch.asked)


def test_the_order_of_targets_follows_the_verdict() -> None:
    trial = Trial(CANARY, "new", None)
    trial.look = lambda: trial.verdict  # pyright: ignore[reportAttributeAccessIssue]
    old, new, last = Way(cast("Any", "old"), 9), Way(cast("Any", "new"), 1, trial=trial), Way(cast("Any", "last"))
    for found, expected in (
        ("on trial", [old, new, last]),
        ("promoted", [new, old, last]),
        ("rolled back", [old, last]),
    ):
        trial.verdict = cast("Any", found)
        assert in_order([old, new, last], draw=lambda: 0.5) == expected


def test_history_without_a_sound() -> None:
    assert not has_sounded([{"HistoryData": "{}"}])


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ([{"provider": API}, {"provider": API, "canary": WRITTEN}], "targets.1.canary: must be beside a `weight`"),
        ([{"provider": API, "weight": 1, "canary": WRITTEN}, {"provider": API}], "beside another one with a `weight`"),
        ([{"provider": API, "weight": 1, "canary": {**WRITTEN, "since": "2026-12-01T09:00:00"}}], "canary.since"),
        ([{"provider": API, "weight": 1, "canary": {**WRITTEN, "promote_after_hours": 9999}}], "from 1 to 504 hours"),
        ([{"provider": API, "weight": 1, "canary": {**WRITTEN, "alarm": "a\nb"}}], "must be the name of an alarm"),
    ],
)
def test_a_trial_that_would_not_work_is_refused(targets: Any, said: str) -> None:
    with pytest.raises(FindingsError) as caught:
        parse(Gateway, {"models": {"m": {"targets": targets}}}, "gateway")
    assert said in str(caught.value)


def test_a_function_has_no_trial() -> None:
    targets = [{"provider": API, "weight": 9}, {"provider": API, "weight": 1, "canary": WRITTEN}]
    with pytest.raises(FindingsError, match="canary: must not be in a function"):
        parse(Gateway, {"models": {"m": {"targets": targets}}, "function": {}}, "gateway")
