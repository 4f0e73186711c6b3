"""Metric math: what the toolkit's alarms use is evaluated, the rest is refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.sandbox.monitoring.expressions import UnsupportedError, parse

SPENT = "(FILL(work, 0) + FILL(setup, 0)) / 1000000 * 0.0000800000 + FILL(calls, 0) * 0.00000008"


@pytest.mark.parametrize(
    ("text", "points", "value"),
    [
        ("1 + 2 * a", {"a": 3.0}, 7.0),
        ("(1 + 2) * a", {"a": 3.0}, 9.0),
        ("a / 4 / 2", {"a": 8.0}, 1.0),
        ("5 - -a", {"a": 2.0}, 7.0),
        ("a + b", {"a": 1.0, "b": None}, None),
        ("FILL(a, 0) + b", {"a": None, "b": 2.0}, 2.0),
        ("FILL(a, 7)", {"a": 1.0}, 1.0),
        ("a / b", {"a": 1.0, "b": 0.0}, None),
        ("IF(use > 1, use, 100 * use)", {"use": 0.5}, 50.0),
        ("IF(use > 1, use, 100 * use)", {"use": 80.0}, 80.0),
        ("IF(use > 1, use, 100 * use)", {"use": None}, None),
        ("100 * part / whole", {"part": 1.0, "whole": 4.0}, 25.0),
        (SPENT, {"work": 1_000_000.0, "setup": None, "calls": 10.0}, 0.0000808),
        (SPENT, {}, 0.0),
    ],
)
def test_expressions_in_use(text: str, points: dict[str, float | None], value: float | None) -> None:
    assert parse(text).evaluate(points) == (value if value is None else pytest.approx(value, rel=1e-12))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SEARCH('{AWS/SageMaker} Invocations', 'Sum', 60)", "SEARCH"),
        ('SELECT SUM(Invocations) FROM SCHEMA("AWS/SageMaker")', "SELECT"),
        ("a ^ 2", "a ^ 2"),
        ("a AND b", "a AND b"),
        ("a < b < c", "a < b < c"),
        ("1e-6 * a", "exponent"),
        ("FILL(a, REPEAT)", "REPEAT"),
        ("FILL(a, b)", "FILL"),
        ("FILL(a)", "FILL(a)"),
        ("RATE(a)", "RATE(a)"),
        ("RUNNING_SUM(a)", "RUNNING_SUM"),
        ("METRICS()", "METRICS()"),
        ("A + 1", "A"),
        ("a.b", "a.b"),
        ("__import__('os')", "__import__('os')"),
        ("[a][0]", "[a][0]"),
        ("1 + 1", "not a time series"),
        ("", "cannot be read"),
        ("a +", "cannot be read"),
        ("(" * 500 + "a" + ")" * 500, "cannot be read"),
        ("a" * 2049, "2048"),
    ],
)
def test_the_rest_is_refused_by_name(text: str, names: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        parse(text)
    assert names in str(caught.value)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e6))
def test_spending_is_never_below_its_parts(work: float, setup: float, calls: float) -> None:
    whole = parse(SPENT).evaluate({"work": work, "setup": setup, "calls": calls})
    assert whole is not None
    assert whole >= work / 1e6 * 0.00008 * (1 - 1e-9)
    assert whole == pytest.approx((work + setup) / 1e6 * 0.00008 + calls * 0.00000008)
