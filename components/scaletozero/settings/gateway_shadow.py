"""What may be declared of the target that a share of a model's requests is mirrored to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

from model_packaging.findings import Finding
from model_packaging.validation import Int
from scaletozero.settings.amounts import MonthlyCap
from scaletozero.settings.gateway_targets import Target, between, ignored

Percent = Annotated[Int, between(1, 100, " percent", "it would be no share of the requests")]


class Shadow(Target):
    """A target that gets a copy of a share of the conversations, whose answers nobody gets.

    Attributes:
        percent: the share.
        cap_usd_per_day: the most that the copies of a day, in UTC, may cost, in USD; no customer pays for them.
    """

    percent: Percent
    cap_usd_per_day: MonthlyCap

    def conflicts(self) -> Iterable[Finding]:
        yield from super().conflicts()
        for name in ("weight", "concurrency", "canary"):
            if (value := getattr(self, name)) is not None:
                yield ignored(name, "is no setting of a shadow", value)
        if self.encodes:
            then = "only conversations are mirrored"
            yield Finding("speaks", "is required of an endpoint", "nothing", then, "write `speaks: [chat]`")
        least = Decimal("0.000001")
        if self.cap_usd_per_day < least:
            rule, then = f"must be at least {least:f} USD", "nothing would be mirrored"
            yield Finding("cap_usd_per_day", rule, f"{self.cap_usd_per_day:f}", then)
