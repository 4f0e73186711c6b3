"""Evaluates AWS's schedule expressions, without side effects.

`cron(minutes hours day-of-month month day-of-week year)`, `rate(value unit)` and `at(yyyy-mm-ddThh:mm:ss)`, as
EventBridge Scheduler and Application Auto Scaling document them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1
    )
}
_DAYS = {name: number for number, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], 1)}
_FIELDS = (
    ("minutes", 0, 59, {}),
    ("hours", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 1, 7, _DAYS),
    ("year", 1970, 2199, {}),
)
_UNITS = {"minute": 60, "hour": 3600, "day": 86400}

MINUTE = timedelta(minutes=1)


def fires(expression: str, timezone: str, after: datetime, until: datetime, since: datetime) -> bool:
    """Whether a schedule fires in the minutes after `after` up to `until`.

    Args:
        timezone: IANA name of the time zone of the expression.
        after, until: aware times.
        since: aware time from which a rate counts.

    Raises:
        ValueError: the expression or the time zone is invalid, or uses L, W or #.
    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"must be an IANA time zone, got {timezone!r}") from error
    match = re.fullmatch(r"(at|rate|cron)\((.*)\)", expression.strip())
    if not match:
        raise ValueError(f"must be at(...), rate(...) or cron(...), got {expression!r}")
    kind, text = match.groups()
    if kind == "at":
        moment = datetime.fromisoformat(text).replace(tzinfo=zone)
        return after < moment <= until
    if kind == "rate":
        step = _rate(text)
        return (until - since) // step > max(after - since, timedelta(0)) // step
    allowed = _cron(text)
    return any(_matches(allowed, minute.astimezone(zone)) for minute in _minutes(after, until))


def _rate(text: str) -> timedelta:
    match = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", text)
    if not match:
        raise ValueError(f"must be rate(value minutes|hours|days), got rate({text})")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _minutes(after: datetime, until: datetime) -> Iterator[datetime]:
    minute = after.astimezone(UTC).replace(second=0, microsecond=0) + MINUTE
    while minute <= until:
        yield minute
        minute += MINUTE


def _cron(text: str) -> list[frozenset[int]]:
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"must have six fields, got cron({text})")
    return [_field(part, *field) for part, field in zip(parts, _FIELDS, strict=True)]


def _field(part: str, what: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for piece in part.upper().split(","):
        match = re.fullmatch(r"(\*|\?|([A-Z0-9]+)(?:-([A-Z0-9]+))?)(?:/(\d+))?", piece)
        if not match:
            raise ValueError(f"{what}: not understood: {part!r}")
        whole, first, last, step = match.groups()
        start = low if whole in "*?" else _number(first, what, low, high, names)
        end = high if whole in "*?" or (step and last is None) else _number(last or first, what, low, high, names)
        found.update(range(start, end + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str, what: str, low: int, high: int, names: dict[str, int]) -> int:
    number = names.get(text, int(text) if text.isdigit() else -1)
    if not low <= number <= high:
        raise ValueError(f"{what} must be between {low} and {high}, got {text}")
    return number


def _matches(allowed: list[frozenset[int]], local: datetime) -> bool:
    if local.fold:  # the hour that a change of clocks repeats must fire once
        return False
    weekday = local.isoweekday() % 7 + 1
    values = (local.minute, local.hour, local.day, local.month, weekday, local.year)
    return all(value in field for value, field in zip(values, allowed, strict=True))
