"""Schedules the calls that keep an endpoint warm during its windows. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from scaletozero.scaling.cost import CALL_MINUTES
from scaletozero.scaling.timeline import spans
from scaletozero.settings.schedules import DAYS, Window


@dataclass(frozen=True)
class Calls:
    """One schedule of calls.

    Attributes:
        label: a short name, unique among the schedules of an endpoint.
        expression, timezone: the time of the calls, in EventBridge Scheduler's syntax.
        count: number of calls at a time.
    """

    label: str
    expression: str
    timezone: str
    count: int


def calls(windows: Sequence[Window], *, lead: int) -> list[Calls]:
    """The schedules of an endpoint's calls: every few minutes while a window is open or about to open.

    Args:
        windows: validated windows without conflicts.
        lead: minutes before a window's opening at which calls begin.
    """
    # For each day and floor, the minutes of each hour at which calls are made.
    hours: dict[tuple[int | str, str, int, int], set[int]] = defaultdict(set)
    for span in spans(windows, lead=lead):
        first = span.start - span.start % CALL_MINUTES
        for minute in range(first, span.end, CALL_MINUTES):
            hours[span.day, span.timezone, span.floor, minute // 60].add(minute % 60)
    # Hours with the same minutes are one expression, and so are days with the same hours.
    same: dict[tuple[int | str, str, int, tuple[int, ...]], list[int]] = defaultdict(list)
    for (day, timezone, floor, hour), minutes in sorted(hours.items(), key=str):
        same[day, timezone, floor, tuple(sorted(minutes))].append(hour)
    days: dict[tuple[str, str, int, tuple[int, ...], tuple[int, ...]], list[int]] = defaultdict(list)
    for (day, timezone, floor, minutes), found in same.items():
        date = day if isinstance(day, str) else ""
        days[date, timezone, floor, minutes, tuple(sorted(found))] += [day] if isinstance(day, int) else []
    return [
        _schedule(date, sorted(weekdays), timezone, floor, minutes, found)
        for (date, timezone, floor, minutes, found), weekdays in sorted(days.items())
    ]


def _schedule(
    date: str, weekdays: Sequence[int], timezone: str, floor: int, minutes: Sequence[int], hours: Sequence[int]
) -> Calls:
    whole = len(minutes) * CALL_MINUTES == 60
    when = f"0/{CALL_MINUTES}" if whole else ",".join(map(str, minutes))
    at = ",".join(map(str, hours))
    if date:
        year, month, day = (int(part) for part in date.split("-"))
        which, label = f"{day} {month} ? {year}", date
    else:
        names = ",".join(DAYS[day].upper() for day in weekdays)
        which, label = f"? * {names or '*'} *", "-".join(DAYS[day] for day in weekdays)
    where = timezone.replace("/", "-").replace("+", "-plus-").lower()  # `Etc/GMT+5` is not `Etc/GMT-5`
    return Calls(f"{label}-{hours[0]:02}{minutes[0]:02}-{floor}-{where}", f"cron({when} {at} {which})", timezone, floor)
