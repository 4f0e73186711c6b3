"""Amounts of USD that a user may declare."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from model_packaging.validation import reject

LARGEST_CAP = 10_000_000
"""USD a month above which a cap is taken for a mistake: of the unit, or of the currency."""

_USD = "USD, without a sign or a currency: AWS bills in USD, and a rate of exchange would change the cap by itself"


def amount(value: object) -> object:
    if isinstance(value, str) and not _is_number(value):
        reject(f"must be a number of {_USD}", "it would not be clear what the cap is", "write `500`")
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        reject("must be a number of USD a month", "there would be no cap", "write `500`")
    return Decimal(str(value)) if isinstance(value, float) else value


def _is_number(text: str) -> bool:
    try:
        Decimal(text)
    except ArithmeticError:
        return False
    return True


def _cap(value: Decimal) -> Decimal:
    if not value.is_finite() or not 0 < value <= LARGEST_CAP:
        fix = "remove an endpoint that must not cost anything" if value == 0 else "write the most that a month may cost"
        reject(f"must be more than 0 and at most {LARGEST_CAP:,} USD a month", "it would stop nothing, or all", fix)
    return value


MonthlyCap = Annotated[Decimal, Field(allow_inf_nan=True), BeforeValidator(amount), AfterValidator(_cap)]
"""USD a month."""


def _unusual(value: Decimal) -> Decimal:
    if not value.is_finite() or not 0 < value <= LARGEST_CAP:
        why = "every difference would be told, or none"
        reject(f"must be more than 0 and at most {LARGEST_CAP:,} USD", why, "write `10`")
    return value


Unusual = Annotated[Decimal, Field(allow_inf_nan=True), BeforeValidator(amount), AfterValidator(_unusual)]
"""USD from which on an unusual cost is told of."""
