"""What may be declared of the answers that a gateway keeps. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from model_packaging.validation import Int, Settings, reject

LONGEST_KEPT_SECONDS = 30 * 86_400
"""For which an answer may be kept: so that what a customer had asked is gone within a month."""

DEAREST_HIT = Decimal(1)
"""USD of an answer that was kept, above which a price is taken for a mistake."""


def _seconds(value: int) -> int:
    if not 1 <= value <= LONGEST_KEPT_SECONDS:
        reject(
            f"must be from 1 to {LONGEST_KEPT_SECONDS:,} seconds",
            "an answer would be kept for no time, or for longer than a month",
            "remove `cache` to keep none",
        )
    return value


def _number(value: object) -> object:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
            raise ValueError
        return Decimal(str(value))
    except (ArithmeticError, ValueError):
        reject("must be a number of USD", "it would not be clear what an answer costs", "write `0.0001`")


def _price(value: Decimal) -> Decimal:
    if not value.is_finite() or not 0 <= value <= DEAREST_HIT:
        reject(f"must be from 0 to {DEAREST_HIT} USD", "", "remove it, so that answers that were kept cost nothing")
    return value


class Cache(Settings):
    """How answers of a model are kept, to be given again to the same request.

    Attributes:
        seconds: for how long.
        shared: whether an answer to one customer is given to others too. Without it each has its own.
        any_temperature: whether answers are kept that the model would not give a second time. Without it only
            embeddings are, and conversations whose request has `temperature` 0.
        usd_per_hit: what a customer pays for an answer that was kept, in USD, rounded up to a millionth.
            Default: nothing.
    """

    seconds: Annotated[Int, AfterValidator(_seconds)]
    shared: bool = False
    any_temperature: bool = False
    usd_per_hit: Annotated[Decimal, Field(allow_inf_nan=True), BeforeValidator(_number), AfterValidator(_price)] = (
        Decimal(0)
    )
