"""A dashboard as an SVG picture: charts where their grid has them, with what their metrics were. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from drawsvg import Circle, Drawing, DrawingElement, Lines, Path, Rectangle, Text

from scaletozero.observability.metric_queries import Points
from scaletozero.observability.panels import Limit

COLUMN, ROW = 46, 34
"""Pixels of a cell of the grid."""

COLOURS = ("#1f77b4", "#d95f02", "#2ca02c", "#9467bd", "#8c564b", "#17becf")
LIMIT, AXIS, QUIET, TEXT = "#b00020", "#bbb", "#666", "#16191f"
LEFT, TOP, BOTTOM, MARGIN = 58, 44, 40, 10
"""Pixels around a plot: its axis, its title, its times with the legend, and to the next chart."""

STEPS = (1, 2, 2.5, 5, 10)
"""What a tick of an axis may be, times a power of ten."""

LETTER = 5.6
"""Pixels of a letter of a legend."""


@dataclass(frozen=True)
class Line:
    """A line of a chart."""

    label: str
    points: Points


@dataclass(frozen=True)
class Chart:
    """A chart on the grid.

    Attributes:
        title, unit: above it.
        seconds: between two points; where one is missing the line is interrupted.
        lines, limits: what is drawn.
        x, y, width, height: in cells of the grid.
        since, until: the time that it shows.
        error: why nothing is drawn; empty where something is.
    """

    title: str
    unit: str
    seconds: int
    lines: tuple[Line, ...]
    limits: tuple[Limit, ...]
    x: int
    y: int
    width: int
    height: int
    since: datetime
    until: datetime
    error: str = ""


@dataclass(frozen=True)
class Words:
    """Text on the grid: a heading in Markdown, and lines below it."""

    markdown: str
    y: int


def picture(charts: Sequence[Chart], words: Sequence[Words], columns: int) -> str:
    """The SVG.

    Args:
        charts, words: what is on the grid.
        columns: the width of the grid.
    """
    width = columns * COLUMN
    height = max([0, *((each.y + each.height) * ROW for each in charts), *((each.y + 2) * ROW for each in words)])
    drawing = Drawing(width, height, font_family="sans-serif")
    drawing.append(Rectangle(0, 0, width, height, fill="#fff"))
    for each in words:
        drawing.extend(_heading(each))
    for each in charts:
        drawing.extend(_chart(each))
    return f"{drawing.as_svg(header='')}\n"


def _heading(words: Words) -> Iterator[DrawingElement]:
    heading, *more = words.markdown.splitlines()
    size = 20 if heading.startswith("# ") else 15
    yield _text(heading.lstrip("# "), MARGIN, words.y * ROW + 26, size=size, weight="bold")
    for index, line in enumerate(more):
        yield _text(line.replace("`", ""), MARGIN, words.y * ROW + 46 + 16 * index, fill=QUIET)


def ticks(highest: float) -> list[float]:
    """Three to six values of an axis from 0 to at least `highest`, at round distances."""
    if not (highest > 0 and math.isfinite(highest)):
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest / 4))
    step = next(each * power for each in STEPS if each * power * 4 >= highest * (1 - 1e-9))
    return [step * index for index in range(math.ceil(highest / step * (1 - 1e-9)) + 1)]


def _chart(chart: Chart) -> Iterator[DrawingElement]:
    left, top = chart.x * COLUMN + LEFT, chart.y * ROW + TOP
    right, bottom = (chart.x + chart.width) * COLUMN - MARGIN, (chart.y + chart.height) * ROW - BOTTOM
    frame = chart.x * COLUMN + 3, chart.y * ROW + 3, chart.width * COLUMN - 6, chart.height * ROW - 6
    yield Rectangle(*frame, rx=4, fill="none", stroke="#ddd")
    yield _text(chart.title, chart.x * COLUMN + MARGIN, chart.y * ROW + 20, size=13, weight="bold")
    yield _text(chart.unit, chart.x * COLUMN + MARGIN, chart.y * ROW + 34, size=10, fill=QUIET)
    if chart.error:
        yield _text(chart.error[: chart.width * 7], left, (top + bottom) / 2, size=10, fill=LIMIT)
        return
    values = [value for line in chart.lines for _, value in line.points]
    marks = ticks(max([0.0, *values, *(each.value for each in chart.limits)]))
    since, until = chart.since, chart.until
    span = (until - since).total_seconds()

    def x(at: datetime) -> float:
        return left + (at - since).total_seconds() / span * (right - left)

    def y(value: float) -> float:
        return bottom - max(0.0, value) / marks[-1] * (bottom - top)

    for mark in marks:
        yield Lines(left, y(mark), right, y(mark), fill="none", stroke="#eee" if mark else AXIS)
        yield _text(f"{mark:,.10g}", left - 6, y(mark) + 3, size=9, fill=QUIET, anchor="end")
    for index in range(3):
        at = since + (until - since) * index / 2
        anchor = ("start", "middle", "end")[index]
        yield _text(f"{at.astimezone(UTC):%H:%M}", x(at), bottom + 13, size=9, fill=QUIET, anchor=anchor)
    for each in chart.limits:
        yield Lines(left, y(each.value), right, y(each.value), fill="none", stroke=LIMIT, stroke_dasharray="5 3")
        yield _text(each.label, right - 4, y(each.value) - 3, size=9, fill=LIMIT, anchor="end")
    if not values:
        yield _text("no data", (left + right) / 2, (top + bottom) / 2, size=11, fill=QUIET, anchor="middle")
    for line, colour in zip(chart.lines, itertools.cycle(COLOURS)):
        shown = [(at, value) for at, value in line.points if since <= at < until and math.isfinite(value)]
        yield from _drawn(shown, chart.seconds, colour, x, y)
    yield from _legend(chart, left, bottom + 29, right)


def _drawn(
    points: Sequence[tuple[datetime, float]],
    seconds: int,
    colour: str,
    x: Callable[[datetime], float],
    y: Callable[[float], float],
) -> Iterator[DrawingElement]:
    """A line's stretches without a missing period; a point alone is a dot."""
    stretches: list[list[tuple[datetime, float]]] = []
    for each in points:
        follows = bool(stretches) and (each[0] - stretches[-1][-1][0]).total_seconds() <= seconds * 1.5
        if follows:
            stretches[-1].append(each)
        else:
            stretches.append([each])
    for (at, value), *rest in stretches:
        if not rest:
            yield Circle(round(x(at), 1), round(y(value), 1), 2.2, fill=colour)
            continue
        path = Path(fill="none", stroke=colour, stroke_width=1.6).M(round(x(at), 1), round(y(value), 1))
        for later, other in rest:
            path.L(round(x(later), 1), round(y(other), 1))
        yield path


def _legend(chart: Chart, left: float, y: float, right: float) -> Iterator[DrawingElement]:
    at = left
    for line, colour in zip(chart.lines, itertools.cycle(COLOURS)):
        if at > right - 20:
            return
        yield Rectangle(at, y - 7, 9, 9, fill=colour)
        yield _text(line.label, at + 13, y + 1, size=10)
        at += 26 + LETTER * len(line.label)


def _text(
    text: str, x: float, y: float, *, size: int = 12, fill: str = TEXT, anchor: str = "start", weight: str = "normal"
) -> DrawingElement:
    return Text(text, size, round(x, 1), round(y, 1), fill=fill, text_anchor=anchor, font_weight=weight)
