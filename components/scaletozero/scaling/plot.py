"""The plot of `advise`: each plan's cost against its latency, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from scaletozero.scaling.advice import Outcome, cheapest

WIDTH, HEIGHT, MARGIN = 760, 440, 70


def svg(outcomes: Sequence[Outcome], *, objective_seconds: float, title: str) -> str:
    """Draws the plot: USD per month to the right, the 99th percentile of latency upwards on a logarithmic scale."""
    costs = [each.usd_per_month for each in outcomes]
    latencies = [each.p99_seconds * 1000 for each in outcomes] + [objective_seconds * 1000]
    most = max(*costs, 1e-9) * 1.1
    low, high = math.log10(max(min(latencies), 1e-3)) - 0.1, math.log10(max(latencies)) + 0.1
    best = cheapest(outcomes)

    def x(usd: float) -> float:
        return MARGIN + usd / most * (WIDTH - MARGIN - 150)

    def y(ms: float) -> float:
        return HEIGHT - MARGIN - (math.log10(max(ms, 1e-3)) - low) / (high - low) * (HEIGHT - 2 * MARGIN)

    line = y(objective_seconds * 1000)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(MARGIN, 30, title, size=15),
        f'<path d="M{MARGIN} {MARGIN - 20}V{HEIGHT - MARGIN}H{WIDTH - 40}" fill="none" stroke="#444"/>',
        f'<path d="M{MARGIN} {line:.1f}H{WIDTH - 40}" stroke="#b00" stroke-dasharray="5 4"/>',
        _text(WIDTH - 45, line - 6, f"objective {objective_seconds * 1000:g} ms", anchor="end", fill="#b00"),
        _text(WIDTH / 2, HEIGHT - 20, "US dollars a month", anchor="middle"),
        f'<g transform="rotate(-90 20 {HEIGHT / 2})">'
        + _text(20, HEIGHT / 2, "p99 latency, ms (logarithmic)", anchor="middle")
        + "</g>",
    ]
    for step in range(5):
        usd = most * step / 4
        parts.append(_text(x(usd), HEIGHT - MARGIN + 18, f"{usd:,.2f}", anchor="middle"))
        ms = 10 ** (low + (high - low) * step / 4)
        parts.append(_text(MARGIN - 8, y(ms) + 4, f"{ms:,.0f}", anchor="end"))
    for each in outcomes:
        chosen = each is best
        where = x(each.usd_per_month), y(each.p99_seconds * 1000)
        fill = "#0a7d33" if chosen else "#36c" if each.meets else "#999"
        parts.append(f'<circle cx="{where[0]:.1f}" cy="{where[1]:.1f}" r="{7 if chosen else 5}" fill="{fill}"/>')
        parts.append(_text(where[0] + 9, where[1] + 4, each.plan.name, fill=fill))
    return "\n".join([*parts, "</svg>\n"])


def _text(x: float, y: float, text: str, *, anchor: str = "start", fill: str = "#222", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}">{escape(text)}</text>'
    )
