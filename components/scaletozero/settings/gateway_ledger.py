"""What may be declared for the time in which the gateway's ledger does not answer. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Literal

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings
from scaletozero.settings.amounts import MonthlyCap
from scaletozero.settings.gateway_targets import between

LONGEST_OPEN = 3600
"""Seconds above which it is no longer a fault of the store that is bridged, but a gateway without a ledger."""

OpenSeconds = Annotated[Int, between(1, LONGEST_OPEN, " seconds", "customers would be held to no cap for longer")]


class LedgerDown(Settings):
    """What is admitted while the ledger does not answer; without it, nothing.

    Attributes:
        fail: `open`: requests are admitted without the ledger, within the two bounds.
        usd: the most that a process admits so in any 24 hours, in USD: so much can a month cost more than the caps.
        seconds: for which it does so, from the first request that the ledger did not answer. Then nothing is admitted
            until it answers.
    """

    fail: Literal["open"]
    usd: MonthlyCap
    seconds: OpenSeconds

    def conflicts(self) -> Iterable[Finding]:
        least = Decimal("0.000001")
        if self.usd < least:
            yield Finding("usd", f"must be at least {least:f} USD", f"{self.usd:f}", "it would admit nothing")
