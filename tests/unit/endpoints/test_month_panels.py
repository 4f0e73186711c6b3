"""What a dashboard shows of a month, computed as CloudWatch computes it, at any hour of any month."""

import calendar
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.endpoints.month_panels import month_panels
from scaletozero.observability.panels import Series
from scaletozero.sandbox.monitoring.metric_math import evaluate

SPENT, LEFT = month_panels(Decimal("20"))


def at(series: Series, when: datetime, usd: float) -> float:
    """The value of a series in the period that begins then, in which the gauge said `usd`."""
    begin = int(when.timestamp()) // SPENT.seconds * SPENT.seconds
    return evaluate(series.expression, {"usd": {begin: usd}}, [begin])[begin]


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 31), timezones=st.just(UTC)).filter(
        lambda when: (when.month, calendar.isleap(when.year)) != (2, True)
    ),
    st.floats(0, 1e6),
)
def test_a_month_at_this_rate(when: datetime, usd: float) -> None:
    begin, days = datetime(when.year, when.month, 1, tzinfo=UTC), calendar.monthrange(when.year, when.month)[1]
    passed = when.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1) - begin
    wanted = usd * timedelta(days=days) / passed
    assert at(SPENT.series[1], when, usd) == pytest.approx(wanted)


def test_at_the_end_of_a_month_it_is_what_was_spent() -> None:
    assert at(SPENT.series[1], datetime(2026, 11, 30, 23, 55, tzinfo=UTC), 7.5) == pytest.approx(7.5)


@pytest.mark.parametrize(("usd", "left"), [(0.0, 20.0), (12.5, 7.5), (20.0, 0.0), (31.0, 0.0)])
def test_what_is_left_is_never_below_nothing(usd: float, left: float) -> None:
    assert at(LEFT.series[0], datetime(2026, 11, 29, tzinfo=UTC), usd) == left


def test_the_cap_is_a_line() -> None:
    assert [(each.label, each.value) for each in SPENT.limits] == [("cap", 20.0)]
