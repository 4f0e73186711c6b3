"""The estimate's figures: break-even, cap and guard, sums, and how amounts are shown."""

from decimal import Decimal
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.spending.costs import InstanceCost, ServerlessCost, TokenCost
from scaletozero.spending.estimate import (
    Alternative,
    Estimate,
    Guard,
    Priced,
    break_even,
    crossing,
    estimate_endpoint,
    estimate_serverless,
)
from scaletozero.spending.money import bound, dollars, exact, number
from scaletozero.spending.plot import svg
from scaletozero.spending.prices import shipped
from scaletozero.spending.token_rates import TokenPrice
from scaletozero.spending.traffic import Assumptions, Traffic

TABLE = shipped()
US = "us-east-1"
SERVERLESS = ServerlessCost(
    4096,
    200,
    TABLE.price("sagemaker.serverless", "gb-second", US),
    TABLE.price("sagemaker.serverless", "data-gb", US),
)
ALWAYS = InstanceCost(
    TABLE.price("sagemaker.hosting", "ml.c5.large", US),
    1,
    10_000,
    600,
    floor_hours=Decimal(730),
    covered_hours=Decimal(730),
)
API = TokenCost(TokenPrice("p", "m", Decimal("0.85"), Decimal("0.85"), "somebody"))


def test_serverless_against_an_instance_that_is_always_on() -> None:
    """The figure of the benchmarking kit: 4 GB at 200 ms costs $74.46 a month at 4.65 million requests."""
    found = break_even(SERVERLESS, Alternative("always on", ALWAYS), Traffic(Decimal(1), Decimal("0.2"), 0))
    assert found.requests == pytest.approx(74.46 / (0.2 * 4 * 0.00002), rel=2e-6)
    assert found.cheaper_above


def test_a_gpu_that_is_always_on_against_an_api() -> None:
    """$1,358.53 a month are 1,598 million tokens at $0.85: 608 a second."""
    node = InstanceCost(
        TABLE.price("ec2", "g6e.xlarge", US), 1, 10**6, 600, floor_hours=Decimal(730), covered_hours=Decimal(730)
    )
    found = break_even(node, Alternative("api", API), Traffic(Decimal(1), Decimal(1), 0, 750, 250))
    assert found.requests is not None
    assert found.requests * 1000 / (730 * 3600) == pytest.approx(608, abs=1)
    assert not found.cheaper_above


def test_where_nothing_crosses_the_cheaper_one_is_named() -> None:
    free = TokenCost(TokenPrice("p", "m", Decimal(0), Decimal(0), "somebody"))
    found = break_even(SERVERLESS, Alternative("free", free), Traffic(Decimal(1), Decimal("0.2"), 0, 1, 1))
    assert (found.requests, found.cheaper_above) == (None, True)
    dear = TokenCost(TokenPrice("p", "m", Decimal(1000), Decimal(1000), "somebody"))
    found = break_even(SERVERLESS, Alternative("dear", dear), Traffic(Decimal(1), Decimal("0.2"), 0, 100, 100))
    assert (found.requests, found.cheaper_above) == (None, False)


@given(at=st.floats(2, 9e9), up=st.booleans())
def test_a_crossing_is_found_wherever_it_is(at: float, up: bool) -> None:
    sign = 1 if up else -1
    found = crossing(lambda n: sign * (n - at), 1e10)
    assert found == pytest.approx(at, rel=2e-6, abs=1)


def test_the_fields_of_a_cap_are_there_with_a_guard_and_absent_without() -> None:
    traffic = Traffic(Decimal(1000), Decimal("0.2"), 0)
    priced = Priced(SERVERLESS, "4096 MB x 200")
    without = estimate_endpoint("a", "serverless", priced, traffic)
    assert (without.cap, without.hours_to_cap, without.detector_seconds, without.overshoot) == (None, None, None, None)
    found = estimate_endpoint(
        "a", "serverless", priced, traffic, cap=Decimal(576), guard=Guard(Decimal(185), "the breaker")
    )
    # 200 x 4 GB x $0.00002 = $0.016 a second, $57.60 an hour: ten hours to the cap, 185 s x $0.016 beyond it.
    assert found.worst_per_hour == Decimal("57.6")
    assert found.burn_per_second == Decimal("0.016")
    assert found.hours_to_cap == 10
    assert found.overshoot == Decimal("2.96")
    shown = found.as_json()
    assert (shown["overshoot_usd"], shown["detector_seconds"], shown["stopped_by"]) == (2.96, 185.0, "the breaker")


def test_sums_and_what_a_stack_keeps() -> None:
    traffic = Traffic(Decimal(1_000_000), Decimal("0.2"), 0)
    both = tuple(
        estimate_endpoint(name, "serverless", Priced(SERVERLESS, "x"), traffic, [Alternative("always on", ALWAYS)])
        for name in ("a", "b")
    )
    found = Estimate(US, both, (("c", (TABLE.missing("ec2", "g5.xlarge", "eu-south-1"),)),))
    assert found.expected == 32
    assert found.worst_per_hour == Decimal("115.2")
    assert len(found.rows) == 2
    whole, kept = found.as_json(), found.summary()
    assert (whole["total"]["cap_usd_per_month"], whole["total"]["hours_to_cap"]) == (None, None)
    assert kept["total"] == {
        "fixed_usd_per_month": 0.0,
        "expected_usd_per_month": 32.0,
        "worst_usd_per_hour": 115.2,
        "complete": False,
    }
    assert whole["unpriced"] == {"c": ["price of ec2 g5.xlarge: must have a row for eu-south-1"]}
    assert kept["endpoints"]["a"] == {
        "kind": "serverless",
        "size": "x",
        "fixed_usd_per_month": 0.0,
        "usd_per_1000_requests": 0.016,
        "expected_usd_per_month": 16.0,
        "worst_usd_per_hour": 57.6,
    }
    assert whole["endpoints"]["a"]["break_even"][0]["with"] == "always on"


def test_more_than_it_can_work_on_is_said_and_bounded() -> None:
    found = estimate_endpoint("a", "serverless", Priced(SERVERLESS, "x"), Traffic(Decimal(10**12), Decimal(1)))
    assert found.saturated
    assert found.expected <= found.worst_per_month


def test_tokens_have_a_price_where_there_are_some() -> None:
    traffic = Traffic(Decimal(1000), Decimal("0.25"), 0, 300, 100)
    found = estimate_endpoint("a", "serverless", Priced(SERVERLESS, "x"), traffic)
    # 0.25 s x 4 GB x $0.00002 for 400 tokens.
    assert found.per_million_tokens == Decimal("0.05")
    assert estimate_endpoint("a", "s", Priced(SERVERLESS, "x"), traffic.at(Decimal(5))).per_thousand == Decimal("0.02")


@pytest.mark.parametrize(
    ("amount", "shown", "at_most"),
    [
        ("0", "$0.00", "$0.00"),
        ("1234.564", "$1,234.56", "$1,234.57"),
        ("0.01", "$0.01", "$0.01"),
        ("0.0012345", "$0.0012", "$0.01"),
        ("0.00000004", "$0.00", "$0.01"),
        ("-3.456", "$-3.46", "$-3.46"),
    ],
)
def test_amounts_are_rounded_only_where_they_are_shown(amount: str, shown: str, at_most: str) -> None:
    assert dollars(Decimal(amount)) == shown
    assert bound(Decimal(amount)) == at_most
    assert (dollars(None), bound(None), number(None)) == ("-", "-", None)
    assert sum([exact(0.1)] * 3) == Decimal("0.3")


@given(st.decimals(0, 10**9, places=8))
def test_a_bound_is_never_shown_below_itself(amount: Decimal) -> None:
    assert Decimal(bound(amount).replace("$", "").replace(",", "")) >= amount


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"requests_per_month": -1}, "traffic.requests_per_month"),
        ({"requests_per_month": 10**13}, "traffic.requests_per_month"),
        ({"seconds": 0}, "traffic.seconds"),
        ({"seconds": -1.5}, "traffic.seconds"),
        ({"seconds": float("nan")}, "traffic.seconds"),
        ({"seconds": float("inf")}, "traffic.seconds"),
        ({"seconds": True}, "traffic.seconds"),
        ({"hours_per_month": 0}, "traffic.hours_per_month"),
        ({"hours_per_month": 731}, "traffic.hours_per_month"),
        ({"input_tokens": -1}, "traffic.input_tokens"),
        ({"output_tokens": 10**8}, "traffic.output_tokens"),
        ({"payload_bytes": -1}, "traffic.payload_bytes"),
        ({"request": 1}, "traffic.request"),
    ],
)
def test_traffic_that_means_nothing_is_refused(written: dict[str, object], path: str) -> None:
    with pytest.raises(FindingsError) as caught:
        parse(Assumptions, written, "traffic")
    assert [each.path for each in caught.value.findings] == [path]


def test_the_plot_has_a_panel_for_each_endpoint_and_marks_what_crosses() -> None:
    traffic = Traffic(Decimal(100_000), Decimal("0.2"), 0)
    found = estimate_endpoint("a<b", "serverless", Priced(SERVERLESS, "x"), traffic, [Alternative("on & on", ALWAYS)])
    text = svg([found, found], "what it costs")
    root = ElementTree.fromstring(text)
    assert len([each for each in root.iter() if each.tag.endswith("circle")]) == 2
    assert f"{found.break_even[0].requests:,}" in text
    assert "a&lt;b" in text
    assert "on &amp; on" in text


def test_the_plot_of_what_never_crosses_or_costs_nothing() -> None:
    free = TokenCost(TokenPrice("p", "m", Decimal(0), Decimal(0), "somebody"))
    found = estimate_endpoint("a", "api", Priced(free, "x"), Traffic(Decimal(0), Decimal(1)))
    assert ElementTree.fromstring(svg([found], "nothing")).tag.endswith("svg")
    assert ElementTree.fromstring(svg([], "nothing")).tag.endswith("svg")


def test_the_figures_of_the_quick_start() -> None:
    found = estimate_serverless(region=US, memory_mb=1024, max_concurrency=10, seconds=0.01)
    assert (found.fixed_per_month, found.per_million, found.worst_per_hour) == (0.0, 0.2, 0.72)
