"""What a request costs on machines that are paid for by the hour: its share of one for as long as it takes. Pure.

A machine works on several requests at a time, which share its price. What it costs while nobody asks is its operator's,
and is in no request's price.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from scaletozero.gateway.tariffs import Cost
from scaletozero.spending.money import exact, micros
from scaletozero.spending.token_rates import TokenCount

HOUR = 3600


@dataclass(frozen=True)
class Share:
    """A request's share of a machine.

    Attributes:
        usd_per_hour: the machine's price.
        concurrency: requests that it works on at a time.
        seconds: the longest that a request may take: it is ended then.
        source: where the price is from.
    """

    usd_per_hour: Decimal
    concurrency: int
    seconds: int
    source: str

    @property
    def longest(self) -> int:
        """The most that a request can cost, in millionths of a dollar."""
        return self._micros(Decimal(self.seconds))

    def of(self, seconds: float, tokens: TokenCount | None = None) -> Cost:
        """What a request cost that took so long here. The time on the way is in it, and so is a start that it waited
        for; both up to the longest."""
        took = min(exact(round(max(0.0, seconds), 3)), Decimal(self.seconds))
        about: dict[str, str | int | bool] = {"milliseconds": int(took * 1000), "price": self.source}
        if tokens is not None:
            about |= {"input_tokens": tokens.input, "output_tokens": tokens.output, "cached_tokens": tokens.cached}
        return Cost(self._micros(took), True, about)

    def _micros(self, seconds: Decimal) -> int:
        return micros(self.usd_per_hour * seconds / HOUR / self.concurrency)


class ByInstance:
    """An endpoint of kind `asynchronous`.

    Args:
        share: a request's share of an instance.
    """

    def __init__(self, share: Share) -> None:
        self._share = share

    def most(self, body_bytes: int) -> int:
        """The most that a request can cost, in millionths of a dollar: SageMaker ends it after its longest time."""
        return self._share.longest

    def settled(self, seconds: float, body_bytes: int, answer_bytes: int) -> Cost:
        """What a request cost whose result was there after so long, at the most: it may have waited in the queue."""
        return self._share.of(seconds)


class ByNode:
    """An endpoint of kind `gpu`.

    Args:
        share: a request's share of a replica.
    """

    def __init__(self, share: Share) -> None:
        self._share = share

    def most(self, body_bytes: int, output_tokens: int) -> int:
        """The most that a request can cost, in millionths of a dollar: the gateway ends it after its longest time."""
        return self._share.longest

    def settled(self, count: TokenCount, *, most: int, estimated: bool, seconds: float) -> Cost:
        """What a request cost that took so long, whatever its tokens."""
        return self._share.of(seconds, None if estimated else count)
