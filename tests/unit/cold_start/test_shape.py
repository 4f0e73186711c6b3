"""The usual start and the slow ones, the spread of their times, and the picture of both."""

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured_starts import start

from scaletozero.cli.starts_shown import bars, picture
from scaletozero.cold_start.gate import by_phase, total_of
from scaletozero.cold_start.shape import MOST_BINS, Bin, histogram, median_and_tail


def starts(*loads: float) -> list:
    return [start(number, seconds={"poll": 9, "node": 50, "load": load}) for number, load in enumerate(loads)]


def test_the_phases_of_the_median_and_of_the_slow_tail() -> None:
    usual, slow = median_and_tail(starts(*range(100, 110), *range(200, 210)))
    assert (usual.name, usual.count, usual.phases) == ("median", 4, {"node": 50, "load": pytest.approx(154.5)})
    assert (slow.name, slow.count, slow.phases) == ("slow tail", 2, {"node": 50, "load": pytest.approx(208.5)})


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=40))
def test_they_are_starts_that_were_measured(loads: list[float]) -> None:
    measured = starts(*loads)
    totals = sorted(map(total_of, measured))
    for each in median_and_tail(measured):
        assert totals[0] - 1e-6 <= sum(each.phases.values()) <= totals[-1] + 1e-6


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=60))
def test_a_histogram_counts_each_value_once_in_its_bar(values: list[float]) -> None:
    found = histogram(values)
    assert sum(each.count for each in found) == len(values)
    assert 1 <= len(found) <= MOST_BINS
    assert found[0].low <= min(values)
    assert max(values) <= found[-1].high + 1e-6
    assert len(bars(found)) == len(found)


def test_a_histogram_in_the_terminal() -> None:
    assert histogram([]) == []
    assert bars([Bin(0, 10, 1), Bin(10, 20, 2)]) == [" 0 to 10 s  #################### 1", f"10 to 20 s  {'#' * 40} 2"]


def test_the_phases_that_an_engine_logged_are_inside_of_load() -> None:
    found = by_phase([start(engine={"weights": 20, "compile": 40})])
    assert found["total"] == [380]
    assert found["load: compile"] == [40]


def test_the_picture_has_both_bars_and_the_histogram() -> None:
    drawn = picture("chat <1>", starts(*range(100, 120)))
    root = ElementTree.fromstring(drawn)
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Cold starts of chat <1> on g6.xlarge: 20" in texts
    assert {"median, mean of 4", "slow tail, mean of 2", "node", "load"} <= set(texts)
    assert "starts by their total: p50 159 s, p90 167 s, p95 168 s" in texts
