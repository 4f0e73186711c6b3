"""The plot of an estimate: cost a month against requests a month, for each way to serve an endpoint, as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from scaletozero.spending.estimate import EndpointEstimate

WIDTH, PANEL, LEFT, TOP, BOTTOM, LEGEND = 960, 400, 80, 50, 60, 340
COLOURS = ("#3366cc", "#0a7d33", "#b35c00", "#8a2be2", "#b00020", "#555555")
POINTS = 160
LEAST = 0.01
"""USD a month below which nothing is drawn: a logarithmic scale has no zero."""

Curve = Callable[[float], float]


def svg(endpoints: Sequence[EndpointEstimate], title: str) -> str:
    """One panel for each endpoint, both axes logarithmic; a line ends at what can be worked on."""
    height = TOP + PANEL * max(1, len(endpoints))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(LEFT, 28, title, size=15),
    ]
    for index, each in enumerate(endpoints):
        parts += _panel(each, TOP + PANEL * index)
    return "\n".join([*parts, "</svg>\n"])


def _panel(estimate: EndpointEstimate, top: float) -> list[str]:
    assert estimate.cost
    traffic = estimate.traffic
    own = f"{estimate.name}: {estimate.kind}, {estimate.size}"
    ways = [(own, estimate.cost), *((each.name, each.cost) for each in estimate.alternatives)]
    lines = [(name, cost.curve(traffic), float(cost.capacity(traffic))) for name, cost in ways]
    crossings = [(each.requests, own) for each in estimate.break_even if each.requests]
    marked = [each for each, _ in crossings] + [max(1, int(traffic.requests))]
    low = min(2, *(math.floor(math.log10(each)) for each in marked))
    high = max(8, *(math.ceil(math.log10(each)) for each in marked))
    highest = max(max(curve(min(10.0**high, most)) for _, curve, most in lines), 1.0)
    least, most = math.log10(LEAST), math.ceil(math.log10(highest))

    def x(requests: float) -> float:
        return LEFT + (math.log10(requests) - low) / (high - low) * (WIDTH - LEFT - LEGEND)

    def y(usd: float) -> float:
        share = (math.log10(max(usd, LEAST)) - least) / (most - least)
        return top + PANEL - BOTTOM - share * (PANEL - BOTTOM - 20)

    bottom, right = y(LEAST), x(10.0**high)
    parts = [f'<path d="M{LEFT} {y(10.0**most):.1f}V{bottom:.1f}H{right:.1f}" fill="none" stroke="#444"/>']
    for power in range(low, high + 1):
        parts.append(_text(x(10.0**power), bottom + 18, f"{10**power:,}", anchor="middle", size=10))
    for power in range(int(least), most + 1):
        shown = f"${10**power:,}" if power >= 0 else f"${10.0**power:g}"
        parts.append(_text(LEFT - 8, y(10.0**power) + 4, shown, anchor="end", size=10))
    parts.append(_text((LEFT + right) / 2, bottom + 38, "requests a month", anchor="middle"))
    parts.append(_text(LEFT, top + 12, "USD a month", anchor="middle", size=10))
    at = x(max(1.0, float(traffic.requests)))
    parts.append(f'<path d="M{at:.1f} {top + 20}V{bottom:.1f}" stroke="#999" stroke-dasharray="4 4"/>')
    parts.append(_text(at + 4, top + 30, f"assumed: {int(traffic.requests):,}", fill="#777", size=10))
    for index, (name, curve, capacity) in enumerate(lines):
        colour = COLOURS[index % len(COLOURS)]
        end = min(float(high), math.log10(max(capacity, 10.0**low)))
        parts.append(_line(curve, low, end, x, y, colour, width=3 if index == 0 else 1.5))
        parts.append(f'<rect x="{right + 12:.1f}" y="{top + 24 + 22 * index}" width="12" height="4" fill="{colour}"/>')
        parts.append(_text(right + 30, top + 30 + 22 * index, name, fill=colour, size=11))
    for requests, _ in crossings:
        where = x(requests), y(lines[0][1](requests))
        parts.append(f'<circle cx="{where[0]:.1f}" cy="{where[1]:.1f}" r="5" fill="white" stroke="#111"/>')
        parts.append(_text(where[0] + 8, where[1] + 16, f"{requests:,}", size=11))
    return parts


def _line(curve: Curve, low: int, high: float, x: Curve, y: Curve, colour: str, width: float) -> str:
    volumes = [10 ** (low + (high - low) * step / POINTS) for step in range(POINTS + 1)]
    path = "L".join(f"{x(each):.1f} {y(curve(each)):.1f}" for each in volumes)
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", fill: str = "#222", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}">{escape(text)}</text>'
    )
