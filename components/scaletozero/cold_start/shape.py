"""What many starts look like: the phases of the usual one and of the slow ones, and how they are spread. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scaletozero.cold_start.gate import total_of
from scaletozero.cold_start.remembered import PhaseSeconds, Start

TAIL = 0.9
"""The slow tail is what is at least as slow as this share of the starts."""

MIDDLE = 0.2
"""The share of the starts around the median that stands for it: of one alone, the phases would be those of chance."""

MOST_BINS = 12
"""Most bars of a histogram."""


@dataclass(frozen=True)
class Mean:
    """The mean start of some of the starts.

    Attributes:
        name: which of them.
        count: how many they are.
        phases: phase -> its mean seconds; of a start without the phase, zero. They add up to the mean total.
    """

    name: str
    count: int
    phases: Mapping[str, float]


def median_and_tail(starts: Sequence[Start]) -> tuple[Mean, Mean]:
    """The starts around the median total, and the slowest ones; at least one of each.

    Args:
        starts: at least one.
    """
    ordered = sorted(starts, key=total_of)
    middle = max(1, round(len(ordered) * MIDDLE))
    first = (len(ordered) - middle) // 2
    slow = max(1, len(ordered) - math.ceil(round(len(ordered) * TAIL, 9)))
    return _mean("median", ordered[first : first + middle]), _mean("slow tail", ordered[-slow:])


def _mean(name: str, starts: Sequence[Start]) -> Mean:
    written = [each.seconds.model_dump(exclude_none=True, exclude={"poll"}) for each in starts]
    present = [phase for phase in PhaseSeconds.model_fields if any(phase in each for each in written)]
    return Mean(
        name,
        len(starts),
        {phase: sum(each.get(phase, 0.0) for each in written) / len(written) for phase in present},
    )


@dataclass(frozen=True)
class Bin:
    """A bar of a histogram: how many values are at least `low` and below `high`; the last one has its end too."""

    low: float
    high: float
    count: int


def histogram(values: Sequence[float]) -> list[Bin]:
    """The values in at most `MOST_BINS` bars, whose width is 1, 2 or 5 times a power of ten; none without values.

    Args:
        values: not negative.
    """
    if not values:
        return []
    least, most = min(values), max(values)
    width = _width((most - least) / (MOST_BINS - 1) or max(most, 1.0) / 10)
    first = math.floor(least / width)
    counts = [0] * (math.floor(most / width) - first + 1)
    for each in values:
        counts[math.floor(each / width) - first] += 1
    # A tenth has no exact value in floating point.
    edges = [round((first + index) * width, 9) for index in range(len(counts) + 1)]
    return [Bin(low, high, count) for low, high, count in zip(edges, edges[1:], counts, strict=False)]


def _width(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below."""
    power = 10.0 ** math.floor(math.log10(least))
    return next((power * each for each in (1, 2, 5) if power * each >= least * (1 - 1e-9)), power * 10)
