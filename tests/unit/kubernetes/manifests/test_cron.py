"""A window's cron triggers against KEDA's own rule: awake through every window, early by the lead, asleep otherwise."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_packaging.validation import parse
from scaletozero.kubernetes.manifests.cron import cron_triggers
from scaletozero.settings.schedules import Window

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")


def field(text: str, values: range) -> set[int]:
    return set(values) if text == "*" else {int(each) for each in text.split(",")}


def upcoming(expression: str, zone: str, now: datetime) -> datetime:
    """The next time after `now` at which a cron expression of minute, hour and weekday is due."""
    minute, hour, day, month, weekday = expression.split()
    assert (day, month) == ("*", "*")
    days = field(weekday, range(7))
    local = now.astimezone(zoneinfo.ZoneInfo(zone)).date()
    for step in range(-1, 9):
        today = local + timedelta(days=step)
        if today.isoweekday() % 7 in days:
            at = datetime(today.year, today.month, today.day, int(hour), int(minute), tzinfo=zoneinfo.ZoneInfo(zone))
            if at.astimezone(UTC) > now:
                return at.astimezone(UTC)
    raise AssertionError(expression)


def active(trigger: dict, now: datetime) -> bool:
    """KEDA's rule: the next end comes before the next start."""
    data = trigger["metadata"]
    return upcoming(data["end"], data["timezone"], now) < upcoming(data["start"], data["timezone"], now)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    start = draw(st.integers(0, 1439))
    overnight = draw(st.booleans())
    end = draw(st.integers(0, start)) if overnight else draw(st.integers(start + 1, 1440))
    days = draw(st.lists(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1, unique=True))
    zone = draw(st.sampled_from(ZONES))
    declared = {"days": days, "start": start, "end": end, "overnight": overnight, "timezone": zone, "min": 1}
    return parse(Window, declared, "window")


@settings(max_examples=300)
@given(windows(), st.integers(0, 3600), st.integers(0, 365 * 1440 - 1))
def test_it_is_awake_in_every_window_and_before_it_by_the_lead(window: Window, lead: int, minute: int) -> None:
    triggers = cron_triggers([window], lead)
    now = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=minute, seconds=30)
    around = window.openings(now.date() - timedelta(days=3), now.date() + timedelta(days=3))
    early = timedelta(seconds=lead)
    if any(opening.begin - early <= now < opening.end for opening in around):
        assert any(active(trigger, now) for trigger in triggers)
    # What a clock skips or repeats may be added at either end, and a minute for the rounding up.
    slack = timedelta(minutes=121)
    if not any(opening.begin - early - slack <= now < opening.end + slack for opening in around):
        assert not any(active(trigger, now) for trigger in triggers)


@pytest.mark.parametrize(
    "declared, lead, expected",
    [
        ({"days": ["mon-fri"], "start": "08:00", "end": "18:00"}, 420, [("53 7 * * 1,2,3,4,5", "0 18 * * 1,2,3,4,5")]),
        ({"days": ["mon"], "start": "00:03", "end": "01:00"}, 420, [("56 23 * * 0", "0 1 * * 1")]),
        ({"days": ["sat"], "start": "22:00", "end": "02:00", "overnight": True}, 0, [("0 22 * * 6", "0 2 * * 0")]),
        ({"days": ["mon-sun"], "start": "06:00", "end": "22:00"}, 60, [("59 5 * * *", "0 22 * * *")]),
        (
            {"days": ["mon-tue"], "start": "00:00", "end": "24:00"},
            420,
            [("53 23 * * 0", "0 0 * * 2"), ("53 23 * * 1", "0 0 * * 3")],
        ),
    ],
)
def test_windows_as_cron(declared: dict, lead: int, expected: list) -> None:
    window = parse(Window, {**declared, "timezone": "UTC", "min": 2}, "window")
    found = cron_triggers([window], lead)
    assert [(each["metadata"]["start"], each["metadata"]["end"]) for each in found] == expected
    assert {each["metadata"]["desiredReplicas"] for each in found} == {"2"}


def test_a_day_that_the_clock_is_put_forward_loses_no_lead() -> None:
    window = parse(
        Window, {"days": ["sun"], "start": "03:05", "end": "04:00", "timezone": "Europe/Berlin", "min": 1}, "w"
    )
    (trigger,) = cron_triggers([window], 420)
    opening = window.opening(date(2026, 3, 29))
    assert active(trigger, opening.begin - timedelta(seconds=420))
