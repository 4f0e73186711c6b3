"""A chart of cold starts: one bar per contender, one colour per phase, without a plotting library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#eeca3b", "#9d755d", "#bab0ac")
LEAST_LEFT, WIDTH, ROW, BAR = 260, 640, 44, 26  # pixels
LETTER = 8  # pixels; width of a wide letter of a label
HEAD = 44  # pixels; the title's part
LEGEND = 8  # names in a line


@dataclass(frozen=True)
class Drawn:
    """A part of a picture: its elements, and its size in pixels."""

    parts: Sequence[str]
    width: float
    height: float


def phases_svg(rows: Mapping[str, Mapping[str, float]], title: str) -> str:
    """Draws `rows` (label -> phase -> milliseconds) in the given order, on one scale from zero.

    Raises:
        ValueError: no rows, or all of them without a phase that takes time.
    """
    return whole_svg([phase_bars(rows, "ms")], title)


def whole_svg(drawn: Sequence[Drawn], title: str) -> str:
    """A picture of parts, the first one at the top, below their title."""
    width, height = max(each.width for each in drawn), HEAD + sum(each.height for each in drawn)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<title>{escape(title)}</title><g font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="10" y="24" font-size="16">{escape(title)}</text>',
    ]
    top = HEAD
    for each in drawn:
        parts += [f'<g transform="translate(0 {top})">', *each.parts, "</g>"]
        top += each.height
    return "\n".join([*parts, "</g></svg>", ""])


def phase_bars(rows: Mapping[str, Mapping[str, float]], unit: str) -> Drawn:
    """A bar of each row (label -> phase -> time) in the given order, on one scale from zero, and the phases' colours.

    Raises:
        ValueError: no rows, or all of them without a phase that takes time.
    """
    longest = max((sum(phases.values()) for phases in rows.values()), default=0)
    if longest <= 0:
        raise ValueError("there is nothing to draw")
    fullest_first = sorted(rows.values(), key=len, reverse=True)  # the contender whose order includes every phase
    names = list(dict.fromkeys(name for phases in fullest_first for name in phases))
    colour = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
    left_edge = max(LEAST_LEFT, LETTER * max(map(len, rows)) + 20)
    digits = 0 if longest >= 10 else 2
    parts = list[str]()
    for index, (label, phases) in enumerate(rows.items()):
        top, left = ROW * index, float(left_edge)
        parts.append(f'<text x="{left_edge - 10}" y="{top + 18}" text-anchor="end">{escape(label)}</text>')
        for name, spent in phases.items():
            width = WIDTH * spent / longest
            parts.append(
                f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{colour[name]}">'
                f"<title>{escape(name)}: {spent:.{digits}f} {unit}</title></rect>"
            )
            left += width
        parts.append(f'<text x="{left + 8:.1f}" y="{top + 18}">{sum(phases.values()):.{digits}f} {unit}</text>')
    for index, name in enumerate(names):
        left, top = left_edge + 90 * (index % LEGEND), ROW * len(rows) + 22 * (index // LEGEND)
        parts.append(f'<rect x="{left}" y="{top - 8}" width="12" height="12" fill="{colour[name]}"/>')
        parts.append(f'<text x="{left + 17}" y="{top + 2}">{escape(name)}</text>')
    height = ROW * len(rows) + 26 + 22 * ((len(names) - 1) // LEGEND)
    return Drawn(parts, left_edge + WIDTH + 90, height)


def count_bars(bins: Sequence[tuple[str, int]], title: str) -> Drawn:
    """A histogram: a bar of each bin (label, count), on one scale from zero.

    Raises:
        ValueError: there is no bin, or none that counts anything.
    """
    most = max((count for _, count in bins), default=0)
    if most <= 0:
        raise ValueError("there is nothing to draw")
    left_edge, row, bar = max(LEAST_LEFT, LETTER * max(len(label) for label, _ in bins) + 20), 22, 16
    parts = [f'<text x="10" y="20">{escape(title)}</text>']
    for index, (label, count) in enumerate(bins):
        top, width = 32 + row * index, WIDTH * count / most
        parts.append(f'<text x="{left_edge - 10}" y="{top + 13}" text-anchor="end">{escape(label)}</text>')
        parts.append(f'<rect x="{left_edge}" y="{top}" width="{width:.1f}" height="{bar}" fill="{COLOURS[0]}"/>')
        parts.append(f'<text x="{left_edge + width + 8:.1f}" y="{top + 13}">{count}</text>')
    return Drawn(parts, left_edge + WIDTH + 90, 32 + row * len(bins) + 14)
