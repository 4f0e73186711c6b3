"""Times are fitted to figures, and each band says how well the figures predict each other."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.cold_start.figures import Figure
from scaletozero.cold_start.fit import (
    Law,
    Seconds,
    best_law,
    by_size,
    constant,
    least_squares,
    on_one_machine,
    together,
)

SIZES = st.lists(st.floats(0.5, 500), min_size=4, max_size=8, unique_by=lambda gb: round(math.log(gb), 2))
TIMES = st.lists(st.floats(0.1, 1e4), min_size=2, max_size=9)


def figures(pairs: list[tuple[float, float]]) -> tuple[Figure, ...]:
    return tuple(Figure("a model", seconds, "a page", "2026", gb) for gb, seconds in pairs)


@given(SIZES, st.floats(0.1, 100), st.floats(-2, 2))
def test_an_exact_power_of_the_size_is_found_again(sizes: list[float], scale: float, power: float) -> None:
    law = Law("exact", figures([(gb, scale * gb**power) for gb in sizes]), by_size)
    assert law.factor == pytest.approx(1, abs=1e-4)
    assert law.seconds(20).expected == pytest.approx(scale * 20**power, rel=1e-4)


@given(TIMES)
def test_without_a_size_it_is_the_geometric_mean(times: list[float]) -> None:
    law = Law("mean", figures([(1, each) for each in times]))
    assert law.seconds().expected == pytest.approx(math.exp(sum(map(math.log, times)) / len(times)))


@given(TIMES)
def test_a_band_holds_four_of_five_figures_that_were_left_out(times: list[float]) -> None:
    law = Law("mean", figures([(1, each) for each in times]))
    held = [law.without(each).holds(each.seconds) for each in law.figures]
    assert sum(held) >= 0.8 * len(held)


@given(TIMES, st.floats(0.1, 200))
def test_a_prediction_is_within_its_own_band(times: list[float], gb: float) -> None:
    found = Law("mean", figures([(1, each) for each in times]), each_gb=True).seconds(gb)
    assert 0 < found.low <= found.expected <= found.high
    assert found.holds(found.expected)


def test_the_time_of_a_gigabyte_grows_with_the_size() -> None:
    law = Law("pull", figures([(10, 100), (20, 200)]), each_gb=True)
    assert law.seconds(5).expected == pytest.approx(50)


def test_the_size_counts_only_where_it_predicts_what_was_left_out() -> None:
    by_chance = figures([(1, 10), (10, 30), (20, 9), (40, 28), (80, 11)])
    assert best_law("chance", by_chance).features is constant
    growing = figures([(1, 10), (10, 105), (20, 190), (40, 410), (80, 800)])
    assert best_law("growing", growing).features is by_size


@pytest.mark.parametrize("rows", [[(1.0, 2.0)], [(1.0, 2.0), (1.0, 2.0)], [(0.0,)]])
def test_too_few_different_figures_are_refused(rows: list[tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match="too few different figures"):
        least_squares(rows, [1.0] * len(rows))


BANDS = st.lists(
    st.tuples(st.floats(0.1, 100), st.floats(1, 5)).map(
        lambda pair: Seconds(pair[0], pair[0] / pair[1], pair[0] * pair[1], "")
    ),
    min_size=1,
    max_size=6,
)


@given(BANDS)
def test_errors_that_go_together_make_a_wider_band_than_independent_ones(parts: list[Seconds]) -> None:
    apart, alike = together(parts, "sum"), on_one_machine(parts, "sum")
    assert apart.expected == pytest.approx(alike.expected)
    assert 0 <= apart.low <= apart.expected <= apart.high
    assert alike.low <= apart.low + 1e-6
    assert apart.high <= alike.high + 1e-6
