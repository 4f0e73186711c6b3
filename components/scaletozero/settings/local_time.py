"""Local clocks that skip and repeat hours, and the minutes at which windows can be opened and closed. Pure.

An hour that a clock skips in spring does not happen, and a scheduled action in it is skipped (EventBridge Scheduler
user guide, daylight saving time); an hour that it repeats in autumn is ambiguous. So no action is put into such an
hour: an opening is moved before it, a closing after it, on every day of the year.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise

from scaletozero.settings.schedules import DAY

_YEARS = (2024, 2038)
"""The years whose clock changes are avoided; time zone rules are not made further ahead."""


@dataclass(frozen=True)
class Jump:
    """A part of the local clock that is skipped or repeated on some day.

    Attributes:
        start: its first minute, as a minute of the day; negative where it begins the day before.
        length: minutes.
        skipped: whether it is skipped; repeated otherwise.
    """

    start: int
    length: int
    skipped: bool


@cache
def jumps(timezone: str) -> tuple[Jump, ...]:
    """Every part of a time zone's clock that does not occur exactly once on each day."""
    zone = zoneinfo.ZoneInfo(timezone)
    found: set[Jump] = set()
    begin, end = (datetime(year, 1, 1, tzinfo=UTC) for year in _YEARS)
    instants = [begin + timedelta(days=step) for step in range((end - begin).days)]
    offsets = [_offset(zone, instant) for instant in instants]
    for (instant, old), (_, new) in pairwise(zip(instants, offsets, strict=True)):
        if old != new:
            change = next(m for m in range(DAY + 1) if _offset(zone, instant + timedelta(minutes=m)) == new)
            local = instant + timedelta(minutes=change + min(old, new))
            found.add(Jump(local.hour * 60 + local.minute, abs(new - old), new > old))
    return tuple(sorted(found, key=lambda jump: (jump.start, jump.length)))


def _offset(zone: zoneinfo.ZoneInfo, instant: datetime) -> int:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) // 60


def opens(minute: int, lead: int, timezone: str) -> int:
    """The minute of the day, possibly of an earlier day (negative), at which a window has to be opened.

    At least `lead` minutes pass from it to `minute` on every day, even if the clock skips some of them.
    """
    early = minute - lead
    early -= max(
        (jump.length for jump, begin in _around(timezone, early, minute) if jump.skipped and begin < minute), default=0
    )
    while inside := [
        begin for jump, begin in _around(timezone, early, early + 1) if begin <= early < begin + jump.length
    ]:
        early = min(inside) - 1
    return early


def closes(minute: int, timezone: str) -> int:
    """The minute of the day, possibly of the next, at which a window that ends at `minute` can be closed."""
    while inside := [
        begin + jump.length
        for jump, begin in _around(timezone, minute, minute + 1)
        if begin <= minute < begin + jump.length
    ]:
        minute = max(inside)
    return minute


def _around(timezone: str, first: int, last: int) -> Iterator[tuple[Jump, int]]:
    """The jumps that overlap the minutes from `first` to `last`, with the minute at which each begins there."""
    for jump in jumps(timezone):
        for day in range((first - jump.length) // DAY - 1, last // DAY + 2):
            begin = jump.start + day * DAY
            if begin < last and begin + jump.length > first:
                yield jump, begin
