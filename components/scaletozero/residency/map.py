"""The report as an SVG picture: an environment's data flows, inside the frame of its residency."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from drawsvg import Drawing, DrawingElement, Lines, Marker, Path, Rectangle, Text

from scaletozero.residency.report import Row
from scaletozero.settings.residency import Residency

ROW, BOX, TOP, LETTER = 46, 34, 92, 6.6  # pixels; width of a letter of a label
COLUMNS = ("whose", "data", "passes", "rests in")
GAP, EDGE, LEAST = 46, 40, 90
STYLES = {"whose": "#e8eef7", "data": "#fff", "passes": "#f4f4f4", "rests in": "#e6f3e8"}
BORDER = "#0a7d33"


def svg(environment: str, residency: Residency, rows: Sequence[Row]) -> str:
    """Draws the map: a line for each kind of data, from its owner through what it passes to where it is stored.

    Args:
        environment: the environment's name.
        residency: the frame; its exceptions are drawn outside.
        rows: the report's rows.
    """
    cells = [
        (
            each.endpoint or "environment",
            each.data,
            each.passes or "",
            f"{each.rests_in}, {_short(each.key)}, {each.retention}" if each.rests_in else each.retention,
        )
        for each in rows
    ]
    widths = [max([LEAST, *(round(LETTER * len(row[column])) + 20 for row in cells)]) for column in range(4)]
    lefts = [EDGE + 20 + sum(widths[:column]) + GAP * column for column in range(4)]
    right = lefts[3] + widths[3] + 20
    bottom = TOP + ROW * len(cells) + 8
    leaving = [f"{each.allow}: may leave until {each.expires} ({each.approver})" for each in residency.exceptions]
    title = f"Where the data of {environment} is"
    width = max([right + EDGE, *(round(LETTER * len(each)) + 2 * EDGE for each in (*leaving, title, str(residency)))])
    height = bottom + 30 + 24 * len(leaving)

    picture = Drawing(width, height, font_family="sans-serif")
    picture.append_title(title)
    picture.append(Rectangle(0, 0, width, height, fill="#fff"))
    picture.append(
        Rectangle(EDGE, 40, right - EDGE, bottom - 40, rx=8, fill="none", stroke=BORDER, stroke_width=2),
    )
    picture.append(_text(EDGE, 26, title, size=16))
    picture.append(_text(EDGE + 20, 62, str(residency), fill=BORDER, size=13))
    for left, name in zip(lefts, COLUMNS, strict=True):
        picture.append(_text(left, TOP - 10, name, fill="#666"))
    arrow = Marker(-8, -4, 0, 4, orient="auto", id="end")
    arrow.append(Lines(-8, -4, 0, 0, -8, 4, close=True, fill="#555"))
    since = 0
    for index, row in enumerate(cells):
        top = TOP + ROW * index
        since = since + 1 if index and cells[index - 1][0] == row[0] else 0
        picture.extend(_line(row, lefts, widths, top, arrow, since=since))
    for index, text in enumerate(leaving):
        picture.append(_text(EDGE, bottom + 26 + 24 * index, text, fill="#b00"))
    return f"{picture.as_svg(header='')}\n"


def _line(
    row: Sequence[str], lefts: Sequence[int], widths: Sequence[int], top: int, arrow: Marker, *, since: int
) -> list[DrawingElement]:
    """Draws one kind of data. Its owner is drawn once; data that passes nothing goes straight on."""
    middle = top + BOX / 2
    first, second = since == 0, since == 1
    shown = [column for column in range(4) if row[column]]
    parts: list[DrawingElement] = []
    for one, other in itertools.pairwise(shown):
        parts.append(Path(stroke="#555", marker_end=arrow).M(lefts[one] + widths[one], middle).H(lefts[other]))
    for column in shown:
        if column or first:
            fill = STYLES[COLUMNS[column]]
            parts.append(Rectangle(lefts[column], top, widths[column], BOX, rx=4, fill=fill, stroke="#888"))
            parts.append(_text(lefts[column] + 10, middle + 4, row[column]))
    if not first:  # a branch from the lower edge of the box, or from the branch above
        left, above = lefts[0] + widths[0] / 2, top - ROW + (BOX if second else BOX / 2)
        branch = Path(fill="none", stroke="#555").M(left, above).V(middle).H(lefts[0] + widths[0])
        parts.append(branch)
    return parts


def _short(key: str) -> str:
    """A key's ARN without its middle."""
    name, _, id_ = key.rpartition("/")
    return f"KMS key {id_[:8]}" if name.startswith("KMS key arn:") else key


def _text(x: float, y: float, text: str, *, fill: str = "#222", size: int = 12) -> DrawingElement:
    return Text(text, size, x, y, fill=fill)
