"""Cold starts that callers have caused on SageMaker, by phase, from what AWS keeps of them. Pure: see the command.

CloudWatch has a value a minute, with its least, greatest and mean: the starts of a minute with one or two of them are
known exactly. Shapes: API references of CloudWatch (GetMetricData, DescribeAlarmHistory), CloudWatch Logs
(FilterLogEvents, DescribeLogStreams) and Application Auto Scaling (DescribeScalingActivities).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any

READY = re.compile(r"ready after ([0-9.]+) ms of loading: (\{[^{}]*\})")
"""What the container's server prints as soon as it can respond (`model_packaging.serving`)."""

READY_FILTER = '"ready after"'
"""The same for CloudWatch Logs."""

MINUTE = timedelta(minutes=1)

BEFORE = timedelta(minutes=15)
"""How long a request may wait before its alarm acts: an alarm of a minute, and CloudWatch's own delay."""

_WANTED = re.compile(r"Setting desired instance count to ([0-9]+)")
_ALARM = re.compile(r"monitor alarm (\S+) in state ALARM")

Points = Sequence[tuple[datetime, float]]


@dataclass(frozen=True)
class Ready:
    """A container that was started.

    Attributes:
        at: when it could respond.
        stream: its log stream.
        load_ms: how long it loaded.
        phases: the phases of that, in milliseconds.
    """

    at: datetime
    stream: str
    load_ms: float
    phases: Mapping[str, float]


def ready_of(events: Iterable[Mapping[str, Any]]) -> list[Ready]:
    """The starts that containers have logged, from `FilterLogEvents`; other lines are left out."""
    found = []
    for each in events:
        if (match := READY.search(str(each.get("message", "")))) is None:
            continue
        try:
            phases = {str(name): float(value) for name, value in json.loads(match[2]).items()}
        except (ValueError, TypeError):
            continue  # a line of somebody else that looks like it
        found.append(Ready(_moment(each["timestamp"]), each["logStreamName"], float(match[1]), phases))
    return sorted(found, key=lambda each: each.at)


@dataclass(frozen=True)
class Minute:
    """A metric in a minute: how many samples, the least, the greatest, and their mean."""

    at: datetime
    count: int
    low: float
    high: float
    mean: float

    def values(self) -> list[float]:
        """The samples; between the least and the greatest of three or more, the mean of the others."""
        if self.count < 3:
            return [self.low, self.high][: self.count] if self.count != 1 else [self.mean]
        between = (self.mean * self.count - self.low - self.high) / (self.count - 2)
        return [self.low, *([between] * (self.count - 2)), self.high]


def minutes(counts: Points, lows: Points, highs: Points, means: Points) -> list[Minute]:
    """A metric's minutes, from its four statistics."""
    low, high, mean = dict(lows), dict(highs), dict(means)
    return [
        Minute(at, round(count), low[at], high[at], mean[at])
        for at, count in counts
        if count and at in low and at in high and at in mean
    ]


@dataclass(frozen=True)
class Serverless:
    """The cold starts of a serverless endpoint.

    Attributes:
        setup: `ModelSetupTime` of each, in milliseconds.
        inexact: how many of them are the mean of a minute's others.
        overhead: of calls that were alone in their minute and met a start, the overhead without the start, in ms.
        containers: phase -> milliseconds, of each container that logged them.
    """

    setup: tuple[float, ...]
    inexact: int
    overhead: tuple[float, ...]
    containers: Mapping[str, tuple[float, ...]]


def serverless_starts(setup: Sequence[Minute], calls: Points, overhead: Points, ready: Sequence[Ready]) -> Serverless:
    """The cold starts of a serverless endpoint.

    Args:
        setup: `ModelSetupTime`, in microseconds.
        calls: `Invocations` of each minute.
        overhead: the mean `OverheadLatency` of each minute, in microseconds. It includes the start.
        ready: what the containers logged.
    """
    alone = {at for at, count in calls if count == 1}
    outside = dict(overhead)
    lone = [each for each in setup if each.at in alone and each.count == 1 and each.at in outside]
    return Serverless(
        tuple(value / 1000 for each in setup for value in each.values()),
        sum(max(0, each.count - 2) for each in setup),
        tuple(max(0.0, outside[each.at] - each.mean) / 1000 for each in lone),
        _by_phase(ready),
    )


def _by_phase(ready: Sequence[Ready]) -> dict[str, tuple[float, ...]]:
    names = dict.fromkeys(name for each in ready for name in each.phases)
    return {name: tuple(each.phases[name] for each in ready if name in each.phases) for name in names}


@dataclass(frozen=True)
class Wake:
    """A wake of an asynchronous endpoint.

    Attributes:
        at: the minute in which the first request waited, or else when instances were asked for.
        seconds: `queue`, `alarm`, `instance`, `container`, `model`, `answer` -> seconds, of those that are known.
        failed: why no instance came; empty if one did.
    """

    at: datetime
    seconds: Mapping[str, float] = field(default_factory=dict)
    failed: str = ""


@dataclass(frozen=True)
class Kept:
    """What AWS keeps of an asynchronous endpoint.

    Attributes:
        activities: `ScalingActivities` of its variant.
        alarms: `AlarmHistoryItems` of its alarms' states.
        streams: `logStreams` of its log group.
        ready: what its containers logged.
        waiting: `HasBacklogWithoutCapacity` of each minute; empty where it is not needed.
        processed: `InvocationsProcessed` of each minute; empty where it is not needed.
    """

    activities: Sequence[Mapping[str, Any]]
    alarms: Sequence[Mapping[str, Any]]
    streams: Sequence[Mapping[str, Any]]
    ready: Sequence[Ready]
    waiting: Points = ()
    processed: Points = ()


def asynchronous_wakes(kept: Kept) -> list[Wake]:
    """The wakes of an asynchronous endpoint: each time that instances were asked for while requests waited for one."""
    waiting = [at for at, value in kept.waiting if value > 0]
    activities = sorted(kept.activities, key=lambda each: each["StartTime"])
    found = []
    for each, after in zip_longest(activities, activities[1:]):
        wanted = _WANTED.search(str(each.get("Description", "")))
        began = each["StartTime"]
        first = _first_waiting(waiting, began)
        if not wanted or wanted[1] == "0" or first is None:
            continue
        if each.get("StatusCode") in ("Failed", "Unfulfilled", "Overridden"):
            reason = str(each.get("StatusMessage") or each["StatusCode"])
            found.append(Wake(first, failed=reason))
            continue
        until = after["StartTime"] if after else datetime.max.replace(tzinfo=UTC)
        found.append(Wake(first, _phases(kept, each, first, until)))
    return found


def _first_waiting(waiting: Sequence[datetime], began: datetime) -> datetime | None:
    """The minute since which requests waited without a break when instances were asked for; None if none did."""
    before = [at for at in waiting if began - BEFORE <= at <= began]
    if not before:
        return None
    first = before[-1]
    for at in reversed(before):
        if first - at > 2 * MINUTE:
            break
        first = at
    return first


def asked_for(activities: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The scaling activities that asked for instances, the earliest first."""
    found = ((_WANTED.search(str(each.get("Description", ""))), each) for each in activities)
    return sorted((each for match, each in found if match and match[1] != "0"), key=lambda each: each["StartTime"])


def forced_wake(kept: Kept, asked: datetime, answered: datetime) -> Wake:
    """The wake that a request has caused, whose moments are known without metrics.

    Args:
        kept: what AWS keeps since the request.
        asked, answered: when the request was submitted, and when its result was there, by the service's clock.
    """
    found = next(iter(asked_for(kept.activities)), None)
    if found is None:
        return Wake(asked, failed="no instance was asked for: another one, that callers had woken, has responded")
    # The clocks of the services have the resolution of a second here.
    if found["StartTime"] < asked - timedelta(seconds=1):
        return Wake(asked, failed="callers woke it before the request")
    return Wake(asked, _phases(kept, found, asked, datetime.max.replace(tzinfo=UTC), answered))


def _phases(
    kept: Kept, activity: Mapping[str, Any], first: datetime, until: datetime, answered: datetime | None = None
) -> dict[str, float]:
    began = activity["StartTime"]
    moments = {"queue": first, "alarm": _rung(kept.alarms, activity, first), "instance": began}
    streams = [
        (_moment(each["creationTime"]), each["logStreamName"])
        for each in kept.streams
        if not each["logStreamName"].endswith("/data-log") and began <= _moment(each["creationTime"]) < until
    ]
    made, stream = min(streams, default=(None, ""))
    ready = next((each for each in kept.ready if each.stream == stream), None)
    moments["container"] = made
    moments["model"] = ready.at - timedelta(milliseconds=ready.load_ms) if ready else None
    moments["answer"] = ready.at if ready else None
    last = ready.at if ready else made or began
    # A minute's value is of its calls until its end.
    if answered is None:
        answered = next((at + MINUTE for at, count in kept.processed if count and last < at + MINUTE <= until), None)
    known = [(name, at) for name, at in moments.items() if at is not None]
    ends = [at for _, at in known[1:]] + [answered]
    return {
        name: max(0.0, (end - at).total_seconds())
        for (name, at), end in zip(known, ends, strict=True)
        if end is not None
    }


def _rung(alarms: Iterable[Mapping[str, Any]], activity: Mapping[str, Any], first: datetime) -> datetime | None:
    """When the alarm went off that asked for instances."""
    named = _ALARM.search(str(activity.get("Cause", "")))
    times = [
        each["Timestamp"]
        for each in alarms
        if named
        and each.get("AlarmName") == named[1]
        and str(each.get("HistorySummary", "")).endswith("to ALARM")
        and first <= each["Timestamp"] <= activity["StartTime"]
    ]
    return max(times, default=None)


def _moment(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
