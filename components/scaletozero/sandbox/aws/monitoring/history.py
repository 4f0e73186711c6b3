"""What was reported to the embedded CloudWatch, by the minute of its clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudwatch.models import MetricAggregatedDatum, cloudwatch_backends

from scaletozero.sandbox.aws.middleware import ACCOUNT
from scaletozero.sandbox.clock import Clock
from scaletozero.sandbox.monitoring.alarm import MINUTE, Metric, Reported

KEPT_MINUTES = 22 * 24 * 60
"""The longest alarm: a week, with the periods in which it looks back further."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class History:
    """The metrics of one region. It reads each datum of moto's list once, whenever it comes, and however late."""

    def __init__(self, region: str, clock: Clock) -> None:
        self._region, self._clock = region, clock
        self._read = 0
        self._minutes: dict[Metric, dict[int, Reported]] = defaultdict(dict)

    def update(self) -> None:
        """Reads what was reported since the last call."""
        reported = cloudwatch_backends[ACCOUNT][self._region].metric_data
        if len(reported) < self._read:  # it was reset
            self._read, self._minutes = 0, defaultdict(dict)
        for datum in reported[self._read :]:
            self._read += 1
            pairs = tuple(sorted((str(each.name), str(each.value)) for each in datum.dimensions))
            minute = self._minute(self._clock.at(datum.timestamp.replace(tzinfo=UTC)))
            into = self._minutes[Metric(datum.namespace, datum.name, pairs)].setdefault(minute, Reported())
            if isinstance(datum, MetricAggregatedDatum):
                into.add_set(datum.sum, datum.sample_count, datum.min, datum.max)
            else:
                into.add(float(datum.value))  # type: ignore[attr-defined]

    def forget(self, now: datetime) -> None:
        """Forgets what no alarm looks at any more."""
        oldest = self._minute(now) - KEPT_MINUTES
        for minutes in self._minutes.values():
            for minute in [each for each in minutes if each < oldest]:
                del minutes[minute]

    def __call__(self, metric: Metric, begin: datetime, end: datetime) -> Sequence[Reported]:
        """What was reported for the minutes from `begin` to `end`, both full minutes."""
        return list(self._between(self._minutes.get(metric, {}), self._minute(begin), self._minute(end)))

    def _between(self, minutes: dict[int, Reported], first: int, end: int) -> Iterator[Reported]:
        span: Any = range(first, end)
        # The shorter of the two: a day has 1440 minutes, and an endpoint that sleeps has few with data.
        found = (each for each in minutes if each in span) if len(minutes) < len(span) else span
        return (minutes[each] for each in found if each in minutes)

    @staticmethod
    def _minute(moment: datetime) -> int:
        return (moment - _EPOCH) // MINUTE


def full_minute(moment: datetime) -> datetime:
    """The full minute at or before a moment."""
    return moment - timedelta(seconds=moment.second, microseconds=moment.microsecond)
