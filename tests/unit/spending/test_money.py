"""Amounts as people read them."""

import pytest

from scaletozero.spending.money import to_the_micro


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (0, "$0.00"),
        (1, "$0.000001"),
        (1267, "$0.001267"),
        (10_000, "$0.01"),
        (1_500_000, "$1.50"),
        (1_234_567_890_120, "$1,234,567.89012"),
    ],
)
def test_millionths_are_shown_exactly(micros: int, shown: str) -> None:
    assert to_the_micro(micros) == shown
