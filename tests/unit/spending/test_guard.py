"""The guard's arithmetic: a month without an alarm is within its cap; how long closing takes; what is not measured."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from scaletozero.settings.guard import Over
from scaletozero.spending.guard import (
    allowance,
    allowance_finding,
    asynchronous_guard,
    provisioned_usd,
    serverless_guard,
)
from scaletozero.spending.prices import shipped

TABLE = shipped()
WINDOWS = st.sampled_from([1, 2, 3, 4, 6, 8, 12, 24])


def test_a_day_of_the_cap() -> None:
    # ($32 - $1) / 31 days.
    assert allowance(Decimal(32), Decimal(1), 24) == Decimal(1)
    assert allowance(Decimal(32), Decimal(1), 6) == Decimal("0.25")


@given(
    cap=st.decimals("0.01", "10000000", places=2),
    paid=st.decimals("0", "1000", places=6),
    hours=WINDOWS,
    days=st.sampled_from([28, 29, 30, 31]),
)
def test_a_month_in_which_every_window_is_within_its_allowance_is_within_the_cap(
    cap: Decimal, paid: Decimal, hours: int, days: int
) -> None:
    each = allowance(cap, paid, hours)
    found = allowance_finding("cap", cap, paid, hours)
    assert (found is None) == (each > 0)
    if found is None:
        assert (days * 24) % hours == 0
        assert paid + each * (days * 24 // hours) <= cap


def test_a_cap_that_leaves_nothing_for_requests() -> None:
    found = allowance_finding("spending.endpoints.a", Decimal(5), Decimal(5), 24)
    assert found is not None
    assert str(found) == (
        "spending.endpoints.a: must be more than what is paid without a request, $5.00 in a month of 31 days, got 5; "
        "the guard would close the endpoint at its first request, and the cap would be exceeded all the same. "
        "Fix: write more, or lower `min`, the schedules or the buffer"
    )


def test_the_longest_time_to_close() -> None:
    # A metric a minute, two minutes until it is evaluated, the call, and one repair; then what is in work.
    for over in (Over.WINDOW, Over.BOTH):
        assert serverless_guard(over).seconds == 60 + 120 + 5 + 300 + 60
        assert asynchronous_guard(over).seconds == 60 + 120 + 5 + 300 + 3600 + 300
    # Over the month: the next run of the gauge, a minute of it, and two minutes until its metric is there.
    assert serverless_guard(Over.MONTH).seconds == 545 + 300 + 60 + 120
    assert asynchronous_guard(Over.MONTH).seconds == 4385 + 300 + 60 + 120


def test_provisioned_concurrency_of_a_month() -> None:
    price = TABLE.price("sagemaker.serverless", "pc-gb-second", "us-east-1")
    # 2 x 3 GB x 744 h x 3,600 s x $0.000005.
    assert provisioned_usd(3072, 2, price) == Decimal("80.352")
    assert provisioned_usd(3072, 0, None) == 0
