"""The picture of a cold start."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.benchmark.bench import Figures
from model_packaging.benchmark.plot import LETTER, WIDTH, phases_svg
from model_packaging.evaluation.measure import Start

SVG = "{http://www.w3.org/2000/svg}"
LABELS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
ROWS = st.dictionaries(
    LABELS, st.dictionaries(LABELS, st.floats(0.1, 1e5), min_size=1, max_size=7), min_size=1, max_size=4
)


@given(ROWS, LABELS)
def test_bars_are_to_one_scale(rows: dict[str, dict[str, float]], title: str) -> None:
    root = ElementTree.fromstring(phases_svg(rows, title))
    bars = [each for each in root.iter(f"{SVG}rect") if each.find(f"{SVG}title") is not None]
    spent = [value for phases in rows.values() for value in phases.values()]
    longest = max(sum(phases.values()) for phases in rows.values())
    assert len(bars) == len(spent)
    for bar, value in zip(bars, spent, strict=True):
        assert float(bar.attrib["width"]) == pytest.approx(WIDTH * value / longest, abs=0.06)


def test_a_long_label_has_room() -> None:
    root = ElementTree.fromstring(phases_svg({"l" * 60: {"load": 1.0}}, "title"))
    label = next(each for each in root.iter(f"{SVG}text") if each.text == "l" * 60)
    assert float(label.attrib["x"]) >= 60 * LETTER


@pytest.mark.parametrize("rows", [{}, {"a": {}}, {"a": {"load": 0.0}}])
def test_nothing_to_draw(rows: dict[str, dict[str, float]]) -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        phases_svg(rows, "title")


def figures(*totals: float) -> Figures:
    return Figures("x", 1, tuple(Start({"session": total / 2, "python": total / 2}, total, 10) for total in totals))


def test_figures_of_many_starts() -> None:
    seen = figures(*range(1, 101))
    assert (seen.p50_ms, seen.p95_ms, seen.fastest_ms) == (50.5, 96, 1)
    assert list(seen.phases) == ["python", "session"]


def test_the_slowest_stands_for_the_95th_of_a_few() -> None:
    assert figures(3, 1, 2).p95_ms == 3


def test_ratios_are_taken_round_by_round() -> None:
    assert figures(1, 10, 3).ratio_to(figures(2, 20, 3)) == 0.5
