"""Compares the latency of a candidate with its source's, and decides whether the difference is certain.

Both are run alternately, many times, so that other load on the machine affects both. Each round gives one ratio. The
confidence interval of their median comes from the binomial distribution (the sign test turned around): it assumes
nothing about the distribution of the times, only that rounds are independent. If both are equally
fast, the interval is above 1 in at most 1 of 200 cases, regardless of the noise.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

CONFIDENCE = 0.99
"""The probability that the interval contains the true median ratio."""

LEAST_ROUNDS = 8
"""Fewer rounds have no interval at this confidence: 2 / 2^7 is more than 1 %."""

Verdict = Literal["faster", "slower", "undecided"]


@dataclass(frozen=True)
class Comparison:
    """Times of two contenders over the same rounds.

    Attributes:
        ms, source_ms: median milliseconds of the candidate and of the source.
        ratio: the median of the rounds' ratios, candidate divided by source.
        low, high: its confidence interval; 0 and infinity if there were too few rounds.
    """

    ms: float
    source_ms: float
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """Whether the candidate is slower or faster than the source; `undecided` if the interval contains 1."""
        return verdict(self.low, self.high)


def verdict(low: float, high: float) -> Verdict:
    """The verdict of a confidence interval of a ratio to the source."""
    return "slower" if low > 1 else "faster" if high < 1 else "undecided"


def compare(times: Sequence[float], source: Sequence[float]) -> Comparison:
    """Compares the times of the same rounds, one each.

    Args:
        times, source: milliseconds of the candidate and of the source, all above zero.

    Raises:
        ValueError: a series is empty, or the series differ in length.
    """
    ratios = sorted(ours / theirs for ours, theirs in zip(times, source, strict=True))
    if not ratios:
        raise ValueError("there is nothing to compare")
    low, high = interval(ratios)
    return Comparison(statistics.median(times), statistics.median(source), statistics.median(ratios), low, high)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The confidence interval of the median of sorted `values`, between two of them; (0, infinity) if too few."""
    count, outside = len(values), 0.0
    for left_out in range(count // 2 + 1):
        # The chance that the median is below the `left_out`-th smallest value, or above the one opposite.
        outside += 2 * math.comb(count, left_out) / 2**count
        if outside > 1 - CONFIDENCE:
            return (values[left_out - 1], values[count - left_out]) if left_out else (0.0, math.inf)
    raise AssertionError("half of the outcomes are more than one percent")


def paired(
    candidate: Callable[[], object], source: Callable[[], object], rounds: int, burst: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of processor time of each, one figure per round: the minimum of `burst` runs in a row.

    They alternate in being first. Processor time of runs on one thread excludes what other programs used
    meanwhile; the minimum of a burst excludes runs in which they disturbed the caches. The first run of each burst
    fills the caches, as in an endpoint that serves one model, and is not counted.
    """
    found: tuple[list[float], list[float]] = [], []
    both = (candidate, source)
    for number in range(rounds):
        for index in (0, 1) if number % 2 else (1, 0):
            run = both[index]
            run()
            found[index].append(min(_milliseconds(run) for _ in range(burst)))
    return found


def _milliseconds(run: Callable[[], object]) -> float:
    began = time.process_time_ns()
    run()
    return max(1, time.process_time_ns() - began) / 1e6
