"""The replay on instances against closed forms, by hand, and against what holds for any trace."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.scaling.advice import Plan
from scaletozero.scaling.cost import HOURS
from scaletozero.scaling.fleet import Fleet, replay_fleet
from scaletozero.scaling.fleet_advice import DeclaredFleet, FleetPlan, Objective, advise_fleet, cheapest_fleet
from scaletozero.scaling.simulation import Floor
from scaletozero.scaling.trace import Trace
from scaletozero.spending.prices import EC2, prices


def poisson(rate: float, work: float, calls: int, seed: int = 7) -> Trace:
    chance, now = random.Random(seed), 0.0
    starts, durations = [], []
    for _ in range(calls):
        now += chance.expovariate(rate)
        starts.append(now)
        durations.append(chance.expovariate(1 / work))
    return Trace(starts, durations)


@pytest.mark.parametrize(("instances", "concurrency", "load"), [(2, 5, 6.0), (4, 1, 2.0), (1, 3, 2.0)])
def test_waiting_with_all_instances_ready_is_m_m_c(instances: int, concurrency: int, load: float) -> None:
    servers, lost = instances * concurrency, 1.0
    for count in range(1, servers + 1):
        lost = load * lost / (count + load * lost)
    waiting = lost / (1 - load / servers * (1 - lost))  # Erlang's C
    found = replay_fleet(poisson(load, 1.0, 300_000), Fleet(instances, concurrency, 0.0, 0.0), [Floor(0, instances)])
    assert sum(each > 0 for each in found.waits) / 300_000 == pytest.approx(waiting, rel=0.03)
    assert sum(found.waits) / 300_000 == pytest.approx(waiting / (servers - load), rel=0.03)
    assert (found.cold, found.starts) == (0, 0)


@pytest.mark.parametrize("rate", [0.0005, 0.002, 0.01])
def test_an_instance_that_sleeps_is_there_for_the_share_of_the_estimate(rate: float) -> None:
    # The closed form of `spending.costs.InstanceCost`, for calls of no work.
    start, idle = 120.0, 300.0
    trace = poisson(rate, 1e-9, 60_000)
    found = replay_fleet(trace, Fleet(1, 1_000_000, start, idle))
    awake = 1 - 1 / (rate * start + math.exp(rate * idle))
    assert found.instance_seconds / trace.seconds == pytest.approx(awake, rel=0.02)


def test_by_hand() -> None:
    fleet = Fleet(2, 1, 60.0, 300.0)
    found = replay_fleet(Trace([0.0, 100.0, 2000.0], [10.0, 10.0, 10.0]), fleet)
    # It starts at 0, is not needed from 110 on, stops at 410; again from 2000 to the end of the trace, 2010.
    assert found.waits == [60.0, 0.0, 60.0]
    assert (found.cold, found.starts, found.instance_seconds) == (2, 2, 420.0)


def test_a_second_call_starts_a_second_instance_and_may_be_taken_by_the_first() -> None:
    found = replay_fleet(Trace([0.0, 55.0], [10.0, 10.0]), Fleet(2, 1, 60.0, 300.0))
    # The second instance would be ready at 115, the first one has ended its call at 70.
    assert found.waits == [60.0, 15.0]
    assert found.starts == 2


def test_the_buffer_shortens_a_start_and_is_refilled() -> None:
    fleet = Fleet(3, 1, 300.0, 0.0, buffer=1, buffered_start_seconds=60.0, refill_seconds=240.0)
    found = replay_fleet(Trace([0.0, 10.0, 250.0], [500.0, 500.0, 500.0]), fleet)
    assert found.waits == [60.0, 300.0, 60.0]


def test_a_floor_of_a_window_is_ready_if_it_began_in_time() -> None:
    fleet = Fleet(2, 1, 60.0, 0.0)
    trace = Trace([0.0, 1000.0, 3000.0], [1.0, 1.0, 1.0])
    found = replay_fleet(trace, fleet, [Floor(0.0, 0), Floor(900.0, 1), Floor(2000.0, 0)])
    assert found.waits == [60.0, 0.0, 60.0]
    assert found.instance_seconds == pytest.approx(61 + 1100 + 1)


fleets = st.builds(
    Fleet,
    maximum=st.integers(1, 4),
    concurrency=st.integers(1, 3),
    start_seconds=st.integers(0, 50).map(float),
    idle_seconds=st.integers(0, 50).map(float),
)


def recorded(calls: list[tuple[int, int]]) -> Trace:
    ordered = sorted(calls)
    return Trace([float(start) for start, _ in ordered], [float(work) for _, work in ordered])


traces = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 60)), min_size=1, max_size=40).map(recorded)


@given(traces, fleets)
def test_what_holds_for_any_trace(trace: Trace, fleet: Fleet) -> None:
    found = replay_fleet(trace, fleet)
    began = [start + wait for start, wait in zip(trace.starts, found.waits, strict=True)]
    assert began == sorted(began)  # in order, none is forgotten
    assert min(found.waits) >= 0
    for moment in began:
        ends = zip(began, trace.durations, strict=True)
        working = sum(start <= moment < start + work for start, work in ends)
        assert working <= fleet.maximum * fleet.concurrency
    assert found.instance_seconds <= fleet.maximum * trace.seconds + 1e-6
    assert found.starts >= 1


@given(traces, fleets)
def test_all_instances_kept_ready_wait_no_longer_and_meet_no_cold_start(trace: Trace, fleet: Fleet) -> None:
    kept = replay_fleet(trace, fleet, [Floor(trace.starts[0], fleet.maximum)])
    assert (kept.cold, kept.starts) == (0, 0)
    assert kept.instance_seconds == pytest.approx(fleet.maximum * trace.seconds)
    slept = replay_fleet(trace, fleet)
    assert all(one <= other for one, other in zip(kept.waits, slept.waits, strict=True))


PRICE = prices().price(EC2, "g6.xlarge", "us-east-1")


def declared(**changes: object) -> DeclaredFleet:
    fleet = Fleet(4, 2, 300.0, 600.0, buffered_start_seconds=60.0, refill_seconds=240.0)
    return DeclaredFleet(fleet, FleetPlan(Plan("as declared"), 600.0), PRICE, 6, **changes)  # type: ignore[arg-type]


def test_the_cheapest_that_meets_an_objective_is_named_with_its_costs() -> None:
    trace = poisson(1 / 1500, 20.0, 1000)
    outcomes = advise_fleet(trace, declared(buffers=True), Objective(wait_seconds=100.0))
    by_name = {each.plan.name: each for each in outcomes}
    assert not by_name["as declared, idle 600 s"].meets
    buffered = by_name["min 0, buffer 1, idle 600 s"]
    assert buffered.meets
    assert buffered.wait_p95 <= 60
    assert buffered.buffer_usd_per_month == pytest.approx(PRICE.usd * HOURS)
    kept = by_name["min 1, idle 600 s"]
    assert kept.usd_per_month == pytest.approx(PRICE.usd * HOURS, rel=0.1)
    best = cheapest_fleet(outcomes)
    assert best is not None
    assert best.usd_per_month == min(each.usd_per_month for each in outcomes if each.meets)
    assert [each.usd_per_month for each in outcomes] == sorted(each.usd_per_month for each in outcomes)


def test_a_share_of_cold_calls_can_be_the_objective() -> None:
    outcomes = advise_fleet(poisson(1 / 1500, 20.0, 1000), declared(), Objective(cold_share=0.05))
    assert all((each.cold_share <= 0.05) == each.meets for each in outcomes)
    assert cheapest_fleet(outcomes)
    assert not any(each.plan.buffer for each in outcomes)


def test_an_objective_that_nothing_meets() -> None:
    # Ten times the work of all instances.
    outcomes = advise_fleet(poisson(4.0, 20.0, 2000), declared(), Objective(wait_seconds=1.0))
    assert cheapest_fleet(outcomes) is None
