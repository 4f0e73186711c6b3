"""Provisioned concurrency in what an endpoint used: its time as declared, its work, and what of it was idle."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from scaletozero.endpoints.kind_usage import serverless_metering, serverless_provisioned
from scaletozero.observability.panels import Measure
from scaletozero.observability.provisioned import with_provisioned
from scaletozero.observability.showback import Basis, CustomerWork, Part, shares_of
from scaletozero.observability.usage import Used, total, used
from scaletozero.spending.prices import prices

REGION, TODAY = "us-east-1", date(2026, 11, 29)
HOURS = 24 * 3600


def of(requests: int, seconds: float, taken: float, *, units: int = 1, grows: bool = False) -> Used:
    """A day of an endpoint of 2 GB with provisioned concurrency: its requests, their work, and those it took."""
    sums = {Measure("Invocations", "Sum"): {TODAY: requests}, Measure("ModelLatency", "Sum"): {TODAY: seconds * 1e6}}
    found = used(serverless_metering(2048, REGION, prices()), sums)
    provisioned = serverless_provisioned(2048, REGION, prices(), grows=grows)
    return with_provisioned(found, provisioned, {TODAY: HOURS * units}, {TODAY: taken})


def test_a_day_s_invoice_by_hand() -> None:
    found = of(100, 1000, 75)
    charges = {each.what: each.usd for each in found.charges}
    # 86,400 s x 2 GB x $0.000005; 750 s x 2 GB x the price of work on it; 250 s x 2 GB x $0.00002 beyond it.
    work = prices().price("sagemaker.serverless", "pc-duration-gb-second", REGION).amount
    assert charges == {
        "provisioned concurrency, as declared": Decimal("0.864"),
        "work on provisioned concurrency": 1500 * work,
        "work on requests": Decimal("0.01"),
    }
    assert found.unseen == ("data in and out",)
    assert found.requests == 100


def test_idle_time_by_both_bases() -> None:
    """A day of which 8,640 s were worked: nine tenths are idle, or spread like the work."""
    found = of(4, 8640, 4)
    works = [CustomerWork("acme", "a", TODAY, 3, Decimal(300)), CustomerWork("globex", "a", TODAY, 1, Decimal(100))]
    kept = "provisioned concurrency, as declared"
    usage, allocation = (
        {each.owner: each.ratio for each in shares_of(found, works, basis) if each.charge.what == kept}  # type: ignore
        for basis in (Basis.USAGE, Basis.ALLOCATION)
    )
    assert usage == {"acme": Decimal("0.075"), "globex": Decimal("0.025"), "(idle)": Decimal("0.9")}
    assert allocation == {"acme": Decimal("0.75"), "globex": Decimal("0.25")}


def test_what_spills_over_is_no_work_on_it() -> None:
    found = of(10, 8640, 0)
    assert "work on provisioned concurrency" not in {each.what for each in found.charges}
    parts = shares_of(found, [CustomerWork("acme", "a", TODAY, 10, Decimal(9000))], Basis.USAGE)
    assert {each.part for each in parts if each.charge.what.endswith("declared")} == {Part.IDLE}


def test_without_a_request_it_is_paid_all_the_same() -> None:
    found = of(0, 0, 0, units=2)
    (charge,) = found.charges
    assert charge.usd == Decimal("1.728")
    for basis in Basis:
        assert [each.part for each in shares_of(found, [], basis)] == [Part.IDLE]


def test_what_follows_the_load_is_said_not_to_be_in_it() -> None:
    assert of(1, 1, 1, grows=True).unseen == ("data in and out", "provisioned concurrency above `min`")


def test_a_region_without_a_price_is_refused() -> None:
    with pytest.raises(FindingsError, match="pc-gb-second: must have a row for eu-west-1"):
        serverless_provisioned(2048, "eu-west-1", prices(), grows=False)


@given(st.integers(0, 1000), st.floats(0, 1e6), st.integers(0, 1500), st.sampled_from(list(Basis)))
def test_the_parts_are_the_whole_and_never_more_than_all_on_demand(requests, seconds, taken, basis) -> None:
    found = of(requests, seconds, taken)
    parts = shares_of(found, [CustomerWork("acme", "a", TODAY, requests, Decimal(5))] if requests else [], basis)
    assert total(parts) == total(found.charges)
    kept = Decimal("0.864")
    on_demand = Decimal(str(seconds)) * 2 * Decimal("0.00002")
    assert kept <= found.usd <= kept + on_demand + Decimal("0.000001")
