"""Whether starts became slower: percentiles with their intervals, and the comparison of two sets of starts. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scaletozero.cold_start.remembered import SHARE, PhaseSeconds, Start, percentile

CONFIDENCE = 0.95
"""Of an interval, and of all phases of a comparison together."""

LEAST_STARTS = 5
"""Fewest starts of each side: with four, not even the clearest difference of five phases is significant."""

SHUFFLES = 1_999
"""Random divisions of the starts into two groups, besides the measured one."""

TOTAL = "total"
"""The sum of a start's phases since its pod was created, which is compared like one of them. Without the time before,
which is known of wakes that `bench` made, so that these compare with those of callers."""


@dataclass(frozen=True)
class Interval:
    """The confidence interval of a percentile, in the unit of the values.

    Attributes:
        low, high: its ends; None where there are too few values for one.
    """

    low: float | None
    high: float | None


def interval(values: Sequence[float], share: float) -> Interval:
    """The interval of a percentile that holds for any distribution: between two of the measured values.

    How many values are below the true percentile is binomial, so the ends are the values at that distribution's
    quantiles (Hahn and Meeker, Statistical Intervals, 5.2). Each end is exceeded with at most half of 1 - `CONFIDENCE`.
    """
    ordered, count, tail = sorted(values), len(values), (1 - CONFIDENCE) / 2
    chances = [math.comb(count, below) * share**below * (1 - share) ** (count - below) for below in range(count + 1)]
    low = high = None
    reached = 0.0
    for below, chance in enumerate(chances[:-1]):
        reached += chance
        if reached <= tail:
            low = ordered[below]
        if high is None and 1 - reached <= tail:
            high = ordered[below]
    return Interval(low, high)


@dataclass(frozen=True)
class Slower:
    """A phase that became slower.

    Attributes:
        phase: its name, or `total`.
        before, now: the p95, in seconds.
        chance: how likely such a difference is if nothing changed (p-value), for all phases together.
    """

    phase: str
    before: float
    now: float
    chance: float

    @property
    def percent(self) -> float:
        """By how much the p95 is larger, in percent."""
        return (self.now / self.before - 1) * 100 if self.before else math.inf


def by_phase(starts: Sequence[Start]) -> dict[str, list[float]]:
    """Phase -> its seconds in the starts that have it, also of what the engine logged, and the total of each start."""
    found: dict[str, list[float]] = {}
    for each in starts:
        seconds = each.seconds.model_dump(exclude_none=True)
        for phase in PhaseSeconds.model_fields:
            if phase in seconds:
                found.setdefault(phase, []).append(seconds[phase])
        for phase, value in (each.engine or {}).items():
            found.setdefault(inside_load(phase), []).append(value)
        found.setdefault(TOTAL, []).append(total_of(each))
    return found


def inside_load(phase: str) -> str:
    """How a phase is named that the engine has logged, and that is a part of `load`."""
    return f"load: {phase}"


def total_of(start: Start) -> float:
    """The seconds of a start since its pod was created, or since the request where there is none."""
    return sum(start.seconds.model_dump(exclude_none=True, exclude={"poll"}).values())


def slower(before: Mapping[str, Sequence[float]], now: Mapping[str, Sequence[float]], margin: float) -> list[Slower]:
    """The phases whose p95 is larger by more than `margin`, and whose difference is significant.

    The test is a permutation test of the means, which assumes no distribution: of all divisions of the starts into two
    groups, in how many is the second one slower by as much? The chance is corrected for the number of phases (Holm), so
    that a comparison of equal starts fails at most once in twenty.

    Args:
        before, now: phase -> its seconds. Phases that have fewer than `LEAST_STARTS` on a side are not compared.
        margin: what the p95 may be larger by, as a share: 0.1 for a tenth.
    """
    compared = [each for each in now if min(len(before.get(each, ())), len(now[each])) >= LEAST_STARTS]
    chances = {each: _chance(before[each], now[each]) for each in compared}
    found = []
    for rank, phase in enumerate(sorted(compared, key=chances.__getitem__)):
        chance = min(1.0, chances[phase] * (len(compared) - rank))
        if chance > 1 - CONFIDENCE:
            break
        was, is_now = percentile(before[phase], SHARE), percentile(now[phase], SHARE)
        if is_now > was * (1 + margin):
            found.append(Slower(phase, was, is_now, chance))
    return found


def _chance(before: Sequence[float], now: Sequence[float]) -> float:
    """The p-value of the permutation test, one-sided."""
    # Of fixed seed: the same starts are judged in the same way each time.
    chance, pooled = random.Random(0), [*before, *now]  # noqa: S311 - no secret
    # The groups keep their sizes, so their sums decide as their means do. A division that is as slow counts.
    measured = sum(now) * (1 - 1e-12)
    alike = sum(sum(chance.sample(pooled, len(now))) >= measured for _ in range(SHUFFLES))
    return (alike + 1) / (SHUFFLES + 1)
