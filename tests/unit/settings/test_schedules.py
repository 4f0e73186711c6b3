"""Windows: what is one, what two may not do to each other, and when a service has to act so that they are kept."""

import re
import zoneinfo
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import parse
from scaletozero.scaling.call_schedules import calls
from scaletozero.scaling.timeline import actions, early_conflicts, floor_at, lead_minutes, warm_hours_per_month
from scaletozero.settings.local_time import closes, jumps, opens
from scaletozero.settings.schedules import DAY, DAYS, SHOWN, Window, over, overlaps, window_findings

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Asia/Tokyo",
]
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def window(**changes: Any) -> Window:
    base = {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 4}
    given_ = {**base, **changes}
    return parse(Window, {key: value for key, value in given_.items() if value is not None}, "w")


def refused(**changes: Any) -> list[Finding]:
    with pytest.raises(FindingsError) as error:
        window(**changes)
    return list(error.value.findings)


@pytest.mark.parametrize(
    "written, meant",
    [
        (["mon-fri"], "mon tue wed thu fri"),
        (["sat", "sun"], "sat sun"),
        (["fri-mon"], "mon fri sat sun"),
        (["MON"], "mon"),
    ],
)
def test_days_as_people_write_them(written: list[str], meant: str) -> None:
    assert [DAYS[day] for day in window(days=written).days] == meant.split()


def test_a_window_is_of_every_day_unless_days_are_given() -> None:
    assert window(days=None).days == tuple(range(7))


@pytest.mark.parametrize("value", [[], ["monday"], "mon", ["mon-"], ["mon-xyz"], 3, [1]])
def test_days_that_are_none(value: object) -> None:
    assert [found.path for found in refused(days=value)] == ["w.days"]


@pytest.mark.parametrize("value, minutes", [("08:00", 480), ("8:00", 480), ("00:00", 0), ("23:59", 1439), (1080, 1080)])
def test_times_as_people_and_old_yaml_write_them(value: object, minutes: int) -> None:
    assert window(start=value, end="24:00").start == minutes


@pytest.mark.parametrize("value", ["24:01", "8", "08:60", "25:00", -1, 1441, True, None, 8.5, "8am"])
def test_times_that_are_none(value: object) -> None:
    found = refused(end=value) if value is not None else refused(end=[])
    assert found[0].path == "w.end"


@pytest.mark.parametrize(
    "value, near",
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("Mars/Olympus", ""),
        ("", ""),
        ("berlin", ""),
        ("localtime", ""),
        ("Factory", ""),
    ],
)
def test_a_time_zone_that_does_not_exist(value: str, near: str) -> None:
    (found,) = refused(timezone=value)
    assert found.path == "w.timezone"
    assert near in found.fix


@pytest.mark.parametrize("end", ["08:00", "07:59", "00:00"])
def test_a_window_that_ends_before_it_starts(end: str) -> None:
    (found,) = refused(end=end)
    assert (found.path, "overnight" in found.fix) == ("w.end", True)


def test_a_window_over_midnight_says_so() -> None:
    night = window(start="22:00", end="06:00", overnight=True)
    assert night.minutes == 8 * 60
    assert refused(start="08:00", end="09:00", overnight=True)[0].path == "w.end"


def test_a_window_begins_on_days_or_on_a_date() -> None:
    assert refused(date="2026-11-27")[0].path == "w.date"
    assert window(days=None, date="2026-11-27").date == date(2026, 11, 27)
    assert window(days=None, date=date(2026, 11, 27)).date == date(2026, 11, 27)
    assert refused(days=None, date="2026-13-27")[0].path == "w.date"


ON = ["2026-11-27", "2026-11-27 00:00:00 +0000 UTC", "2026-11-27T00:00:00Z"]


@pytest.mark.parametrize("value", ON)
def test_a_date_as_the_engine_hands_it_on(value: str) -> None:
    assert window(days=None, date=value).date == date(2026, 11, 27)


@pytest.mark.parametrize("value", ON)
def test_a_date_by_its_former_name_is_read_and_warned_of(value: str) -> None:
    with pytest.warns(FutureWarning, match="`on` of a window is now `date`"):
        assert window(days=None, on=value).date == date(2026, 11, 27)


@pytest.mark.parametrize(
    "value",
    [
        *("2026-02-30", "9999-12-31", "0001-01-01", "tomorrow", "2026-11-27 10:00:00 +0000 UTC"),
        *("2026-11-27 00:00:00 +0200 +0200", True, 20261127, 1e300, datetime(2026, 11, 27, 9, tzinfo=UTC)),
    ],
)
def test_what_is_no_date(value: object) -> None:
    assert [found.path for found in refused(days=None, date=value)] == ["w.date"]


def test_both_names_of_a_date() -> None:
    assert refused(days=None, date="2026-11-27", on="2026-11-27")[0].path == "w.on"


def test_five_hundred_windows_are_laid_out_once_each_and_not_once_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out = []
    openings = Window.openings
    monkeypatch.setattr(Window, "openings", lambda one, *span: laid_out.append(one) or openings(one, *span))
    minutes = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(0, 1002, 2)]
    windows = [window(days=["mon"], start=minutes[i], end=minutes[i + 1]) for i in range(500)]
    assert window_findings(windows, floor=1, ceiling=9) == []
    assert len(laid_out) == 500


def test_windows_that_all_overlap_are_told_of_a_few() -> None:
    assert len(window_findings([window() for _ in range(30)], floor=1, ceiling=9)) == SHOWN


def test_a_window_starts_before_its_day_ends() -> None:
    assert refused(start="24:00", end="06:00", overnight=True)[0].path == "w.start"


def test_what_was_declared_can_be_declared_again() -> None:
    declared = {"days": ["mon-fri"], "start": "08:00", "end": "18:00", "timezone": "Europe/Berlin", "min": 4}
    one = parse(Window, declared, "w")
    assert parse(Window, one.model_dump(exclude_unset=True), "w") == one


def test_windows_that_overlap_are_shown_where() -> None:
    two = [window(), window(days=["fri-sat"], start="17:00", end="20:00")]
    (found,) = window_findings(two, floor=1, ceiling=10)
    assert found.path == "schedule.1"
    assert "schedule.0 (mon-fri 08:00-18:00 Europe/Berlin)" in found.rule
    assert "Fri 2026-01-09 16:00 to Fri 17:00 UTC" in found.got


@pytest.mark.parametrize(
    "one, other, when",
    [
        ({}, {"timezone": "America/New_York"}, True),  # 14:00 in Berlin is 08:00 in New York
        ({"end": "14:00"}, {"timezone": "America/New_York"}, True),  # but 13:00 in the two weeks between the changes
        ({"end": "13:00"}, {"timezone": "America/New_York"}, False),
        (
            {"days": ["sun"], "start": "22:00", "end": "06:00", "overnight": True},
            {"start": "05:00", "end": "07:00"},
            True,
        ),
        (
            {"days": ["sun"], "start": "22:00", "end": "05:00", "overnight": True},
            {"start": "05:00", "end": "07:00"},
            False,
        ),
        ({"days": None, "date": "2026-11-27"}, {}, True),  # a Friday
        ({"days": None, "date": "2026-11-28"}, {}, False),
        ({"days": None, "date": "2026-11-27"}, {"days": None, "date": "2027-11-27"}, False),
    ],
)
def test_overlaps_over_midnight_dates_and_time_zones(one: dict, other: dict, when: bool) -> None:
    assert bool(overlaps([window(**one), window(**other)])) == when
    assert bool(overlaps([window(**other), window(**one)])) == when


@pytest.mark.parametrize("floor, ceiling, paths", [(3, 4, []), (4, 10, ["schedule.0.min"]), (1, 3, ["schedule.0.min"])])
def test_a_window_raises_the_floor_and_stays_below_the_ceiling(floor: int, ceiling: int, paths: list[str]) -> None:
    assert [found.path for found in window_findings([window()], floor=floor, ceiling=ceiling)] == paths


def test_a_date_in_the_past() -> None:
    gone = window(days=None, date="2026-11-27")
    end = datetime(2026, 11, 27, 17, tzinfo=UTC)
    assert over([gone], end - timedelta(minutes=1)) == []
    assert [found.path for found in over([window(), gone], end)] == ["schedule.1.date"]


def test_a_pair_of_actions_for_a_window() -> None:
    found = actions([window()], base=1, lead=12, now=PAST)
    days = "MON,TUE,WED,THU,FRI"
    assert [(each.expression, each.timezone, each.floor) for each in found] == [
        (f"cron(48 7 ? * {days} *)", "Europe/Berlin", 4),
        (f"cron(0 18 ? * {days} *)", "Europe/Berlin", 1),
    ]
    assert len({each.label for each in found}) == 2


def test_an_early_start_can_be_on_the_day_before() -> None:
    found = actions([window(days=["mon"], start="00:00", end="24:00")], base=1, lead=10, now=PAST)
    assert {each.expression for each in found} == {"cron(50 23 ? * SUN *)", "cron(0 0 ? * TUE *)"}


def test_where_windows_touch_the_end_of_one_does_not_undo_the_early_start_of_the_other() -> None:
    found = actions([window(end="12:00"), window(start="12:00", min=8)], base=1, lead=10, now=PAST)
    times = [(each.expression.split(" ?")[0], each.floor) for each in found]
    assert times == [("cron(50 7", 4), ("cron(50 11", 8), ("cron(0 18", 1)]
    found = actions([window(end="12:00", min=8), window(start="12:00")], base=1, lead=10, now=PAST)
    times = {each.expression.split(" ?")[0]: each.floor for each in found}
    assert times == {"cron(50 7": 8, "cron(0 12": 4, "cron(0 18": 1}


def test_a_single_date_is_two_moments_in_utc_of_which_past_ones_are_left_out() -> None:
    once = [window(days=None, date="2026-11-27")]
    found = actions(once, base=1, lead=10, now=PAST)
    assert [(each.expression, each.timezone, each.floor) for each in found] == [
        ("at(2026-11-27T06:50:00)", "UTC", 4),
        ("at(2026-11-27T17:00:00)", "UTC", 1),
    ]
    within = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert [each.floor for each in actions(once, base=1, lead=10, now=within)] == [1]
    assert floor_at(once, base=1, lead=10, now=within) == 4


def test_clocks_that_are_set_by_half_an_hour_or_at_midnight() -> None:
    assert {(jump.start, jump.length, jump.skipped) for jump in jumps("Europe/Berlin")} == {
        (120, 60, True),
        (120, 60, False),
    }
    assert {(jump.start, jump.length) for jump in jumps("Australia/Lord_Howe")} == {(90, 30), (120, 30)}
    assert {(jump.start, jump.length) for jump in jumps("Africa/Cairo")} == {(0, 60), (23 * 60, 60)}
    assert jumps("UTC") == ()


minutes = st.integers(0, DAY - 1)


@given(minutes, st.integers(0, 180), st.sampled_from(ZONES), st.integers(0, 1095))
@settings(max_examples=300)
def test_a_window_is_opened_early_enough_on_every_day_of_the_year(start: int, lead: int, zone: str, day: int) -> None:
    """Also where the clock skips or repeats an hour: the action's time exists, is unambiguous, and is early enough."""
    tz, midnight = ZoneInfo(zone), datetime(2025, 1, 1) + timedelta(days=day)
    action = midnight + timedelta(minutes=opens(start, lead, zone))
    first, second = (action.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1))
    assert first == second, "the action would be ambiguous, or skipped"
    opening = (midnight + timedelta(minutes=start)).replace(tzinfo=tz).astimezone(UTC)
    assert opening - first >= timedelta(minutes=lead)


@given(minutes, st.sampled_from(ZONES), st.integers(0, 1095))
@settings(max_examples=300)
def test_a_window_is_never_closed_too_early(end: int, zone: str, day: int) -> None:
    tz, midnight = ZoneInfo(zone), datetime(2025, 1, 1) + timedelta(days=day)
    action = midnight + timedelta(minutes=closes(end, zone))
    first, second = (action.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1))
    assert first == second
    assert first >= (midnight + timedelta(minutes=end)).replace(tzinfo=tz, fold=1).astimezone(UTC)


def _fires(expression: str, local: datetime) -> bool:
    minute, hour, _, _, days, _ = expression.removeprefix("cron(").removesuffix(")").split(" ")
    on = days == "*" or DAYS[local.weekday()].upper() in days.split(",")
    return on and (local.hour, local.minute) == (int(hour), int(minute))


@given(
    st.lists(
        st.tuples(st.sampled_from(DAYS), minutes, st.integers(1, DAY - 1), st.integers(2, 9)), min_size=1, max_size=4
    ),
    st.integers(0, 30),
    st.sampled_from(ZONES),
)
@settings(max_examples=30)
def test_replaying_the_actions_gives_the_floor_that_is_asked_for(
    drawn: list[tuple[str, int, int, int]], lead: int, zone: str
) -> None:
    """Two weeks of minutes through the actions: whenever a window is open, its floor is in force."""
    windows = []
    for day, start, length, floor in drawn:
        end = (start + length) % DAY
        candidate = parse(
            Window,
            {
                "days": [day],
                "start": start,
                "end": end,
                "overnight": start + length >= DAY,
                "timezone": zone,
                "min": floor,
            },
            "w",
        )
        if not overlaps([*windows, candidate]):
            windows.append(candidate)
    plan = actions(windows, base=1, lead=lead, now=PAST)
    tz = ZoneInfo(zone)
    begin = datetime(2026, 6, 1, tzinfo=UTC)  # no change of the clock in these weeks
    floor, seen = 1, 0
    for step in range(14 * DAY):
        now = begin + timedelta(minutes=step)
        for action in plan:
            if _fires(action.expression, now.astimezone(tz)):
                floor = action.floor
        if step < 7 * DAY:
            continue
        local = now.astimezone(tz)
        days = [local.date() - timedelta(days=1), local.date(), local.date() + timedelta(days=1)]
        open_now = [w.min for w in windows for d in days for o in w.openings(d, d) if o.begin <= now < o.end]
        if step % 97 == 0:
            assert floor == floor_at(windows, base=1, lead=lead, now=now)
        assert floor >= max(open_now, default=1)
        seen += bool(open_now)
    assert seen


def test_windows_on_two_clocks_keep_apart_by_the_early_start() -> None:
    berlin, london = window(end="12:00"), window(start="11:05", end="12:00", timezone="Europe/London")
    assert not list(early_conflicts([berlin, london], 4))
    (found,) = early_conflicts([berlin, london], 10)
    assert found.path == "schedule.1"
    assert not list(early_conflicts([berlin, window(start="12:00")], 10)), "on one clock they may touch"


def test_the_lead_is_the_cold_start_in_minutes_and_two_of_the_service() -> None:
    assert [lead_minutes(seconds) for seconds in (0, 0.4, 60, 60.1, 600)] == [2, 3, 3, 4, 12]


def test_hours_that_are_warm() -> None:
    assert warm_hours_per_month([], base=2, lead=3) == pytest.approx(1460)
    one = warm_hours_per_month([window()], base=1, lead=0)
    assert one == pytest.approx(730 * (1 + 3 * 50 / 168))


def test_calls_are_made_every_five_minutes_from_the_early_start_to_the_end() -> None:
    found = calls([window(start="08:30", end="10:12")], lead=3)
    days = "MON,TUE,WED,THU,FRI"
    assert {each.expression for each in found} == {
        f"cron(25,30,35,40,45,50,55 8 ? * {days} *)",
        f"cron(0/5 9 ? * {days} *)",
        f"cron(0,5,10 10 ? * {days} *)",
    }
    assert {each.count for each in found} == {4}
    assert len({each.label for each in found}) == len(found)


@given(minutes, st.integers(5, DAY - 1), st.integers(0, 30))
@settings(max_examples=40)
def test_calls_cover_the_whole_window(start: int, length: int, lead: int) -> None:
    end = (start + length) % DAY
    one = parse(
        Window,
        {"days": ["wed"], "start": start, "end": end, "overnight": start + length >= DAY, "timezone": "UTC", "min": 2},
        "w",
    )
    made = set()
    for each in calls([one], lead=lead):
        when, hours, _, _, days, _ = each.expression.removeprefix("cron(").removesuffix(")").split(" ")
        at = range(0, 60, 5) if when == "0/5" else [int(part) for part in when.split(",")]
        for day in days.split(","):
            made |= {
                DAYS.index(day.lower()) * DAY + int(hour) * 60 + minute for hour in hours.split(",") for minute in at
            }
    opened = 2 * DAY + start
    covered = set(range(opened - lead, opened + length))
    assert all(any(minute - 4 <= call <= minute or call == minute for call in made) for minute in covered)
    assert all(any(call <= minute < call + 5 for minute in covered) for call in made)


def test_a_single_date_is_called_on_that_date_only() -> None:
    found = calls([window(days=None, date="2026-11-27", start="08:00", end="09:00")], lead=5)
    assert {(each.expression, each.timezone) for each in found} == {
        ("cron(55 6 27 11 ? 2026)", "UTC"),
        ("cron(0/5 7 27 11 ? 2026)", "UTC"),
    }


def test_every_odd_time_zone_gives_a_schedule_a_name_of_its_own_that_the_service_takes() -> None:
    zones = [zone for zone in sorted(zoneinfo.available_timezones()) if re.search(r"[-+0-9_]", zone)]
    labels = {calls([window(days=["mon"], timezone=zone)], lead=3)[0].label for zone in zones}
    assert len(labels) == len(zones)
    assert all(re.fullmatch(r"[0-9a-zA-Z_.-]+", label) for label in labels)
