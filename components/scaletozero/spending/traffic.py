"""What an estimate assumes of the requests that an endpoint gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from model_packaging.validation import Int, Settings, reject
from scaletozero.spending.money import HOURS, exact

REQUESTS = 100_000
"""Default number of requests a month: one every 26 seconds."""

SECONDS = Decimal(1)
"""Assumed duration of a request to a model whose manifest has none."""

PAYLOAD_BYTES = 5_000
"""Assumed size of a request and its response: a sentence, and an embedding of 384 numbers in JSON."""


@dataclass(frozen=True)
class Traffic:
    """The requests of one endpoint.

    Attributes:
        requests: number of requests a month.
        seconds: how long one is worked on.
        payload_bytes: size of a request and its response together.
        input_tokens, output_tokens: tokens of a request and of its response; 0 where they are not known.
        hours: the hours of a month in which they come, at random and equally often.
    """

    requests: Decimal
    seconds: Decimal
    payload_bytes: int = PAYLOAD_BYTES
    input_tokens: int = 0
    output_tokens: int = 0
    hours: Decimal = HOURS

    def at(self, requests: Decimal) -> Traffic:
        """The same, with another number of requests."""
        return replace(self, requests=requests)

    @property
    def per_second(self) -> Decimal:
        """Requests a second in the hours in which they come."""
        return self.requests / (self.hours * 3600)

    @property
    def busy(self) -> Decimal:
        """How many requests are worked on at a time, on average."""
        return self.per_second * self.seconds

    @property
    def tokens(self) -> int:
        """Tokens of a request with its response."""
        return self.input_tokens + self.output_tokens


def _decimal(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        reject("must be a number")
    return exact(value) if isinstance(value, float) else value


def _between(low: str, high: str) -> Any:
    def check(value: Decimal) -> Decimal:
        if not value.is_finite() or not Decimal(low) <= value <= Decimal(high):
            reject(f"must be from {low} to {high}", "the estimate would mean nothing")
        return value

    return AfterValidator(check)


def _most(limit: int) -> Any:
    def check(value: int) -> int:
        if not 0 <= value <= limit:
            reject(f"must be from 0 to {limit}", "the estimate would mean nothing")
        return value

    return AfterValidator(check)


_Number = Annotated[Decimal, Field(allow_inf_nan=True), BeforeValidator(_decimal)]


class Assumptions(Settings):
    """What a user assumes of the traffic of each endpoint.

    Attributes:
        requests_per_month: number of requests a month.
        seconds: how long a request is worked on. Default: as the manifest has it, else one second.
        payload_bytes: size of a request and its response together.
        input_tokens: tokens of a request.
        output_tokens: tokens of a response.
        hours_per_month: the hours of a month in which requests come.
    """

    requests_per_month: Annotated[Int, _most(10**12)] = REQUESTS
    seconds: Annotated[_Number, _between("0.000001", "86400")] | None = None
    payload_bytes: Annotated[Int, _most(10**10)] = PAYLOAD_BYTES
    input_tokens: Annotated[Int, _most(10**7)] = 0
    output_tokens: Annotated[Int, _most(10**7)] = 0
    hours_per_month: Annotated[_Number, _between("1", "730")] = HOURS

    def traffic(self, seconds: Decimal | None) -> Traffic:
        """The traffic of an endpoint whose manifest says how long a request takes, or does not."""
        return Traffic(
            Decimal(self.requests_per_month),
            self.seconds or seconds or SECONDS,
            self.payload_bytes,
            self.input_tokens,
            self.output_tokens,
            self.hours_per_month,
        )
