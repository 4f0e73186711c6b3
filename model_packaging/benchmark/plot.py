"""A chart of cold starts: one bar per contender, one colour per phase, without a plotting library."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#eeca3b", "#9d755d", "#bab0ac")
LEAST_LEFT, WIDTH, ROW, BAR = 260, 640, 44, 26  # pixels
LETTER = 8  # pixels; width of a wide letter of a label


def phases_svg(rows: Mapping[str, Mapping[str, float]], title: str) -> str:
    """Draws `rows` (label -> phase -> milliseconds) in the given order, on one scale from zero.

    Raises:
        ValueError: no rows, or all of them without a phase that takes time.
    """
    longest = max((sum(phases.values()) for phases in rows.values()), default=0)
    if longest <= 0:
        raise ValueError("there is nothing to draw")
    fullest_first = sorted(rows.values(), key=len, reverse=True)  # the contender whose order includes every phase
    names = list(dict.fromkeys(name for phases in fullest_first for name in phases))
    colour = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
    height = 70 + ROW * len(rows) + 30
    left_edge = max(LEAST_LEFT, LETTER * max(map(len, rows)) + 20)
    total_width = left_edge + WIDTH + 90
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_width} {height}" font-family="sans-serif">',
        f'<title>{escape(title)}</title><g font-size="13">',
        f'<rect width="{total_width}" height="{height}" fill="#fff"/>',
        f'<text x="10" y="24" font-size="16">{escape(title)}</text>',
    ]
    for index, (label, phases) in enumerate(rows.items()):
        top, left = 44 + ROW * index, float(left_edge)
        parts.append(f'<text x="{left_edge - 10}" y="{top + 18}" text-anchor="end">{escape(label)}</text>')
        for name, spent in phases.items():
            width = WIDTH * spent / longest
            parts.append(
                f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{colour[name]}">'
                f"<title>{escape(name)}: {spent:.0f} ms</title></rect>"
            )
            left += width
        parts.append(f'<text x="{left + 8:.1f}" y="{top + 18}">{sum(phases.values()):.0f} ms</text>')
    for index, name in enumerate(names):
        left = left_edge + 90 * index
        parts.append(f'<rect x="{left}" y="{height - 34}" width="12" height="12" fill="{colour[name]}"/>')
        parts.append(f'<text x="{left + 17}" y="{height - 24}">{escape(name)}</text>')
    return "\n".join([*parts, "</g></svg>", ""])
