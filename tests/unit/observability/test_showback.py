"""Who used what: charges split among customers."""

import csv
import io
import json
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from scaletozero.endpoints.kind_usage import asynchronous_metering, serverless_metering
from scaletozero.observability.focus import as_csv, focus_rows
from scaletozero.observability.panels import INSTANCES, Measure
from scaletozero.observability.showback import Basis, CustomerWork, Part, Share, api_shares, lines_of, shares_of
from scaletozero.observability.usage import Used, total, used
from scaletozero.spending.prices import HOSTING, prices

REGION = "us-east-1"
TODAY, BEFORE = date(2026, 11, 29), date(2026, 11, 28)
WORK, CALLS = Measure("ModelLatency", "Sum"), Measure("Invocations", "Sum")
RUNNING = Measure("CPUUtilization", "SampleCount", namespace=INSTANCES)
ABOUT = {"name": "acme-a", "arn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/acme-a", "region": REGION}


def work(customer: str, seconds: str, requests: int = 1, day: date = TODAY, micros: int = 0) -> CustomerWork:
    return CustomerWork(customer, "acme-a", day, requests, Decimal(seconds), micros=micros)


def serverless(requests: int, seconds: int, day: date = TODAY) -> Used:
    return used(serverless_metering(1024, REGION, prices()), {CALLS: {day: requests}, WORK: {day: seconds * 1e6}})


def instances(minutes: int, requests: int, seconds: float) -> Used:
    sums = {
        RUNNING: {TODAY: minutes},
        WORK: {TODAY: seconds * 1e6},
        Measure("InvocationsProcessed", "Sum"): {TODAY: requests},
    }
    return used(asynchronous_metering("ml.g5.xlarge", REGION, prices()), sums)


def parts(shares: list[Share]) -> dict[str, Decimal]:
    return {each.owner: each.ratio for each in shares}


def test_a_charge_is_split_by_the_seconds_of_requests() -> None:
    found = shares_of(serverless(4, 100), [work("acme", "30", 3), work("globex", "10")], Basis.USAGE)
    assert parts(found) == {"acme": Decimal("0.75"), "globex": Decimal("0.25")}
    assert [each.quantity for each in found] == [75, 25]
    assert [each.usd for each in found] == [Decimal("0.0015"), Decimal("0.0005")]


def test_requests_that_the_gateway_did_not_send_are_of_other_callers() -> None:
    found = shares_of(serverless(8, 100), [work("acme", "30", 3), work("globex", "10", 1)], Basis.USAGE)
    assert parts(found) == {"acme": Decimal("0.375"), "globex": Decimal("0.125"), "(other callers)": Decimal("0.5")}


def test_without_a_gateway_all_is_of_other_callers() -> None:
    (found,) = shares_of(serverless(8, 100), [], Basis.USAGE)
    assert (found.part, found.ratio, found.usd) == (Part.OTHERS, 1, Decimal("0.002"))


def test_a_day_is_split_by_its_own_requests() -> None:
    sums = {CALLS: {BEFORE: 1, TODAY: 1}, WORK: {BEFORE: 5e6, TODAY: 5e6}}
    found = shares_of(
        used(serverless_metering(1024, REGION, prices()), sums),
        [work("acme", "2", day=BEFORE), work("globex", "9", day=TODAY)],
        Basis.USAGE,
    )
    assert [(each.day, each.customer, each.ratio) for each in found] == [(BEFORE, "acme", 1), (TODAY, "globex", 1)]


def test_idle_time_of_instances_by_both_bases() -> None:
    """Ten minutes of an instance, of which a minute was worked: nine tenths are idle."""
    pool = instances(10, 4, 60)
    works = [work("acme", "45", 3), work("globex", "15")]
    usage, allocation = shares_of(pool, works, Basis.USAGE), shares_of(pool, works, Basis.ALLOCATION)
    assert parts(usage) == {"acme": Decimal("0.075"), "globex": Decimal("0.025"), "(idle)": Decimal("0.9")}
    assert parts(allocation) == {"acme": Decimal("0.75"), "globex": Decimal("0.25")}
    price = prices().price(HOSTING, "ml.g5.xlarge", REGION).amount
    assert round(total(usage), 9) == round(total(allocation), 9) == round(price / 6, 9)


def test_a_pool_without_a_request_is_idle_by_both() -> None:
    for basis in Basis:
        (found,) = shares_of(instances(10, 0, 0), [], basis)
        assert (found.part, found.ratio) == (Part.IDLE, 1)


def test_a_pool_that_works_on_several_requests_at_a_time_is_not_idle() -> None:
    assert parts(shares_of(instances(1, 9, 600), [work("acme", "600", 9)], Basis.USAGE)) == {"acme": 1}


def test_an_api_costs_what_its_customers_settled() -> None:
    works = [
        CustomerWork("acme", "api.openai.com/m", TODAY, 2, tokens=300, micros=70, api=True),
        CustomerWork("globex", "api.openai.com/m", TODAY, 1, tokens=100, micros=30, api=True),
        CustomerWork("globex", None, TODAY, 4, micros=8),
    ]
    (found,) = api_shares(works, Basis.USAGE).values()
    assert [(each.customer, each.ratio, each.quantity, each.usd) for each in found] == [
        ("acme", Decimal("0.7"), 300, Decimal("0.00007")),
        ("globex", Decimal("0.3"), 100, Decimal("0.00003")),
    ]
    lines = lines_of(api_shares(works, Basis.USAGE), works, {})
    assert [(each.name, each.target, each.requests, each.usd, each.capped) for each in lines] == [
        ("acme", "api.openai.com/m", 2, Decimal("0.00007"), Decimal("0.00007")),
        ("globex", "api.openai.com/m", 1, Decimal("0.00003"), Decimal("0.00003")),
        ("globex", None, 4, 0, Decimal("0.000008")),  # answers that were kept cost nothing, and count against the cap
    ]


def test_lines_name_endpoints_as_the_environment_does() -> None:
    works = [work("acme", "3", 2, micros=9), CustomerWork("acme", "acme-gone", TODAY, 1, Decimal(1), micros=5)]
    shares = {"sentences": shares_of(serverless(2, 4), works[:1], Basis.USAGE)}
    sentences, gone = sorted(lines_of(shares, works, {"acme-a": "sentences"}), key=lambda each: each.usd, reverse=True)
    assert (sentences.target, sentences.usd, sentences.capped) == ("sentences", Decimal("0.00008"), Decimal("0.000009"))
    assert (gone.target, gone.usd, gone.capped) == ("acme-gone", 0, Decimal("0.000005"))


COSTS = st.dictionaries(
    st.sampled_from(["acme", "globex", "initech", "umbrella", "hooli"]),
    st.tuples(st.integers(1, 10_000), st.integers(0, 10**9)),
    max_size=5,
)


@given(COSTS, st.integers(0, 100_000), st.integers(0, 10**7), st.integers(0, 1440), st.sampled_from(Basis))
def test_the_parts_of_a_charge_are_the_whole(
    asked: dict[str, tuple[int, int]], requests: int, milliseconds: int, minutes: int, basis: Basis
) -> None:
    works = [work(name, str(Decimal(took) / 1000), count) for name, (count, took) in asked.items()]
    for one in (serverless(requests, milliseconds), instances(minutes, requests, milliseconds / 1000)):
        shares = shares_of(one, works, basis)
        rows = list(csv.DictReader(io.StringIO(as_csv(focus_rows("prod", {"a": ABOUT}, {"a": shares})))))
        ratios: dict[str, Decimal] = defaultdict(Decimal)
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for row in rows:
            charge = row["ChargeDescription"]
            details = json.loads(row["AllocatedMethodDetails"] or "null", parse_float=Decimal)
            ratios[charge] += details["Elements"][0]["AllocatedRatio"] if details else 1
            sums[charge] += Decimal(row["ConsumedQuantity"])
            assert bool(row["AllocatedResourceName"]) == (row["x_Part"] == "customer")
        assert set(ratios.values()) <= {Decimal(1)}
        assert all(each.ratio >= 0 and each.quantity >= 0 for each in shares)
        assert abs(sum(sums.values()) - sum(each.quantity for each in one.charges)) < Decimal("1e-18")


def test_a_split_charge_says_how_it_was_split() -> None:
    shares = shares_of(instances(10, 4, 60), [work("acme", "45", 4)], Basis.USAGE)
    acme, idle = focus_rows("prod", {"a": ABOUT}, {"a": shares})
    assert (acme["x_Part"], idle["x_Part"]) == ("customer", "idle")
    assert acme["AllocatedMethodId"] == idle["AllocatedMethodId"] == "scaletozero/busy-seconds/v1"
    assert (acme["AllocatedResourceId"], acme["AllocatedResourceName"]) == ("prod/customers/acme", "acme")
    assert json.loads(acme["AllocatedTags"]) == {"customer": "acme"}
    assert (idle["AllocatedResourceId"], idle["AllocatedTags"]) == (None, None)
    (element,) = json.loads(acme["AllocatedMethodDetails"])["Elements"]
    assert element == {"AllocatedRatio": 0.1, "UsageUnit": "Seconds", "UsageQuantity": 60, "x_Basis": "usage"}
    assert datetime.fromisoformat(acme["ChargePeriodStart"]) == datetime(2026, 11, 29, tzinfo=UTC)
