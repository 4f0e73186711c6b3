"""What a user may declare of a gateway under a spending guard."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from model_packaging.validation import Int, Settings, Text, may_be_later, reject
from scaletozero.settings.amounts import MonthlyCap, amount
from scaletozero.settings.gateway_function import MemoryMb, Processes

NAME = "gateway"
"""What a gateway is called beside the endpoints of a guard."""

DEAREST_REQUEST = 1
"""USD besides its time that a request may cost: more is a price for a million requests."""


def _of_a_request(value: Decimal) -> Decimal:
    if not value.is_finite() or not 0 <= value <= DEAREST_REQUEST:
        fix = "write what one request costs, such as `0.00001`"
        reject(f"must be from 0 to {DEAREST_REQUEST} USD", "the guard would close at once, or never", fix)
    return value


def _seconds(value: int) -> int:
    if not 1 <= value <= 900:
        reject("must be from 1 to 900", "Lambda would refuse it", "write the function's `timeout`")
    return value


class GuardedGateway(Settings):
    """A gateway's function under a guard.

    Attributes:
        function_name: its name.
        cap_usd_per_month: the most that a month of the function may cost, in USD.
        memory_mb: its memory.
        concurrency: its requests at a time.
        timeout_seconds: the longest that a request takes.
        usd_per_request: what a request costs besides the function's time, in USD.
    """

    function_name: Annotated[Text, may_be_later]
    cap_usd_per_month: MonthlyCap
    memory_mb: MemoryMb
    concurrency: Processes
    timeout_seconds: Annotated[Int, AfterValidator(_seconds)]
    usd_per_request: Annotated[
        Decimal, Field(allow_inf_nan=True), BeforeValidator(amount), AfterValidator(_of_a_request)
    ] = Decimal(0)
