"""Statistics of values as CloudWatch computes them. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def percentile(percent: float, ordered: Sequence[float]) -> float:
    """Between the two values next to it, in proportion: the service documents no other way."""
    place = percent / 100 * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
