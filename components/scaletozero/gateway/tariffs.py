"""The most that a request can cost, and what it did cost. Pure: no request and no ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from model_packaging.serving.limits import INVOCATION_SECONDS, REQUEST_BYTES
from scaletozero.spending.costs import ServerlessCost
from scaletozero.spending.money import exact, micros
from scaletozero.spending.token_rates import TokenCount, TokenTariff
from scaletozero.spending.traffic import Traffic

ADDED_TOKENS = 1000
"""A margin for the tokens that a provider adds to a request by itself, such as those around its messages and tools."""


@dataclass(frozen=True)
class Cost:
    """What a request cost.

    Attributes:
        micros: millionths of a dollar.
        estimated: whether nobody told, so that this is an upper bound.
        about: what the record of its usage says beside it.
    """

    micros: int
    estimated: bool
    about: Mapping[str, str | int | bool]


class ByTokens:
    """A model that is paid for by the token.

    Args:
        tariff: its price.
        surcharge_percent: what is taken on top of that, for where the request is worked on.
    """

    def __init__(self, tariff: TokenTariff, surcharge_percent: int = 0) -> None:
        self._tariff, self._surcharge = tariff, surcharge_percent

    def most(self, body_bytes: int, output_tokens: int) -> int:
        """The most that a request can cost, in millionths of a dollar.

        A token of text stands for one byte or more, so a request has at most as many as its body has bytes.

        Args:
            body_bytes: the bytes of the request, in UTF-8.
            output_tokens: the most that the answers may have.
        """
        return micros(self._whole(self._tariff.most_usd(body_bytes + ADDED_TOKENS, output_tokens)))

    def settled(self, count: TokenCount, *, most: int, estimated: bool, seconds: float = 0) -> Cost:
        """What a request cost.

        Args:
            count: its tokens.
            most: what was held, above which nothing is estimated.
            estimated: whether its provider did not count all of them.
            seconds: how long it took, which costs nothing here.
        """
        amount = micros(self._whole(self._tariff.usd(count)))
        return Cost(min(amount, most) if estimated else amount, estimated, self._about(count))

    def _about(self, count: TokenCount) -> dict[str, str | int | bool]:
        names = {"input_tokens": count.input, "output_tokens": count.output, "cached_tokens": count.cached}
        extra = {"surcharge_percent": self._surcharge} if self._surcharge else {}
        return {**names, "price": self._tariff.price.source, "priced_as": self._tariff.price.name, **extra}

    def _whole(self, usd: Decimal) -> Decimal:
        return usd * (100 + self._surcharge) / 100


class BySeconds:
    """An endpoint of kind `serverless`, which is paid for by the second and the byte.

    Args:
        cost: what it costs.
    """

    def __init__(self, cost: ServerlessCost) -> None:
        self._cost = cost

    def most(self, body_bytes: int) -> int:
        """The most that a request can cost, in millionths of a dollar: its time and its answer are limited."""
        return self._usd(Decimal(INVOCATION_SECONDS), body_bytes + REQUEST_BYTES)

    def settled(self, seconds: float, body_bytes: int, answer_bytes: int) -> Cost:
        """What a request cost that took so long here. The time on the way is in it, and so is a cold start, which may
        or may not be billed; both up to what the service allows a request."""
        took = min(exact(round(seconds, 3)), Decimal(INVOCATION_SECONDS))
        about = {"milliseconds": int(took * 1000), "price": self._cost.compute.source}
        return Cost(self._usd(took, body_bytes + answer_bytes), True, about)

    def _usd(self, seconds: Decimal, payload_bytes: int) -> int:
        return micros(self._cost.per_request(Traffic(Decimal(1), seconds, payload_bytes)))
