"""What a gateway's function costs: its seconds, the ledger's writes, its records and its logs. Pure, exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from scaletozero.spending.costs import HOUR, Item
from scaletozero.spending.money import HOURS
from scaletozero.spending.price_rows import Price
from scaletozero.spending.traffic import Traffic


@dataclass(frozen=True)
class PerRequest:
    """What every request uses of something that is paid for by the unit.

    Attributes:
        what: what it is.
        units: how many a request uses; of those that last, times the months for which they are kept.
        price: the price of one.
    """

    what: str
    units: Decimal
    price: Price


@dataclass(frozen=True)
class GatewayCost:
    """A gateway's function: it works as long as what a request leads to, and writes twice to its ledger.

    Attributes:
        memory_mb: its memory.
        most: the most requests at a time.
        compute: the price of a GB-second; None where the table has none, so that it is not in the figures.
        uses: what every request uses besides.
        items: what is paid each month without a request.
    """

    memory_mb: int
    most: int
    compute: Price | None
    uses: tuple[PerRequest, ...] = ()
    items: tuple[Item, ...] = ()

    @property
    def rows(self) -> tuple[Price, ...]:
        own = (self.compute, *(each.price for each in self.uses), *(each.price for each in self.items))
        return tuple(each for each in own if each is not None)

    @property
    def per_call(self) -> Decimal:
        """USD of a request besides the function's time."""
        return sum((each.units * each.price.amount for each in self.uses), Decimal(0))

    @property
    def fixed(self) -> Decimal:
        return sum((each.usd for each in self.items), Decimal(0))

    def per_request(self, traffic: Traffic) -> Decimal:
        work = traffic.seconds * self.memory_mb / 1024 * self.compute.amount if self.compute else Decimal(0)
        return work + self.per_call

    def monthly(self, traffic: Traffic) -> Decimal:
        return self.fixed + min(traffic.requests, self.capacity(traffic)) * self.per_request(traffic)

    def worst_per_hour(self, traffic: Traffic) -> Decimal:
        return self.most * HOUR / traffic.seconds * self.per_request(traffic) + self.fixed / HOURS

    def capacity(self, traffic: Traffic) -> Decimal:
        return self.most * traffic.hours * HOUR / traffic.seconds

    def curve(self, traffic: Traffic) -> Callable[[float], float]:
        fixed, each, most = float(self.fixed), float(self.per_request(traffic)), float(self.capacity(traffic))
        return lambda requests: fixed + min(requests, most) * each
