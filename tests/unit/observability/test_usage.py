"""What metrics say that endpoints used and cost."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from scaletozero.endpoints.kind_usage import asynchronous_metering, serverless_metering
from scaletozero.endpoints.kinds import KINDS
from scaletozero.observability.panels import INSTANCES, Measure
from scaletozero.observability.usage import KEPT_DAYS, by_month, charges_of, first_day, total, used
from scaletozero.spending.prices import HOSTING, prices

REGION = "us-east-1"
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
TODAY, BEFORE = date(2026, 11, 29), date(2026, 11, 28)
WORK, SETUP, CALLS = Measure("ModelLatency", "Sum"), Measure("ModelSetupTime", "Sum"), Measure("Invocations", "Sum")


def test_a_serverless_invoice_to_the_microdollar() -> None:
    """250,000 requests of 80 ms, and 40 starts of 3 s, at 3 GB and 0.00002 USD for a GB-second."""
    metering = serverless_metering(3072, REGION, prices())
    found = used(metering, {CALLS: {TODAY: 250_000}, WORK: {TODAY: 250_000 * 80_000}, SETUP: {TODAY: 40 * 3_000_000}})
    assert found.requests == 250_000
    assert {each.what: each.usd for each in found.charges} == {
        "work on requests": Decimal("1.2"),
        "starts of containers": Decimal("0.0072"),
    }
    assert found.usd == Decimal("1.2072")
    assert found.per_thousand == Decimal("0.0048288")


def test_an_asynchronous_invoice_is_of_instance_minutes() -> None:
    hourly = prices().price(HOSTING, "ml.g5.xlarge", REGION)
    metering = asynchronous_metering("ml.g5.xlarge", REGION, prices())
    running = Measure("CPUUtilization", "SampleCount", namespace=INSTANCES)
    found = used(metering, {running: {BEFORE: 90, TODAY: 30}, metering.requests: {TODAY: 7}})
    assert [(each.day, round(each.quantity, 9)) for each in found.charges] == [(BEFORE, 1.5), (TODAY, 0.5)]
    assert round(found.usd, 9) == 2 * hourly.amount
    assert found.requests == 7


def test_nothing_used_costs_nothing() -> None:
    found = used(serverless_metering(1024, REGION, prices()), {WORK: {TODAY: 0.0}})
    assert (found.requests, found.usd, found.charges, found.per_thousand) == (0, 0, (), None)
    assert by_month(found.charges, NOW) == 0


def test_what_no_metric_counts_is_said() -> None:
    found = used(serverless_metering(1024, REGION, prices()), {})
    assert found.as_json()["not_in_it"] == ["data in and out", "provisioned concurrency"]


def test_a_region_without_a_price_is_refused() -> None:
    with pytest.raises(FindingsError, match="must have a row for eu-north-1"):
        serverless_metering(1024, "eu-north-1", prices())


def test_a_cluster_has_no_usage_in_cloudwatch() -> None:
    assert KINDS["gpu"].metering({}, REGION, prices()) is None


def test_the_rate_of_a_month_is_of_the_time_since_something_was_used() -> None:
    metering = serverless_metering(1024, REGION, prices())
    found = used(metering, {WORK: {BEFORE: 36 * 3600 * 1e6}})  # one GB for the 36 hours since
    assert round(by_month(found.charges, NOW), 9) == Decimal(730) * 3600 * Decimal("0.00002")


@given(st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1e15)), max_size=30), st.sampled_from([1024, 3072, 6144]))
def test_days_add_up(days: list[tuple[int, float]], memory_mb: int) -> None:
    sums = {WORK: {TODAY - timedelta(days=back): value for back, value in days}}
    found = used(serverless_metering(memory_mb, REGION, prices()), sums)
    assert found.usd == sum((each.usd for each in found.charges), Decimal(0)) == total(charges_of([found]))
    assert [each.day for each in found.charges] == sorted(each.day for each in found.charges)
    expected = sum(sums[WORK].values()) / 1e6 * memory_mb / 1024 * 0.00002
    assert float(found.usd) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "since, first",
    [
        (None, date(2026, 11, 1)),
        ("1d", TODAY),
        ("7d", date(2026, 11, 23)),
        ("2026-10-31", date(2026, 10, 31)),
        (f"{KEPT_DAYS}d", TODAY - timedelta(days=KEPT_DAYS - 1)),
    ],
)
def test_the_first_day(since: str | None, first: date) -> None:
    assert first_day(since, NOW) == first


@pytest.mark.parametrize("since", ["", "d", "0d", "-1d", "7", "7h", "30.11.2026", "2026-02-30", "1e3d", "٧d", "99999d"])
def test_a_since_that_is_none_is_refused(since: str) -> None:
    with pytest.raises(FindingsError, match="must be a date or a number of days"):
        first_day(since, NOW)


@pytest.mark.parametrize("since", ["2026-11-30", "2024-01-01", f"{KEPT_DAYS + 2}d", "9999d", "0001-01-01"])
def test_days_that_are_not_kept_or_to_come_are_refused(since: str) -> None:
    with pytest.raises(FindingsError, match="which CloudWatch keeps"):
        first_day(since, NOW)
