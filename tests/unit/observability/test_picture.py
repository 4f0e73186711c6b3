"""Charts as a picture: their axes, what is missing in a line, and what cannot be drawn."""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.observability.panels import Limit
from scaletozero.observability.picture import COLUMN, ROW, Chart, Line, Words, picture, ticks

BEGAN = datetime(2026, 11, 29, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def chart(*values: float | None, **changed: Any) -> Chart:
    """A chart of ten minutes with a value a minute, None where one is missing."""
    points = tuple((BEGAN + MINUTE * index, value) for index, value in enumerate(values) if value is not None)
    given = {"lines": (Line("all", points),), "limits": (), "error": "", **changed}
    return Chart(
        "Requests", "a minute", 60, x=0, y=0, width=8, height=6, since=BEGAN, until=BEGAN + 10 * MINUTE, **given
    )


def drawn(*charts: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(picture(charts, [], 24))


def texts(root: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]


def lines(root: ElementTree.Element) -> list[list[tuple[float, float]]]:
    """The stretches of the first line, each with its corners."""
    paths = [each.get("d", "") for each in root.iter() if each.get("stroke") == "#1f77b4"]
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+),([\d.]+)", each)] for each in paths]


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_an_axis_ends_above_its_highest_value_in_round_steps(highest: float) -> None:
    found = ticks(highest)
    assert 3 <= len(found) <= 6
    assert found[0] == 0
    assert found[-1] >= highest * (1 - 1e-9)
    assert found[-2] < highest
    mantissa = found[1] / 10 ** math.floor(math.log10(found[1]) + 1e-9)
    assert any(mantissa == pytest.approx(each) for each in (1, 2, 2.5, 5))


@pytest.mark.parametrize("highest", [0.0, -1.0, math.inf, math.nan])
def test_an_axis_of_nothing_is_there_all_the_same(highest: float) -> None:
    assert ticks(highest) == [0, 1]


def test_values_are_where_time_and_axis_say() -> None:
    (line,) = lines(drawn(chart(0, 50, 100)))
    left, right, top, bottom = 58, 8 * COLUMN - 10, 44, 6 * ROW - 40
    assert line == [
        (left, bottom),
        (pytest.approx(left + (right - left) / 10, abs=0.1), pytest.approx((top + bottom) / 2, abs=0.1)),
        (pytest.approx(left + (right - left) / 5, abs=0.1), top),
    ]
    assert {"0", "50", "100", "12:00", "12:05", "12:10"} <= set(texts(drawn(chart(0, 50, 100))))


def test_a_missing_minute_interrupts_the_line_and_is_not_zero() -> None:
    root = drawn(chart(1, 2, None, None, 2, 1, None, 1))
    assert [len(each) for each in lines(root)] == [2, 2]
    assert len([each for each in root.iter() if each.tag.endswith("circle")]) == 1


def test_a_limit_is_drawn_also_where_it_is_above_every_value() -> None:
    root = drawn(chart(1, 2, limits=(Limit("alarm: latency", 250),)))
    assert "alarm: latency" in texts(root)
    assert "300" in texts(root)


def test_nothing_and_what_could_not_be_read_are_said() -> None:
    assert "no data" in texts(drawn(chart()))
    found = texts(drawn(chart(error="CloudWatch denies GetMetricData: <none>")))
    assert any("CloudWatch denies GetMetricData: <none>" in each for each in found)
    assert "no data" not in found


def test_what_is_no_number_or_outside_of_the_time_is_left_out() -> None:
    far = Line("all", ((BEGAN - MINUTE, 5.0), (BEGAN, math.nan), (BEGAN + MINUTE, 1.0), (BEGAN + 2 * MINUTE, 1.0)))
    ((*corners,),) = lines(drawn(chart(lines=(far,))))
    assert len(corners) == 2


def test_names_of_others_stay_text() -> None:
    root = drawn(chart(1, lines=(Line('<script x="1">&', ((BEGAN, 1.0),)),)))
    assert '<script x="1">&' in texts(root)


def test_headings_and_the_text_below_them() -> None:
    root = ElementTree.fromstring(picture([], [Words("# acme, dev", 0), Words("## s\nEndpoint `e`.", 2)], 24))
    assert texts(root) == ["acme, dev", "s", "Endpoint e."]
    assert (root.get("width"), root.get("height")) == (str(24 * COLUMN), str(4 * ROW))
