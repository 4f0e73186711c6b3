"""What a user may declare of an environment's spending."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from model_packaging.findings import Finding
from model_packaging.validation import Refusals, Settings, Text
from scaletozero.settings.amounts import MonthlyCap
from scaletozero.settings.guard import Guard


class Spending(Settings):
    """What an environment may spend. A cap that nothing would keep is refused before anything is deployed.

    Attributes:
        cap_usd_per_month: the most that a month of the whole environment may cost, in USD.
        endpoints: endpoint -> the most that a month of it may cost, in USD.
        gateway: the most that a month of the gateway's function may cost, in USD, without what its targets cost.
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
    gateway: MonthlyCap | None = None
    enforce: Literal["fail", "warn"] = "fail"
    currency: Literal["USD"] = "USD"
    guard: Guard | None = None

    def conflicts(self) -> Iterable[Finding]:
        if self.guard is not None:
            yield from (replace(found, path=f"guard.{found.path}") for found in self.guard.conflicts())
            if not self.endpoints and self.gateway is None:
                yield Finding(
                    "guard",
                    "requires `endpoints` or `gateway`: the guard closes an endpoint at a cap of its own",
                    "no cap of an endpoint",
                    "it would have been ignored",
                    "write `endpoints: {sentences: 100}`",
                )
        elif "guard" in self.model_fields_set:
            yield Finding("guard", "must not be empty", "nothing", "nothing would be closed", "write its `emails`")
        caps = {**self.endpoints, **({} if self.gateway is None else {"the gateway": self.gateway})}
        for name, cap in caps.items():
            if cap > self.cap_usd_per_month:
                yield Finding(
                    "cap_usd_per_month",
                    f"must be at least the cap of {name}, {cap:f}",
                    f"{self.cap_usd_per_month:f}",
                    "it would never reach a cap of its own",
                    f"write {cap:f} or more, or lower `{'gateway' if name == 'the gateway' else f'endpoints.{name}'}`",
                )
