"""When a candidate is called slower: exact where the noise may be anything, by simulation where it is named."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.evaluation.latency import CONFIDENCE, LEAST_ROUNDS, compare, interval, paired, verdict
from model_packaging.pipeline.candidates import LONG_ROUNDS, SHORT_ROUNDS

MS = st.floats(0.01, 1000)
PAIRS = st.lists(st.tuples(MS, MS), min_size=1, max_size=40)


def judged(pairs: list[tuple[float, float]]) -> str:
    ours, theirs = zip(*pairs, strict=True)
    return compare(ours, theirs).verdict


@pytest.mark.parametrize("rounds", [LEAST_ROUNDS, LONG_ROUNDS, 11, SHORT_ROUNDS])
def test_of_two_that_are_equally_fast_one_is_called_slower_in_half_a_percent_at_most(rounds: int) -> None:
    """Whatever the noise is, each round is as likely to favour one as the other: every outcome is counted."""
    outcomes = [judged([(2.0, 1.0) if slow else (1.0, 2.0) for slow in signs]) for signs in _signs(rounds)]
    for wrong in ("slower", "faster"):
        assert 0 < outcomes.count(wrong) / len(outcomes) <= (1 - CONFIDENCE) / 2


def _signs(rounds: int) -> itertools.product[tuple[bool, ...]]:
    return itertools.product((False, True), repeat=rounds)


@given(PAIRS)
def test_whoever_is_slower_the_other_is_faster(pairs: list[tuple[float, float]]) -> None:
    other = {"slower": "faster", "faster": "slower", "undecided": "undecided"}
    assert judged([(theirs, ours) for ours, theirs in pairs]) == other[judged(pairs)]


@given(PAIRS, st.floats(0.1, 10))
def test_a_slower_machine_changes_nothing(pairs: list[tuple[float, float]], factor: float) -> None:
    power = 2.0 ** round(math.log2(factor))  # exact in floating point
    assert judged([(power * ours, power * theirs) for ours, theirs in pairs]) == judged(pairs)


@given(st.lists(MS, min_size=LEAST_ROUNDS, max_size=40), st.floats(1.01, 5))
def test_one_that_is_slower_in_every_round_is_slower(source: list[float], factor: float) -> None:
    assert judged([(factor * each, each) for each in source]) == "slower"
    assert judged([(each / factor, each) for each in source]) == "faster"


@given(st.lists(st.tuples(MS, MS), min_size=1, max_size=LEAST_ROUNDS - 1))
def test_too_few_rounds_cannot_tell(pairs: list[tuple[float, float]]) -> None:
    assert judged(pairs) == "undecided"


@given(st.lists(MS, min_size=1, max_size=60))
def test_the_interval_contains_the_median(values: list[float]) -> None:
    low, high = interval(sorted(values))
    middle = sorted(values)[len(values) // 2]
    assert low <= middle <= high


@given(st.integers(0, 2**32), st.floats(0.45, 0.8))
def test_a_fast_candidate_is_never_dropped_on_a_busy_machine(seed: int, ratio: float) -> None:
    """Every run may take up to four times as long, as beside busy programs; one round meets both with the same load."""
    noise = random.Random(seed)
    pairs = []
    for _ in range(SHORT_ROUNDS):
        load = noise.uniform(1, 4)
        pairs.append((ratio * load * noise.lognormvariate(0, 0.1), load * noise.lognormvariate(0, 0.1)))
    assert judged(pairs) != "slower"


def test_half_of_the_speed_is_found_under_noise() -> None:
    found = 0
    for seed in range(200):
        noise = random.Random(seed)
        pairs = [(noise.lognormvariate(math.log(2), 0.3), noise.lognormvariate(0, 0.3)) for _ in range(SHORT_ROUNDS)]
        found += judged(pairs) == "slower"
    assert found >= 190


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (1.01, 1.2, "slower"),
        (0.5, 0.99, "faster"),
        (0.9, 1.1, "undecided"),
        (1, 1, "undecided"),
        (0, math.inf, "undecided"),
    ],
)
def test_the_verdict_of_an_interval(low: float, high: float, said: str) -> None:
    assert verdict(low, high) == said


def test_the_two_take_turns_in_being_first_and_the_first_run_of_a_burst_is_not_counted() -> None:
    order: list[str] = []
    ours, theirs = paired(lambda: order.append("c"), lambda: order.append("s"), rounds=2, burst=2)
    assert "".join(order) == "sss" + "ccc" + "ccc" + "sss"
    assert len(ours) == len(theirs) == 2
    assert all(each > 0 for each in (*ours, *theirs))
