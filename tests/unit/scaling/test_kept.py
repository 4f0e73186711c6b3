"""How long a schedule kept how much warm, by day in UTC."""

from datetime import UTC, date, datetime, timedelta

from model_packaging.validation import parse
from scaletozero.scaling.timeline import floor_at, kept_seconds
from scaletozero.settings.schedules import Window

HOUR = 3600
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def window(**changed: object) -> Window:
    given = {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 3}
    return parse(Window, {**given, **changed}, "schedule")


def test_a_floor_without_windows_is_its_time() -> None:
    until = MONDAY + timedelta(days=1, hours=6)
    assert kept_seconds([], base=2, lead=0, since=MONDAY, until=until) == {
        date(2026, 11, 23): 48 * HOUR,
        date(2026, 11, 24): 12 * HOUR,
    }
    assert kept_seconds([], base=0, lead=0, since=MONDAY, until=until) == {}


def test_windows_are_in_their_own_time_zone_and_opened_early() -> None:
    found = kept_seconds([window()], base=1, lead=30, since=MONDAY, until=MONDAY + timedelta(days=7))
    # Ten hours and a half of three units from 06:30 UTC, and one unit for the rest.
    assert found[date(2026, 11, 23)] == round((10.5 * 3 + 13.5) * HOUR)
    assert found[date(2026, 11, 28)] == 24 * HOUR  # Saturday


def test_a_single_date() -> None:
    only = parse(Window, {"date": "2026-11-25", "start": "10:00", "end": "11:00", "timezone": "UTC", "min": 5}, "s")
    found = kept_seconds([only], base=0, lead=0, since=MONDAY, until=MONDAY + timedelta(days=7))
    assert found == {date(2026, 11, 25): 5 * HOUR}


def test_it_begins_and_ends_within_a_minute() -> None:
    since, until = MONDAY + timedelta(seconds=30), MONDAY + timedelta(seconds=100)
    assert kept_seconds([], base=2, lead=0, since=since, until=until) == {date(2026, 11, 23): 140}
    assert kept_seconds([], base=2, lead=0, since=until, until=since) == {}


def test_it_is_the_floor_of_each_minute() -> None:
    windows = [window(), window(days=["sat"], start="22:00", end="02:00", overnight=True, timezone="Asia/Kolkata")]
    since, until = MONDAY + timedelta(days=4, hours=15), MONDAY + timedelta(days=5, hours=22)
    minutes = int((until - since).total_seconds()) // 60
    wanted = sum(
        60 * floor_at(windows, base=1, lead=7, now=since + timedelta(minutes=each)) for each in range(0, minutes, 30)
    )
    found = kept_seconds(windows, base=1, lead=7, since=since, until=until)
    assert abs(sum(found.values()) / 30 - wanted) < 60 * 3 * 4
