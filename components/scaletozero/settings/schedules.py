"""Windows in local time in which more units stay warm, and the rules for combining them."""

from __future__ import annotations

import re
import warnings
import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, field_serializer, model_validator

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, Text, nearest, reject

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of a week, in the order of `date.weekday()`."""

EVERY_DAY = tuple(range(len(DAYS)))

DAY = 24 * 60
"""Minutes of a day on the clock."""

_CLOCK = re.compile(r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)")

YEARS = (2000, 2099)
"""The years in which a single date may be."""

SHOWN = 50
"""Maximum number of overlapping pairs of windows that are reported."""

FORMER_NAME = "the key `on` of a window is now `date`; the old name ends with 0.3. Write `date: 2026-11-27`."

REFERENCE = date(2026, 1, 5)
"""The Monday from which a year of weekly windows is compared; the year includes every change of summer time."""


def _clock(value: object) -> object:
    # A YAML 1.1 reader gives 1080 for an unquoted 18:00 (base sixty), which already is the minute of the day.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= DAY:
        return value
    if value == "24:00":
        return DAY
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if not match:
        reject("must be a time of day from 00:00 to 24:00", "nothing could be scheduled", 'write it as "08:30"')
    return int(match["hour"]) * 60 + int(match["minute"])


Clock = Annotated[int, BeforeValidator(_clock)]
"""A time of day, in minutes since midnight on the local clock; 1440 is the midnight at the end of the day."""


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - {"Factory", "localtime"}  # of this machine, not of a place


def _zone(name: str) -> str:
    if name not in _zones():
        guess = nearest(name, _zones())
        reject(
            "must be a time zone of the IANA database",
            "the window would open at the wrong time",
            f"write `{guess}`" if guess else "write one such as `Europe/Berlin`",
        )
    return name


TimeZone = Annotated[Text, AfterValidator(_zone)]
"""The name of a time zone in the IANA database."""


def _days(value: object) -> object:
    return value if value == EVERY_DAY else days_of(value)


def days_of(value: object) -> tuple[int, ...]:
    """The days for names and ranges of names. It must be called inside a validator."""
    if not isinstance(value, list | tuple) or not value:
        reject("must be a list of days or ranges of days", "nothing could be scheduled", "write `[mon-fri]`")
    found: set[int] = set()
    for item in value:
        first, dash, last = str(item).lower().partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            reject(
                "must name days as `mon` or ranges of them as `mon-fri`",
                "nothing could be scheduled",
                "write `[mon-fri]`",
            )
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return tuple(sorted(found))


_TIME_OF_ENGINE = re.compile(r"(\d{4}-\d\d-\d\d)[T ]00:00:00(?:\.0+)?(?:Z| \+0000 UTC)")


def _date(value: object) -> object:
    # The engine reads an unquoted date as a time and passes that on.
    if isinstance(value, str) and (match := _TIME_OF_ENGINE.fullmatch(value)):
        value = match[1]
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, date) or isinstance(value, datetime):
        reject("must be a date", "nothing could be scheduled", "write it as 2026-11-27")
    if not YEARS[0] <= value.year <= YEARS[1]:
        reject(f"must be in a year from {YEARS[0]} to {YEARS[1]}", "the service would refuse it", "correct the year")
    return value


CalendarDate = date  # for a class with an attribute `date`

SingleDate = Annotated[date, BeforeValidator(_date)]
"""A calendar date; the engine passes it as midnight in UTC."""


class Window(Settings):
    """A time window in which more units stay warm.

    Attributes:
        days: the days on which it begins, names and ranges of names. Default: every day.
        date: the only date on which it begins, for a single event, instead of `days`. `on` is its former name.
        start, end: local times of day; "24:00" ends a day.
        overnight: whether `end` is on the next day.
        timezone: the time zone of `start` and `end`. Its summer time is followed.
        min: number of units that stay warm while it is open.
    """

    days: Annotated[tuple[int, ...], BeforeValidator(_days)] = EVERY_DAY
    date: SingleDate | None = None
    start: Clock
    end: Clock
    overnight: bool = False
    timezone: TimeZone
    min: Int

    @model_validator(mode="before")
    @classmethod
    def _former_name(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "on" not in data or "date" in data:
            return data
        warnings.warn(FORMER_NAME, FutureWarning, stacklevel=2)
        return {"date" if key == "on" else key: value for key, value in data.items()}

    @model_validator(mode="after")
    def _runs(self) -> Window:
        if self.date is not None and "days" in self.model_fields_set:
            reject("cannot be given together with `days`", "the window would begin on both", "remove one", at="date")
        if self.start == DAY:
            reject(
                "must be before 24:00", "it would begin on the next day", 'write "00:00" and the next day', at="start"
            )
        if not self.overnight and self.end <= self.start:
            fix = "write a later time, or add `overnight: true` if it ends on the next day"
            reject(f"must be after its start, {clock(self.start)}", "the window would never be open", fix, at="end")
        if self.overnight and self.end > self.start:
            fix = "remove `overnight`, or write two windows"
            reject("may end at most 24 hours after its start", "it would overlap itself on the next day", fix, at="end")
        return self

    @field_serializer("days")
    def _day_names(self, days: tuple[int, ...]) -> list[str]:
        return [DAYS[day] for day in days]

    @property
    def minutes(self) -> int:
        """How long it is open on the local clock, in minutes."""
        return self.end - self.start + (DAY if self.overnight else 0)

    def opening(self, day: CalendarDate) -> Opening:
        """The opening that begins on a local date."""
        zone = zoneinfo.ZoneInfo(self.timezone)
        midnight = datetime.combine(day, time())
        begin, end = midnight + timedelta(minutes=self.start), midnight + timedelta(minutes=self.start + self.minutes)
        return Opening(begin.replace(tzinfo=zone).astimezone(UTC), end.replace(tzinfo=zone, fold=1).astimezone(UTC))

    def openings(self, first: CalendarDate, last: CalendarDate) -> list[Opening]:
        """Every opening that begins between two local dates, both included."""
        if self.date is not None:
            return [self.opening(self.date)] if first <= self.date <= last else []
        span = (first + timedelta(days=step) for step in range((last - first).days + 1))
        return [self.opening(day) for day in span if day.weekday() in self.days]

    def __str__(self) -> str:
        when = self.date.isoformat() if self.date else days_text(self.days)
        next_day = " (next day)" if self.overnight else ""
        return f"{when} {clock(self.start)}-{clock(self.end)}{next_day} {self.timezone}"


class Opening(NamedTuple):
    """One time that a window is open, as instants in UTC; `end` is not part of it."""

    begin: datetime
    end: datetime


def clock(minute: int) -> str:
    """A minute of the day as text, such as `08:30`."""
    return f"{minute // 60:02}:{minute % 60:02}"


def days_text(days: Sequence[int]) -> str:
    """Days as text: `mon-fri`, or `mon,wed`."""
    if len(days) > 2 and all(b - a == 1 for a, b in pairwise(days)):
        return f"{DAYS[days[0]]}-{DAYS[days[-1]]}"
    return ",".join(DAYS[day] for day in days)


def cron_days(days: Iterable[int]) -> str:
    """Days in cron's numbers, which count from Sunday."""
    names = sorted((day + 1) % 7 for day in days)
    return "*" if len(names) == len(DAYS) else ",".join(map(str, names))


def window_findings(
    windows: Sequence[Window], *, floor: int, ceiling: int, path: str = "schedule", unit: str = "calls"
) -> list[Finding]:
    """Findings on conflicts between windows, or between them and the endpoint's scaling.

    Args:
        windows: the windows of one endpoint.
        floor: number of warm units outside the windows.
        ceiling: maximum number of units.
        path: the path of the windows.
        unit: the name of the units.
    """
    findings: list[Finding] = []
    for index, window in enumerate(windows):
        at = f"{path}.{index}.min"
        if window.min > ceiling:
            found = "that many would never be available", f"write {ceiling} or less, or raise `scaling.max`"
            findings.append(Finding(at, f"must be at most `scaling.max`, {ceiling} {unit}", str(window.min), *found))
        elif window.min <= floor:
            found = "the window would change nothing", f"write {floor + 1} or more, or remove the window"
            findings.append(Finding(at, f"must be above `scaling.min`, {floor}", str(window.min), *found))
    return findings + list(_overlaps(windows, path))


def _overlaps(windows: Sequence[Window], path: str) -> Iterable[Finding]:
    for (earlier, later), both in overlaps(windows).items():
        begin, end = both.begin.strftime("%a %Y-%m-%d %H:%M"), both.end.strftime("%a %H:%M")
        yield Finding(
            f"{path}.{later}",
            f"must not overlap {path}.{earlier} ({windows[earlier]})",
            f"{windows[later]}: both are open from {begin} to {end} UTC",
            "each could close what the other keeps open",
            "shorten one of them, or combine them into one window",
        )


Margins = Callable[[Window], tuple[int, int]]
"""Minutes before its start and after its end in which a window counts as open; less than a day each."""


def overlaps(
    windows: Sequence[Window],
    margins: Margins = lambda _: (0, 0),
    wanted: Callable[[Window, Window], bool] = lambda one, other: True,
) -> dict[tuple[int, int], Opening]:
    """The first `SHOWN` pairs of windows that are both open at some time in the compared year.

    Args:
        windows: the windows.
        margins: see `Margins`.
        wanted: whether to compare a pair, given with the earlier one first.

    Returns:
        The two indices, the smaller first -> the first time at which both are open; in the order of the later window.
    """
    widened = [timedelta(minutes=early) for early, _ in map(margins, windows)]
    longer = [timedelta(minutes=late) for _, late in map(margins, windows)]
    found: dict[tuple[int, int], Opening] = {}
    for first, last in _spans(windows):
        opened = sorted(
            (begin - widened[index], end + longer[index], index)
            for index, window in enumerate(windows)
            for begin, end in window.openings(first, last)
        )
        _sweep(windows, opened, wanted, found)
    return dict(sorted(found.items(), key=lambda pair: (pair[0][1], pair[0][0])))


def _sweep(
    windows: Sequence[Window],
    opened: Iterable[tuple[datetime, datetime, int]],
    wanted: Callable[[Window, Window], bool],
    found: dict[tuple[int, int], Opening],
) -> None:
    """Iterates over openings in the order in which they begin, with those that are still open."""
    still: list[tuple[datetime, int]] = []
    for begin, end, index in opened:
        still = [each for each in still if each[0] > begin]
        for until, other in still:
            pair = min(index, other), max(index, other)
            if other == index or pair in found or not wanted(windows[pair[0]], windows[pair[1]]):
                continue
            if len(found) == SHOWN:
                return
            found[pair] = Opening(begin, min(end, until))
        still.append((end, index))


def _spans(windows: Sequence[Window]) -> list[tuple[date, date]]:
    """The dates to compare: a year of weekly windows, and the days around each single date."""
    around = timedelta(days=5)
    spans: list[tuple[date, date]] = []
    for day in sorted({window.date for window in windows if window.date is not None}):
        if spans and day - around <= spans[-1][1]:
            spans[-1] = spans[-1][0], day + around
        else:
            spans.append((day - around, day + around))
    if any(window.date is None for window in windows):
        spans.insert(0, (REFERENCE, REFERENCE + timedelta(days=371)))
    return spans


def over(windows: Sequence[Window], now: datetime, path: str = "schedule") -> list[Finding]:
    """Findings on windows for a single date in the past, which services refuse to schedule.

    Not a rule of the settings themselves, so that an environment can still be inspected and deleted later.
    """
    return [
        Finding(
            f"{path}.{index}.date",
            "must not be in the past",
            f"{window}",
            "the service would refuse it",
            "remove the window",
        )
        for index, window in enumerate(windows)
        if window.date is not None and window.opening(window.date).end <= now
    ]
