"""Amounts of money: exact decimals in USD inside, rounded only where they are shown."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, ROUND_UP, Decimal

HOURS = Decimal(730)
"""Of a month: 365 days of 24 hours by twelve, as AWS's own calculator counts."""

LONGEST_MONTH = Decimal(744)
"""Hours of a month of 31 days, which what must not be exceeded in any month is held to."""

MICRO = Decimal("0.000001")
CENT = Decimal("0.01")


def exact(value: float | int | str | Decimal) -> Decimal:
    """A number as the decimal that it is written as: 0.1 is one tenth."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def micros(amount: Decimal) -> int:
    """An amount in whole millionths of a dollar, rounded up: what counts against a cap is never less than it cost."""
    return int((amount / MICRO).to_integral_value(ROUND_CEILING))


def of_micros(amount: int) -> Decimal:
    """Millionths of a dollar in dollars."""
    return amount * MICRO


def dollars(amount: Decimal | None) -> str:
    """An amount for people: cents; below a cent two digits that count, down to a millionth of a dollar."""
    if amount is None:
        return "-"
    if abs(amount) < MICRO or abs(amount) >= CENT:
        return f"${amount.quantize(CENT, ROUND_HALF_EVEN):,}"
    return f"${amount.quantize(Decimal((0, (1,), amount.adjusted() - 1)), ROUND_HALF_EVEN):f}"


def to_the_micro(amount: int) -> str:
    """Millionths of a dollar for people, exact: `$0.001266`, and `$5.00`."""
    cents, rest = divmod(amount, 10_000)
    digits = f"{rest:04}".rstrip("0")
    return f"${cents // 100:,}.{cents % 100:02}{digits}"


def bound(amount: Decimal | None) -> str:
    """An amount that must not be exceeded: never rounded down."""
    return "-" if amount is None else f"${amount.quantize(CENT, ROUND_UP):,}"


def number(amount: Decimal | None) -> float | None:
    """An amount for JSON: rounded to a millionth of a dollar."""
    return None if amount is None else float(amount.quantize(MICRO, ROUND_HALF_EVEN))
