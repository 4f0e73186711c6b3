"""Turns windows into the moments at which a service has to change the floor. Pure.

A floor is in force from one cold start before a window opens until it closes, on every day of the year.
No action is scheduled in an hour that a clock skips or repeats (see `scaletozero.settings.local_time`). If one
window follows another, the end of the earlier one must not undo the early start of the later one: the scheduled floor
is the highest of all open windows.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import ceil

from model_packaging.findings import Finding
from scaletozero.settings.local_time import closes, opens
from scaletozero.settings.schedules import DAY, DAYS, Opening, Window, days_text, overlaps

WEEK = 7 * DAY

SERVICE_MINUTES = 2
"""Minutes in addition to the cold start: one because actions have that precision, one to change the endpoint."""


def lead_minutes(cold_start_seconds: float) -> int:
    """Minutes by which a window has to be opened early, so that its containers are warm at its start."""
    return ceil(cold_start_seconds / 60) + SERVICE_MINUTES


@dataclass(frozen=True)
class Action:
    """A moment at which the floor changes.

    Attributes:
        label: a short name, unique among one endpoint's actions.
        expression: `cron(...)` or `at(...)`, as Application Auto Scaling and EventBridge Scheduler read them.
        timezone: the time zone of the expression.
        floor: the number of warm units from then on.
    """

    label: str
    expression: str
    timezone: str
    floor: int


@dataclass(frozen=True)
class Span:
    """A part of a weekday, or of a date in UTC, during which a floor is in force.

    Attributes:
        day: the weekday (0 is Monday), or the date.
        start, end: minutes of that day; `end` is not part of it.
        timezone: the time zone of these minutes.
        floor: the number of warm units.
    """

    day: int | str
    start: int
    end: int
    timezone: str
    floor: int


def spans(windows: Sequence[Window], *, lead: int) -> list[Span]:
    """When each floor is in force, including early starts, by day."""
    found: list[Span] = []
    for timezone in sorted({window.timezone for window in windows if window.date is None}):
        levels = _levels([window for window in windows if window.date is None and window.timezone == timezone], lead)
        for day in range(7):
            found += _stretches(levels[day * DAY : (day + 1) * DAY], day, timezone)
    for window in windows:
        if window.date is not None:
            opening = _early(window.opening(window.date), lead)
            for begin, end in _dates(opening):
                minutes = begin.hour * 60 + begin.minute
                length = int((end - begin).total_seconds()) // 60
                found.append(Span(begin.date().isoformat(), minutes, minutes + length, "UTC", window.min))
    return found


def _levels(windows: Sequence[Window], lead: int) -> list[int]:
    """The floor in each minute of a week, 0 if no window is open."""
    levels = [0] * WEEK
    for window in windows:
        for day in window.days:
            begin = day * DAY + opens(window.start, lead, window.timezone)
            end = day * DAY + closes(window.start + window.minutes, window.timezone)
            for minute in range(begin, min(end, begin + WEEK)):
                levels[minute % WEEK] = max(levels[minute % WEEK], window.min)
    return levels


def _stretches(levels: Sequence[int], day: int, timezone: str) -> Iterator[Span]:
    start = 0
    for minute in range(1, len(levels) + 1):
        if minute == len(levels) or levels[minute] != levels[start]:
            if levels[start]:
                yield Span(day, start, minute, timezone, levels[start])
            start = minute


def _dates(opening: Opening) -> Iterator[tuple[datetime, datetime]]:
    begin = opening.begin
    while begin < opening.end:
        midnight = begin.replace(hour=0, minute=0) + timedelta(days=1)
        yield begin, min(midnight, opening.end)
        begin = midnight


def _early(opening: Opening, lead: int) -> Opening:
    return Opening(opening.begin - timedelta(minutes=lead), opening.end)


def actions(windows: Sequence[Window], *, base: int, lead: int, now: datetime) -> list[Action]:
    """The scheduled actions: two for each window, fewer if windows touch.

    Args:
        windows: validated windows without conflicts.
        base: the floor outside the windows.
        lead: minutes by which windows are opened early.
        now: past actions of single dates are omitted, because services refuse them.
    """
    found: list[Action] = []
    for timezone in sorted({window.timezone for window in windows if window.date is None}):
        group = [window for window in windows if window.date is None and window.timezone == timezone]
        levels = [level or base for level in _levels(group, lead)]
        changes: dict[tuple[int, int], list[int]] = {}
        for minute in range(WEEK):
            if levels[minute] != levels[minute - 1]:
                changes.setdefault((minute % DAY, levels[minute]), []).append(minute // DAY)
        for (minute, floor), days in sorted(changes.items()):
            found.append(_weekly(minute, days, timezone, floor))
    for window in windows:
        if window.date is not None:
            opening = _early(window.opening(window.date), lead)
            moments = ((opening.begin, window.min, "open"), (opening.end, base, "close"))
            found += [_once(at, floor, label) for at, floor, label in moments if at > now]
    return found


def _weekly(minute: int, days: Sequence[int], timezone: str, floor: int) -> Action:
    names = "*" if len(days) == 7 else ",".join(DAYS[day].upper() for day in days)
    hour, rest = divmod(minute, 60)
    where = timezone.replace("/", "-").lower()
    when = "daily" if names == "*" else days_text(days).replace("-", "-to-").replace(",", "-")
    return Action(f"{when}-{hour:02}{rest:02}-{where}", f"cron({rest} {hour} ? * {names} *)", timezone, floor)


def _once(at: datetime, floor: int, label: str) -> Action:
    # In UTC, whose clocks skip and repeat no hour.
    return Action(f"{at:%Y%m%dt%H%M}-{label}", f"at({at:%Y-%m-%dT%H:%M:%S})", "UTC", floor)


def floor_at(windows: Sequence[Window], *, base: int, lead: int, now: datetime) -> int:
    """The floor that is in force at a moment, including early starts."""
    highest = base
    for span in spans(windows, lead=lead):
        local = now.astimezone(zoneinfo.ZoneInfo(span.timezone))
        today = local.weekday() if isinstance(span.day, int) else local.date().isoformat()
        if today == span.day and span.start <= local.hour * 60 + local.minute < span.end:
            highest = max(highest, span.floor)
    return highest


def kept_seconds(
    windows: Sequence[Window], *, base: int, lead: int, since: datetime, until: datetime
) -> dict[date, int]:
    """Unit-seconds that a schedule kept warm between two moments, by day in UTC; days without any are left out.

    Args:
        base: the floor outside the windows.
        lead: minutes by which windows are opened early.
    """
    found: dict[date, int] = {}
    by_zone: dict[str, dict[int | str, list[Span]]] = {}
    for span in spans(windows, lead=lead):
        by_zone.setdefault(span.timezone, {}).setdefault(span.day, []).append(span)
    at = since.astimezone(UTC)
    while at < until:
        begun = at.replace(second=0, microsecond=0)
        # Without windows nothing changes within a day.
        after = begun + timedelta(minutes=1) if by_zone else begun.replace(hour=0, minute=0) + timedelta(days=1)
        after = min(after, until)
        highest = base
        for zone, days in by_zone.items():
            local = at.astimezone(zoneinfo.ZoneInfo(zone))
            here = (*days.get(local.weekday(), ()), *days.get(local.date().isoformat(), ()))
            minute = local.hour * 60 + local.minute
            highest = max([highest, *(each.floor for each in here if each.start <= minute < each.end)])
        if highest:
            found[at.date()] = found.get(at.date(), 0) + round(highest * (after - at).total_seconds())
        at = after
    return found


def early_conflicts(windows: Sequence[Window], lead: int, path: str = "schedule") -> Iterable[Finding]:
    """Windows in different time zones of which one would close what the other has opened early.

    Windows in the same time zone may touch: the higher floor of both is then scheduled.
    """

    def margins(window: Window) -> tuple[int, int]:
        if window.date is not None:
            return lead, 0
        end = window.start + window.minutes
        return window.start - opens(window.start, lead, window.timezone), closes(end, window.timezone) - end

    def on_two_clocks(one: Window, other: Window) -> bool:
        return one.timezone != other.timezone or one.date is not None or other.date is not None

    together = overlaps(windows, wanted=on_two_clocks)
    for (earlier, later), _ in overlaps(windows, margins, on_two_clocks).items():
        if (earlier, later) not in together:
            yield Finding(
                f"{path}.{later}",
                f"must be at least {lead} minutes apart from {path}.{earlier} ({windows[earlier]})",
                f"{windows[later]}, which is opened {lead} minutes early for the cold start",
                "the end of one would close what the other has opened",
                "make the gap longer, or write both in the same time zone",
            )


def warm_hours_per_month(windows: Sequence[Window], *, base: int, lead: int) -> float:
    """Unit-hours that a schedule keeps warm in a month of 730 hours, without single dates."""
    weekly = base * WEEK
    for timezone in {window.timezone for window in windows if window.date is None}:
        levels = _levels([window for window in windows if window.date is None and window.timezone == timezone], lead)
        weekly += sum(max(0, level - base) for level in levels)
    return weekly / WEEK * 730
