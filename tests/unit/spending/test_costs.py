"""What each kind of endpoint costs: invoices made by hand, and meters that know nothing of the estimate.

SCALETOZERO_TRIES is how many environments are metered in all (default: 425, the same on each run).
"""

import os
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter import MONTH, one_instance, poisson, serverless

from scaletozero.spending.costs import InstanceCost, Item, ServerlessCost, TokenCost
from scaletozero.spending.prices import shipped
from scaletozero.spending.token_rates import TokenPrice
from scaletozero.spending.traffic import Traffic

US = "us-east-1"
TABLE = shipped()
COMPUTE = TABLE.price("sagemaker.serverless", "gb-second", US)
DATA = TABLE.price("sagemaker.serverless", "data-gb", US)
PROVISIONED = TABLE.price("sagemaker.serverless", "pc-gb-second", US)
PROVISIONED_WORK = TABLE.price("sagemaker.serverless", "pc-duration-gb-second", US)
GPU = TABLE.price("sagemaker.hosting", "ml.g5.xlarge", US)
NODE = TABLE.price("ec2", "g6.xlarge", US)
ALARM = TABLE.price("cloudwatch", "alarm-month", US)

CENT = Decimal("0.01")

ALL = 425


def metered(default: int) -> settings:
    """How often a meter is run: its part of all that are asked for, rounded up."""
    return settings(max_examples=-(-default * int(os.environ.get("SCALETOZERO_TRIES") or ALL) // ALL), deadline=None)


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT)


class TestInvoices:
    """Each line of an invoice computed by hand, and the sum to the cent."""

    def test_serverless(self) -> None:
        # 2,000,000 requests x 0.2 s x 4 GB x $0.0000200 = $32.00; 2,000,000 x 10,000 B = 20 GB x $0.016 = $0.32;
        # three alarm metrics at $0.10 = $0.30.
        cost = ServerlessCost(4096, 20, COMPUTE, DATA, items=(Item("alarms", Decimal(3), ALARM),))
        traffic = Traffic(Decimal(2_000_000), Decimal("0.2"), 10_000)
        assert cost.fixed == Decimal("0.30")
        assert cost.per_request(traffic) * 1000 == Decimal("0.01616")
        assert cents(cost.monthly(traffic)) == Decimal("32.62")
        # An hour at most: 20 x 4 GB x 3,600 s x $0.00002 = $5.76; 20 x 3,600 / 0.2 = 360,000 requests of 10,000 B are
        # 3.6 GB x $0.016 = $0.0576; the alarms are $0.30 / 730.
        assert cost.worst_per_hour(traffic) == Decimal("5.8176") + Decimal("0.30") / 730

    def test_serverless_with_provisioned_concurrency(self) -> None:
        # 2 x 730 h x 3,600 s x 4 GB x $0.000005 = $105.12, whatever comes.
        # 1,000,000 x 0.2 s x 4 GB x $0.0000117 = $9.36: on average 0.076 requests are worked on, so all find a unit.
        # 1,000,000 x 5,000 B = 5 GB x $0.016 = $0.08.
        cost = ServerlessCost(
            4096, 20, COMPUTE, DATA, PROVISIONED, PROVISIONED_WORK, Decimal(1460), Decimal(730), provisioned_most=2
        )
        traffic = Traffic(Decimal(1_000_000), Decimal("0.2"))
        assert cost.fixed == Decimal("105.12")
        assert cents(cost.monthly(traffic)) == Decimal("114.56")
        # $0.00002 on demand is more than $0.000005 + $0.0000117: all twenty on demand bound it.
        assert cost.worst_per_hour(traffic) == Decimal("5.76") + 20 * 3600 / Decimal("0.2") * 5000 / 10**9 * DATA.amount

    def test_serverless_warm_in_office_hours(self) -> None:
        # 217.26 h a month x 3,600 x 2 GB x $0.000005 = $7.82; 217.26 / 730 of the requests come in that time.
        hours = Decimal("217.26")
        cost = ServerlessCost(2048, 5, COMPUTE, DATA, PROVISIONED, PROVISIONED_WORK, hours, hours, provisioned_most=1)
        traffic = Traffic(Decimal(100_000), Decimal(1), 0)
        share = hours / 730
        by_hand = 100_000 * 2 * (share * Decimal("0.0000117") + (1 - share) * Decimal("0.00002"))
        assert cents(cost.fixed) == Decimal("7.82")
        assert cents(cost.monthly(traffic)) == cents(Decimal("7.82136") + by_hand)

    def test_asynchronous_always_on(self) -> None:
        # 2 x 730 h x $1.408 = $2,055.68, and one alarm.
        cost = InstanceCost(
            GPU, 4, 1, 600, floor_hours=Decimal(1460), covered_hours=Decimal(730), items=(Item("a", Decimal(1), ALARM),)
        )
        traffic = Traffic(Decimal(1000), Decimal(30))
        assert cents(cost.monthly(traffic)) == Decimal("2055.78")
        assert cost.worst_per_hour(traffic) == 4 * Decimal("1.408") + Decimal("0.1") / 730

    def test_asynchronous_that_scales_to_zero(self) -> None:
        # A request a day, alone: 300 s of start, 60 s of work, 600 s of idle = 960 s x $1.408 / 3,600 = $0.37547.
        cost = InstanceCost(GPU, 4, 1, 600, Decimal(300))
        assert cost.fixed == 0
        alone = Decimal(960) / 3600 * Decimal("1.408")
        assert cost.per_request(Traffic(Decimal(0), Decimal(60))) == alone
        month = cost.monthly(Traffic(Decimal(30), Decimal(60)))
        assert abs(month - 30 * alone) < 30 * alone * Decimal("0.02")

    def test_gpu_with_a_buffer(self) -> None:
        # One node and one of the buffer, always: 2 x 730 x $0.8048 = $1,175.01. An hour at most: 4 nodes of $1.006.
        dearest = TABLE.price("ec2", "g5.xlarge", US)
        cost = InstanceCost(
            NODE, 3, 32, 600, floor_hours=Decimal(730), covered_hours=Decimal(730), buffer=1, dearest=dearest
        )
        traffic = Traffic(Decimal(10_000), Decimal(2))
        assert cents(cost.monthly(traffic)) == Decimal("1175.01")
        assert cost.worst_per_hour(traffic) == Decimal("4.024")

    def test_an_api(self) -> None:
        # 1,000,000 x (300 x $1 + 100 x $5) / 1,000,000 = $800.
        cost = TokenCost(TokenPrice("p", "m", Decimal(1), Decimal(5), "somebody"))
        assert cost.monthly(Traffic(Decimal(1_000_000), Decimal(1), 0, 300, 100)) == 800


def fraction(amount: Decimal) -> Fraction:
    return Fraction(str(amount))


@metered(300)
@given(
    memory=st.sampled_from([1024, 2048, 3072, 4096, 5120, 6144]),
    most=st.integers(1, 200),
    duration=st.decimals("0.01", "60", places=3),
    requests=st.integers(0, 400),
    burst=st.integers(1, MONTH),
    payload=st.integers(0, 4_000_000),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_serverless_bill_is_never_above_the_bound_and_as_estimated(
    memory: int, most: int, duration: Decimal, requests: int, burst: int, payload: int, seed: int
) -> None:
    """Requests at random within a stretch of any length, from a second's burst to the whole month."""
    cost = ServerlessCost(memory, most, COMPUTE, DATA)
    times = poisson(np.random.default_rng(seed), requests, burst)
    length = fraction(duration)
    seconds = serverless(times, length, most)
    served = int(seconds / length)
    per_gb = Fraction(memory, 1024) * fraction(COMPUTE.amount)
    billed = seconds * per_gb + served * Fraction(payload, 10**9) * fraction(DATA.amount)
    traffic = Traffic(Decimal(served), duration, payload)
    hours = Fraction(burst, 3600) + length / 3600
    # Whoever begins in the hour may end in the next one: the bound holds for the time in which anything runs.
    assert billed <= fraction(cost.worst_per_hour(traffic)) * hours * (1 + Fraction(1, 10**9)) + most * length * per_gb
    assert abs(billed - fraction(cost.monthly(traffic))) <= billed * Fraction(2, 100)


@metered(25)
@given(
    gap=st.floats(1, 4000),
    duration=st.floats(0.05, 5),
    idle=st.integers(60, 3600),
    start=st.integers(0, 600),
    seed=st.integers(0, 2**32 - 1),
)
def test_an_instance_that_scales_to_zero_is_billed_as_estimated(
    gap: float, duration: float, idle: int, start: int, seed: int
) -> None:
    """Requests at random, a mean gap apart, for as many months as make 40,000 of them; one instance is enough."""
    cost = InstanceCost(GPU, 1, 10_000, idle, Decimal(start))
    requests = 40_000
    length = requests * gap
    times = poisson(np.random.default_rng(seed), requests, length)
    months = length / MONTH
    hours = one_instance(times, duration, idle, start, length) / 3600 / months
    traffic = Traffic(Decimal(requests / months), Decimal(repr(duration)))
    estimated = cost.monthly(traffic)
    billed = Decimal(hours) * GPU.amount
    assert abs(billed - estimated) <= estimated * Decimal("0.02")
    assert billed <= cost.worst_per_hour(traffic) * 730 * Decimal("1.000000001")


@metered(100)
@given(
    most=st.integers(1, 20),
    concurrency=st.integers(1, 8),
    duration=st.floats(1, 60),
    load=st.floats(0.1, 40),
)
def test_instances_under_an_even_load_are_billed_for_what_it_needs(
    most: int, concurrency: int, duration: float, load: float
) -> None:
    """Requests evenly spaced, so that `load` instances are busy all the time, or as many as there can be."""
    cost = InstanceCost(GPU, most, concurrency, 3600, Decimal(0))
    requests = load * concurrency * MONTH / duration
    traffic = Traffic(Decimal(requests), Decimal(repr(duration)))
    needed = min(max(load, 1.0), most)
    by_hand = needed * 730 * GPU.usd
    estimated = float(cost.monthly(traffic))
    assert estimated == pytest.approx(by_hand, rel=0.02)
    assert estimated <= float(cost.worst_per_hour(traffic)) * 730 * (1 + 1e-12)


@given(requests=st.integers(0, 10**12), duration=st.decimals("0.001", "3600", places=3), hours=st.integers(1, 730))
def test_no_traffic_is_estimated_above_the_worst_case(requests: int, duration: Decimal, hours: int) -> None:
    traffic = Traffic(Decimal(requests), duration, hours=Decimal(hours))
    warm = (PROVISIONED, PROVISIONED_WORK, Decimal(730), Decimal(730), 5, Decimal("0.8"))
    for cost in (
        ServerlessCost(1024, 10, COMPUTE, DATA),
        ServerlessCost(6144, 10, COMPUTE, DATA, *warm),
        InstanceCost(GPU, 3, 2, 600, Decimal(300)),
        InstanceCost(GPU, 3, 2, 600, Decimal(300), Decimal(400), Decimal(200), 1),
    ):
        month = cost.monthly(traffic)
        assert cost.fixed <= month <= cost.worst_per_hour(traffic) * 730
        drawn = cost.curve(traffic)(float(requests))
        assert drawn == pytest.approx(float(month), rel=1e-6)
