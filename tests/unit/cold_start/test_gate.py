"""Regressions of starts are found, and equal starts are not taken for one; intervals hold what they promise."""

import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured_starts import start

from scaletozero.cold_start.gate import LEAST_STARTS, TOTAL, by_phase, interval, slower
from scaletozero.cold_start.remembered import percentile

MEDIANS = {"node": 60.0, "pull": 200.0, "load": 130.0}


def drawn(chance: random.Random, slow: Mapping[str, float] | None = None, count: int = 20) -> dict[str, list[float]]:
    """Starts with a spread of a tenth, with the factors of the phases that became slower."""
    phases = {
        name: [median * (slow or {}).get(name, 1) * chance.lognormvariate(0, 0.1) for _ in range(count)]
        for name, median in MEDIANS.items()
    }
    return {**phases, TOTAL: [sum(each) for each in zip(*phases.values(), strict=True)]}


@pytest.mark.parametrize("phase", MEDIANS)
def test_a_phase_that_is_30_percent_slower_is_named_in_20_of_20_runs(phase: str) -> None:
    found = [
        {each.phase for each in slower(drawn(chance), drawn(chance, {phase: 1.3}), 0.1)}
        for chance in map(random.Random, range(20))
    ]
    assert all(phase in each for each in found)
    assert sum(bool(each - {phase, TOTAL}) for each in found) <= 1


def test_equal_starts_raise_at_most_one_alarm_in_20_runs() -> None:
    # Without a margin, so that the test alone decides; 100 runs, because 20 say little.
    alarms = sum(bool(slower(drawn(chance), drawn(chance), 0.0)) for chance in map(random.Random, range(100)))
    assert alarms <= 5


def test_a_tail_alone_is_a_regression() -> None:
    chance = random.Random(1)
    before, now = drawn(chance, count=40), drawn(chance, count=40)
    now["load"] = [each * (3 if index % 8 == 0 else 1) for index, each in enumerate(now["load"])]
    assert "load" in {each.phase for each in slower(before, now, 0.1)}


def test_what_is_within_the_margin_or_faster_is_none() -> None:
    chance = random.Random(1)
    before = drawn(chance)
    assert slower(before, {name: [each * 1.3 for each in values] for name, values in before.items()}, 0.5) == []
    assert slower(before, {name: [each * 0.7 for each in values] for name, values in before.items()}, 0.0) == []


def test_too_few_starts_are_not_compared() -> None:
    few, many = [1.0] * (LEAST_STARTS - 1), [100.0] * LEAST_STARTS
    assert slower({"load": few}, {"load": many}, 0.1) == []
    assert [each.phase for each in slower({"load": [1.0] * LEAST_STARTS}, {"load": many}, 0.1)] == ["load"]


def test_the_phases_of_starts_and_their_total() -> None:
    found = by_phase([start(), start(1, seconds={"load": 90})])
    assert found == {"node": [50], "pull": [200], "load": [130, 90], TOTAL: [380, 90]}


@given(st.integers(1, 60), st.sampled_from([0.5, 0.9, 0.95]), st.integers(0, 2**32))
def test_an_interval_holds_the_measured_percentile(count: int, share: float, seed: int) -> None:
    chance = random.Random(seed)
    values = [chance.random() for _ in range(count)]
    found = interval(values, share)
    assert found.low is None or found.low <= percentile(values, share)
    assert found.high is None or found.high >= percentile(values, share)


@pytest.mark.parametrize(("count", "share"), [(20, 0.5), (60, 0.9), (100, 0.95)])
def test_19_of_20_intervals_hold_the_true_percentile(count: int, share: float) -> None:
    held = 0
    for seed in range(400):
        chance = random.Random(seed)
        found = interval([chance.random() for _ in range(count)], share)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= share <= found.high
    assert held >= 400 * 0.95 - 3 * (400 * 0.95 * 0.05) ** 0.5  # three standard deviations of a fair count


def test_too_few_values_have_no_upper_end() -> None:
    assert interval([1.0, 2.0, 3.0], 0.95).high is None
    assert interval([float(each) for each in range(100)], 0.95).high is not None
