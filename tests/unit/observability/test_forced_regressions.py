"""Starts of known distributions, measured as `bench --starts` measures them: regressions are caught, and nothing else.

The times are those that the sandbox's `delays` draw (`scaletozero.sandbox.delays`), in simulated time.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import pytest
from forced_service import Asynchronous, Serverless, served

from scaletozero.cold_start.gate import TOTAL, by_phase, interval, slower
from scaletozero.cold_start.remembered import Start
from scaletozero.observability.forced_calls import Caller, CallPlan
from scaletozero.observability.forced_wakes import Forced, RequestWaker, wakes_plan
from scaletozero.sandbox.delays import Delay

Measure = Callable[[Sequence[Mapping[str, float]]], list[Start]]

RUNS, STARTS = 20, 20
SPREAD = 0.1
SERVERLESS = {"setup": 2.5, "imports": 0.5, "load": 0.4, "overhead": 0.1, "answer": 0.1}
ASYNCHRONOUS = {"queue": 10.0, "alarm": 5.0, "instance": 30.0, "container": 15.0, "model": 10.0, "answer": 5.0}


def drawn(
    medians: Mapping[str, float], chance: random.Random, slow: Mapping[str, float] | None = None
) -> list[dict[str, float]]:
    delays = {phase: Delay(seconds * (slow or {}).get(phase, 1), SPREAD) for phase, seconds in medians.items()}
    return [{phase: each.drawn(chance) for phase, each in delays.items()} for _ in range(STARTS)]


def called(phases: Sequence[Mapping[str, float]]) -> list[Start]:
    service = Serverless(phases=phases, idle=0, metric_delay=0, counted=True)
    made = Forced()
    caller = Caller(service, served, CallPlan(Decimal(1)), lambda line: None, service.monotonic, service.sleep)
    caller.run(len(phases), None, made, lambda start: None)
    assert len(made.starts) == len(phases)
    return made.starts


def woken(phases: Sequence[Mapping[str, float]]) -> list[Start]:
    service, made = Asynchronous(phases=phases, idle=1), Forced()
    plan = wakes_plan(Decimal(1), 1, 75)
    waker = RequestWaker(service, served, plan, lambda line: None, 0, service.monotonic, service.sleep)
    waker.run(len(phases), None, made, lambda start: None)
    assert len(made.starts) == len(phases)
    return made.starts


@pytest.mark.parametrize(
    ("measure", "medians", "phase"),
    [(called, SERVERLESS, "load"), (woken, ASYNCHRONOUS, "instance")],
)
def test_a_phase_that_is_30_percent_slower_is_named_in_20_of_20_runs(
    measure: Measure, medians: Mapping[str, float], phase: str
) -> None:
    for seed in range(RUNS):
        chance = random.Random(seed)
        before, now = measure(drawn(medians, chance)), measure(drawn(medians, chance, {phase: 1.3}))
        assert phase in {each.phase for each in slower(by_phase(before), by_phase(now), 0.1)}


@pytest.mark.parametrize(("measure", "medians"), [(called, SERVERLESS), (woken, ASYNCHRONOUS)])
def test_equal_starts_raise_at_most_one_alarm_in_20_runs(measure: Measure, medians: Mapping[str, float]) -> None:
    # Without a margin, so that the test alone decides.
    alarms = 0
    for seed in range(RUNS):
        chance = random.Random(1000 + seed)
        before, now = (by_phase(measure(drawn(medians, chance))) for _ in range(2))
        alarms += bool(slower(before, now, 0.0))
    assert alarms <= 1


@pytest.mark.parametrize(("measure", "medians"), [(called, SERVERLESS), (woken, ASYNCHRONOUS)])
def test_the_known_medians_are_within_the_intervals_of_the_measured_ones(
    measure: Measure, medians: Mapping[str, float]
) -> None:
    runs = [by_phase(measure(drawn(medians, random.Random(2000 + seed)))) for seed in range(RUNS)]
    for phase, median in medians.items():
        held = 0
        for each in runs:
            ends = interval(each[phase], 0.5)
            assert ends.low is not None
            assert ends.high is not None
            held += ends.low <= median <= ends.high
        # 95 of 100 are expected; fewer than 16 of 20 would be found in three runs of a thousand.
        assert held >= 16, phase
    assert TOTAL in runs[0]
