"""CloudWatch's metric math, the part that dashboards and alarms use: arithmetic, comparisons, FILL, IF, RUNNING_SUM,
and the hour, day of the month and month of a period.

Source: CloudWatch user guide, "Using metric math". These operators are those of Python's grammar, so an
expression is read by Python's own parser, and each part of it that is not listed here is refused.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

Points: TypeAlias = Mapping[int, float]
"""A time series: the begin of each period that has data, in seconds since 1970 -> its value."""

Value: TypeAlias = Points | float

LONGEST = 2048
"""Characters of an expression (GetMetricData)."""

_OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: lambda left, right: float(left > right),
    ast.GtE: lambda left, right: float(left >= right),
    ast.Lt: lambda left, right: float(left < right),
    ast.LtE: lambda left, right: float(left <= right),
    ast.Eq: lambda left, right: float(left == right),
    ast.NotEq: lambda left, right: float(left != right),
}


_CALENDAR: dict[str, Callable[[datetime], int]] = {
    "HOUR": lambda at: at.hour,
    "DATE": lambda at: at.day,
    "MONTH": lambda at: at.month,
}
"""Of each period in UTC."""


class MathError(ValueError):
    """An expression that is not evaluated here; the text is the reason."""


def evaluate(expression: str, known: Mapping[str, Points], grid: Sequence[int]) -> Points:
    """The time series that an expression is.

    Args:
        expression: the expression.
        known: id -> time series.
        grid: the begin of every period of the time that is asked for.

    Returns:
        Only periods in which every series that is used has data; a division by zero has no value.

    Raises:
        MathError: it is malformed, is no time series, or has a name or a function that is not known here.
    """
    if len(expression) > LONGEST:
        raise MathError(f"an expression may have {LONGEST} characters")
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # ValueError: a null character
        raise MathError(f"Error in expression: {expression[:200]}: it cannot be read") from None
    try:
        value = _Evaluation(known, grid).of(tree)
    except (RecursionError, OverflowError):
        raise MathError(f"Error in expression: {expression[:200]}: it is too deep, or a number too large") from None
    if isinstance(value, float | int):
        raise MathError(f"Error in expression: {expression[:200]}: it is a number, not a time series")
    return value


class _Evaluation:
    def __init__(self, known: Mapping[str, Points], grid: Sequence[int]) -> None:
        self._known, self._grid = known, grid

    def of(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return float(number)
            case ast.Name(id=name):
                if name not in self._known:
                    raise MathError(f"Unknown id: {name}")
                return self._known[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _both(operator.sub, 0.0, self.of(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _both(_OPERATORS[type(op)], self.of(left), self.of(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                return _both(_OPERATORS[type(op)], self.of(left), self.of(right))
            case ast.Call(func=ast.Name(id="FILL"), args=[filled, filler], keywords=[]):
                return self._fill(self.of(filled), self.of(filler))
            case ast.Call(func=ast.Name(id="IF"), args=[condition, *branches], keywords=[]) if 1 <= len(branches) <= 2:
                return _if(self.of(condition), *map(self.of, branches))
            case ast.Call(func=ast.Name(id="RUNNING_SUM"), args=[summed], keywords=[]):
                return _running_sum(self.of(summed))
            case ast.Call(func=ast.Name(id=name), args=[series], keywords=[]) if name in _CALENDAR:
                _series(self.of(series))
                # Of every period, also of those in which the series has no data.
                return {at: float(_CALENDAR[name](datetime.fromtimestamp(at, UTC))) for at in self._grid}
        raise MathError(
            f"{ast.unparse(node)[:200]}: the embedded CloudWatch evaluates arithmetic, comparisons, FILL with a "
            "number, IF, RUNNING_SUM, HOUR, DATE and MONTH"
        )

    def _fill(self, filled: Value, filler: Value) -> Points:
        if isinstance(filled, float | int) or not isinstance(filler, float | int):
            raise MathError("FILL takes a time series and, in the embedded CloudWatch, a number")
        return {at: filled.get(at, filler) for at in self._grid}


def _both(function: Callable[[float, float], float], left: Value, right: Value) -> Value:
    if isinstance(left, float | int) and isinstance(right, float | int):
        value = _finite(function, left, right)
        if value is None:
            raise MathError("a division by zero")
        return value
    if isinstance(left, float | int):
        found = {at: _finite(function, left, each) for at, each in _series(right).items()}
    elif isinstance(right, float | int):
        found = {at: _finite(function, each, right) for at, each in left.items()}
    else:
        found = {at: _finite(function, left[at], right[at]) for at in left if at in right}
    return {at: value for at, value in found.items() if value is not None}


def _finite(function: Callable[[float, float], float], left: float, right: float) -> float | None:
    try:
        return function(left, right)
    except ArithmeticError:
        return None


def _series(value: Value) -> Points:
    if isinstance(value, float | int):
        raise MathError("a time series is needed")
    return value


def _if(condition: Value, then: Value, otherwise: Value | None = None) -> Points:
    found: dict[int, float] = {}
    for at, holds in _series(condition).items():
        branch = then if holds else otherwise
        value = branch if isinstance(branch, float | int) or branch is None else branch.get(at)
        if value is not None:
            found[at] = value
    return found


def _running_sum(summed: Value) -> Points:
    total, found = 0.0, dict[int, float]()
    for at, value in sorted(_series(summed).items()):
        total += value
        found[at] = total
    return found
