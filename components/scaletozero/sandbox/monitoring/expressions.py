"""The metric math of an alarm: of one period, and checked when it is declared. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from scaletozero.sandbox.monitoring.metric_math import MathError, evaluate

ID = re.compile(r"[a-z][a-zA-Z0-9_]*")

_FUNCTIONS = frozenset({"FILL", "IF"})
"""Those that need no other period than the one that an alarm evaluates."""

_EXPONENT = re.compile(r"\b\d[\d.]*[eE]")

_PERIOD = 0


class UnsupportedError(ValueError):
    """An expression, or an alarm, that is not valid or that the sandbox cannot evaluate; the text says which part."""


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes:
        text: as it was written.
        ids: the ids that it reads.
    """

    text: str
    ids: frozenset[str]

    def evaluate(self, points: Mapping[str, float | None]) -> float | None:
        """Its datapoint of a period; None where a metric without a datapoint is not filled, or by a division by 0.

        Args:
            points: id -> its datapoint of the period; None where it has none.
        """
        found = {key: points.get(key) for key in self.ids}
        known = {key: {} if value is None else {_PERIOD: value} for key, value in found.items()}
        return evaluate(self.text, known, [_PERIOD]).get(_PERIOD)


def parse(text: str) -> Expression:
    """Parses an expression. Raises UnsupportedError."""
    try:
        names = {each.id for each in ast.walk(ast.parse(text.strip(), mode="eval")) if isinstance(each, ast.Name)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        names = set[str]()  # it is refused below
    ids = frozenset(each for each in names if ID.fullmatch(each))
    try:
        evaluate(text, {key: {} for key in ids}, [_PERIOD])
    except MathError as error:
        raise UnsupportedError(str(error)) from None
    if others := names - ids - _FUNCTIONS:
        raise UnsupportedError(f"{', '.join(sorted(others))}: an alarm of the sandbox has FILL and IF only")
    if _EXPONENT.search(text):
        raise UnsupportedError(f"{text[:200]}: a number must be written without an exponent")
    return Expression(text, ids)
