"""What a user may declare of an environment's spending."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Refusals, Settings, Text, reject
from scaletozero.settings.guard import Guard

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


class Spending(Settings):
    """What an environment may spend. A cap that nothing would keep is refused before anything is deployed.

    Attributes:
        cap_usd_per_month: the most that a month of the whole environment may cost, in USD.
        endpoints: endpoint -> the most that a month of it may cost, in USD.
        enforce: whether a preview fails (`fail`) or says so (`warn`) where a cap could be exceeded.
        currency: `USD`.
        guard: what closes the endpoints of `endpoints` at their caps. Default: nothing does.
    """

    refused: ClassVar[Refusals] = {
        "cap_usd_per_hour": (
            "is a setting of an endpoint of kind `gpu`",
            "it would have been ignored",
            "write `cap_usd_per_month`: 730 times the hour",
        ),
        "budget": ("tells somebody, and stops nothing", "it would have been ignored", "write `cap_usd_per_month`"),
    }

    cap_usd_per_month: MonthlyCap
    endpoints: dict[Text, MonthlyCap] = Field(default_factory=dict)
    enforce: Literal["fail", "warn"] = "fail"
    currency: Literal["USD"] = "USD"
    guard: Guard | None = None

    def conflicts(self) -> Iterable[Finding]:
        if self.guard is not None:
            yield from (replace(found, path=f"guard.{found.path}") for found in self.guard.conflicts())
            if not self.endpoints:
                yield Finding(
                    "guard",
                    "requires `endpoints`: the guard closes an endpoint at a cap of its own",
                    "no cap of an endpoint",
                    "it would have been ignored",
                    "write `endpoints: {sentences: 100}`",
                )
        elif "guard" in self.model_fields_set:
            yield Finding("guard", "must not be empty", "nothing", "nothing would be closed", "write its `emails`")
        for name, cap in self.endpoints.items():
            if cap > self.cap_usd_per_month:
                yield Finding(
                    "cap_usd_per_month",
                    f"must be at least the cap of {name}, {cap:f}",
                    f"{self.cap_usd_per_month:f}",
                    "the endpoint would never reach a cap of its own",
                    f"write {cap:f} or more, or lower `endpoints.{name}`",
                )
