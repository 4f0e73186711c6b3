"""The gate: every cap that cannot hold is a finding, and one that holds is none."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.settings.spending import Spending
from scaletozero.spending.costs import InstanceCost
from scaletozero.spending.estimate import EndpointEstimate, Estimate, Guard, Priced, estimate_endpoint
from scaletozero.spending.gate import gate_findings
from scaletozero.spending.prices import shipped
from scaletozero.spending.traffic import Traffic

TABLE = shipped()
GPU = TABLE.price("sagemaker.hosting", "ml.g5.xlarge", "us-east-1")  # $1.408 an hour


def endpoint(name: str = "a", most: int = 3, kept: int = 0, guard: Guard | None = None) -> EndpointEstimate:
    hours = Decimal(730 * kept)
    covered = Decimal(730) if kept else Decimal(0)
    cost = InstanceCost(GPU, most, 1, 600, floor_hours=hours, covered_hours=covered)
    return estimate_endpoint(name, "asynchronous", Priced(cost, "x"), Traffic(Decimal(1), Decimal(1)), guard=guard)


def found(cap: Any, *endpoints: EndpointEstimate, unpriced: Any = (), **spending: Any) -> list[str]:
    declared = parse(Spending, {"cap_usd_per_month": cap, **spending}, "spending")
    return [str(each) for each in gate_findings(declared, Estimate("us-east-1", endpoints, unpriced))]


def test_a_cap_above_the_worst_case_holds_by_itself() -> None:
    # 3 x 744 x $1.408 = $3,142.656, in a month of 31 days.
    assert found("3142.656", endpoint()) == []


def test_a_worst_case_above_the_cap_with_nothing_that_stops_it() -> None:
    (text,) = found("3142.65", endpoint())
    assert text == (
        "spending.cap_usd_per_month: must be at least the worst case, $3,142.66 in a month of 31 days ($4.23 an hour), "
        "where nothing stops it, got 3142.65; it could be exceeded after 744 hours, and nothing would stop it. "
        "Fix: lower `scaling.max`; or write 3143 or more, or `enforce: warn`"
    )


def test_a_guard_lets_a_lower_cap_hold_where_every_endpoint_has_one() -> None:
    guard = Guard(Decimal(185), "the breaker")
    assert found(100, endpoint(guard=guard), endpoints={"a": 100}) == []
    assert len(found(100, endpoint(guard=guard), endpoint("b"), endpoints={"a": 50})) == 1
    assert found(3300, endpoint(guard=guard), endpoint("b"), endpoints={"a": 100}) == []  # the worst case of b is below


def test_guards_that_do_not_suffice_for_the_whole() -> None:
    guard = Guard(Decimal(185), "the breaker")
    guarded = (endpoint("a", guard=guard), endpoint("b", guard=guard))
    assert found(120, *guarded, endpoints={"a": 60, "b": 60}) == []
    (text,) = found(119, *guarded, endpoints={"a": 60, "b": 60})
    assert text == (
        "spending.cap_usd_per_month: must be at least the caps of the endpoints under the guard and the worst cases of "
        "the others, $120.00, got 119; it could be exceeded, while every endpoint is within its own cap or has none. "
        "Fix: lower the caps in `endpoints`, or give one to each endpoint; or write 120 or more"
    )


def test_a_guard_without_a_cap_of_the_endpoint_keeps_nothing() -> None:
    (text,) = found(100, endpoint(guard=Guard(Decimal(185), "the breaker")))
    assert "where nothing stops it" in text


def test_a_cap_below_what_is_paid_anyway() -> None:
    guard = Guard(Decimal(185), "the breaker")
    (text,) = found(1000, endpoint(kept=1, guard=guard))
    assert "must be at least what is paid without a request, $1,047.56 in a month of 31 days, got 1000" in text
    assert "write 1048 or more" in text


def test_an_endpoint_has_a_cap_of_its_own() -> None:
    (text,) = found(10_000, endpoint("a"), endpoint("b"), endpoints={"b": 50})
    assert text.startswith("spending.endpoints.b: must be at least the worst case")


def test_the_dearest_is_named() -> None:
    (text,) = found(100, endpoint("small", 1), endpoint("large", 9))
    assert "the most of it is large's" in text


def test_an_endpoint_without_a_price_is_named_with_the_row() -> None:
    missing = TABLE.missing("sagemaker.serverless", "gb-second", "eu-central-1")
    (text,) = found(100, unpriced=(("sentences", (missing,)),))
    assert text.startswith("spending.cap_usd_per_month: needs every price of sentences: price of sagemaker.serverless")
    (text,) = found(100, unpriced=(("sentences", (missing,)),), endpoints={"sentences": 10})
    assert text.startswith("spending.endpoints.sentences: needs every price")


@pytest.mark.parametrize(
    ("written", "path", "rule"),
    [
        ({}, "spending.cap_usd_per_month", "is required"),
        ({"cap_usd_per_month": 0}, "spending.cap_usd_per_month", "must be more than 0"),
        ({"cap_usd_per_month": -5}, "spending.cap_usd_per_month", "must be more than 0"),
        ({"cap_usd_per_month": 10**9}, "spending.cap_usd_per_month", "at most 10,000,000"),
        ({"cap_usd_per_month": float("nan")}, "spending.cap_usd_per_month", "must be more than 0"),
        ({"cap_usd_per_month": float("inf")}, "spending.cap_usd_per_month", "must be more than 0"),
        ({"cap_usd_per_month": "NaN"}, "spending.cap_usd_per_month", "must be more than 0"),
        ({"cap_usd_per_month": True}, "spending.cap_usd_per_month", "must be a number of USD a month"),
        ({"cap_usd_per_month": None}, "spending.cap_usd_per_month", "must be a number of USD a month"),
        ({"cap_usd_per_month": "500 EUR"}, "spending.cap_usd_per_month", "without a sign or a currency"),
        ({"cap_usd_per_month": "$500"}, "spending.cap_usd_per_month", "without a sign or a currency"),
        ({"cap_usd_per_month": [5]}, "spending.cap_usd_per_month", "must be a number of USD a month"),
        ({"cap_usd_per_month": 5, "currency": "EUR"}, "spending.currency", "must be 'USD'"),
        ({"cap_usd_per_month": 5, "enforce": "maybe"}, "spending.enforce", "must be 'fail' or 'warn'"),
        ({"cap_usd_per_month": 5, "budget": 4}, "spending.budget", "stops nothing"),
        ({"cap_usd_per_month": 5, "cap_usd_per_hour": 4}, "spending.cap_usd_per_hour", "of an endpoint of kind `gpu`"),
        ({"cap_usd_per_month": 5, "enforced": "warn"}, "spending.enforced", "is not a setting that exists here"),
        ({"cap_usd_per_month": 5, "endpoints": {"a": -1}}, "spending.endpoints.a", "must be more than 0"),
        ({"cap_usd_per_month": 5, "endpoints": {"a": 6}}, "spending.cap_usd_per_month", "at least the cap of a, 6"),
    ],
)
def test_a_cap_that_is_none_is_refused(written: dict[str, Any], path: str, rule: str) -> None:
    with pytest.raises(FindingsError) as caught:
        parse(Spending, written, "spending")
    (finding,) = caught.value.findings
    assert finding.path == path
    assert rule in finding.rule


@given(cap=st.decimals("0.01", "9999999", places=2), most=st.integers(1, 100), kept=st.integers(0, 100))
def test_what_passes_cannot_cost_more_than_its_cap(cap: Decimal, most: int, kept: int) -> None:
    each = endpoint(most=max(most, kept), kept=kept)
    passed = not found(cap, each)
    assert passed == (each.worst_per_month <= cap)
