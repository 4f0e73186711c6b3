"""Fits times to published figures: by least squares on logarithms, with the error of leaving each of them out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scaletozero.cold_start.figures import Figure

Features = Callable[[Figure], tuple[float, ...]]
"""What the logarithm of a time is linear in."""

HELD = 0.8
"""Share of the figures that a band has to hold, each of them predicted from the others."""


def constant(each: Figure) -> tuple[float, ...]:
    """A time that depends on neither size nor GPUs."""
    return (1.0,)


def by_size(each: Figure) -> tuple[float, ...]:
    """A power of the size."""
    return (1.0, math.log(each.gb))


def by_size_and_gpus(each: Figure) -> tuple[float, ...]:
    """Powers of the size and of the number of GPUs."""
    return (1.0, math.log(each.gb), math.log(each.gpus))


@dataclass(frozen=True)
class Seconds:
    """A predicted time.

    Attributes:
        expected: the prediction, in seconds.
        low, high: its error band, in seconds.
        source: what it was made from.
    """

    expected: float
    low: float
    high: float
    source: str

    def holds(self, seconds: float) -> bool:
        """Whether a time is within the band."""
        return self.low <= seconds <= self.high


@dataclass(frozen=True)
class Law:
    """A time as a function of size and GPUs, fitted to figures.

    Attributes:
        name: the phase.
        figures: the figures.
        features: what the logarithm of the time is linear in.
        each_gb: whether the time of a GB is fitted, and not the whole time.
    """

    name: str
    figures: tuple[Figure, ...]
    features: Features = constant
    each_gb: bool = False

    def seconds(self, gb: float = 1, gpus: int = 1) -> Seconds:
        """The prediction.

        Args:
            gb: size in GB.
            gpus: number of GPUs.
        """
        factor = self.factor
        source = f"{len(self.figures)} published figures, within a factor of {factor:.1f}"
        return _band(self._expected(self.figures, Figure("", 1, "", "", gb, gpus)), factor, source)

    def without(self, left: Figure) -> Seconds:
        """The prediction of one of the figures from all others."""
        others = [each for each in self.figures if each is not left]
        return _band(self._expected(others, left), self.factor, f"the {len(others)} other figures")

    @property
    def factor(self) -> float:
        """The half-width of the band: at least `HELD` of the figures differ from their predictions by less.

        Raises:
            ValueError: there are too few different figures.
        """
        errors = []
        for left in self.figures:
            others = [each for each in self.figures if each is not left]
            errors.append(abs(math.log(left.seconds / self._expected(others, left))))
        # A figure at the very end of its band is inside of it, whatever the rounding.
        return math.exp(sorted(errors)[math.ceil(HELD * len(errors)) - 1]) * (1 + 1e-9)

    def _expected(self, figures: Sequence[Figure], wanted: Figure) -> float:
        rows = [self.features(each) for each in figures]
        logs = [math.log(each.seconds / (each.gb if self.each_gb else 1)) for each in figures]
        pairs = zip(least_squares(rows, logs), self.features(wanted), strict=True)
        return math.exp(math.fsum(a * b for a, b in pairs)) * (wanted.gb if self.each_gb else 1)


def best_law(name: str, figures: tuple[Figure, ...]) -> Law:
    """The law with the narrowest band: size and GPUs count only where they predict figures that were left out."""
    laws = []
    for features in (constant, by_size, by_size_and_gpus):
        law = Law(name, figures, features)
        try:
            laws.append((law.factor, law))
        except ValueError:
            continue  # too few different figures for so many coefficients
    return min(laws, key=lambda pair: pair[0])[1]


def _band(expected: float, factor: float, source: str) -> Seconds:
    return Seconds(expected, expected / factor, expected * factor, source)


def least_squares(rows: Sequence[Sequence[float]], values: Sequence[float]) -> list[float]:
    """The coefficients whose products with the rows are nearest to the values.

    Raises:
        ValueError: the rows do not determine them.
    """
    size = len(rows[0])
    table = []
    for i in range(size):
        products = [math.fsum(row[i] * row[j] for row in rows) for j in range(size)]
        table.append([*products, math.fsum(row[i] * value for row, value in zip(rows, values, strict=True))])
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(table[row][column]))
        if abs(table[pivot][column]) < 1e-9:
            raise ValueError("there are too few different figures for so many coefficients")
        table[column], table[pivot] = table[pivot], table[column]
        for other in range(size):
            if other != column:
                share = table[other][column] / table[column][column]
                table[other] = [a - share * b for a, b in zip(table[other], table[column], strict=True)]
    return [table[i][size] / table[i][i] for i in range(size)]


def on_one_machine(parts: Sequence[Seconds], source: str) -> Seconds:
    """The sum of times whose errors go together, so that the ends of their bands add up.

    An engine's start is mostly bound by the CPU (arXiv 2606.07362): where one of its phases is slow, all are.
    """
    expected = math.fsum(each.expected for each in parts)
    return Seconds(expected, math.fsum(each.low for each in parts), math.fsum(each.high for each in parts), source)


def together(parts: Sequence[Seconds], source: str) -> Seconds:
    """The sum of times with independent errors: the distances to the ends of their bands add up as squares."""
    expected = math.fsum(each.expected for each in parts)
    below = math.sqrt(math.fsum((each.expected - each.low) ** 2 for each in parts))
    above = math.sqrt(math.fsum((each.high - each.expected) ** 2 for each in parts))
    return Seconds(expected, max(expected - below, 0.0), expected + above, source)
