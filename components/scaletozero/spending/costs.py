"""What the kinds of endpoint cost: their fixed part, a month's traffic, the most that an hour can cost. Pure, exact.

One class for each way of billing: by the second of a request, by the hour of an instance, by the token.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from scaletozero.spending.money import HOURS
from scaletozero.spending.price_rows import Price
from scaletozero.spending.token_rates import TokenPrice
from scaletozero.spending.traffic import Traffic

GB = Decimal(1_000_000_000)
MB_PER_GB = 1024
"""SageMaker sells memory in steps of 1024 MB and bills each as one GB."""

MILLION = Decimal(1_000_000)
HOUR = 3600

INSTANCE_START_SECONDS = Decimal(300)
"""Assumed start of an instance of SageMaker, image and model included: AWS publishes none; minutes are reported."""


@dataclass(frozen=True)
class Item:
    """One line of an invoice.

    Attributes:
        what: what is paid for.
        quantity: how many units a month.
        price: the price of one.
    """

    what: str
    quantity: Decimal
    price: Price

    @property
    def usd(self) -> Decimal:
        """What it costs a month."""
        return self.quantity * self.price.amount


class Cost(Protocol):
    """What one endpoint costs, whatever the traffic."""

    @property
    def rows(self) -> tuple[Price, ...]:
        """The prices that it is made from."""
        ...

    @property
    def fixed(self) -> Decimal:
        """USD a month without a request."""
        ...

    def monthly(self, traffic: Traffic) -> Decimal:
        """USD a month with this traffic, at most 730 of the worst hours."""
        ...

    def per_request(self, traffic: Traffic) -> Decimal:
        """USD that a request adds, on average, with this traffic."""
        ...

    def worst_per_hour(self, traffic: Traffic) -> Decimal:
        """The most that an hour can cost with requests of this size and duration, whatever their number."""
        ...

    def capacity(self, traffic: Traffic) -> Decimal:
        """Requests a month that it can work on."""
        ...

    def curve(self, traffic: Traffic) -> Callable[[float], float]:
        """Requests a month -> USD a month, in floating point: for plots and for the search of a crossing."""
        ...


@dataclass(frozen=True)
class ServerlessCost:
    """SageMaker Serverless Inference: seconds of a request times memory, and its data.

    Attributes:
        memory_mb, most: memory of a container, and the most containers.
        compute, data: the prices of a GB-second and of a GB in and out.
        provisioned, provisioned_work: the prices of a provisioned GB-second, idle or not, and of one that works; None
            without provisioned concurrency.
        floor_hours: unit-hours of provisioned concurrency a month.
        covered_hours: hours of a month in which there is some.
        provisioned_most: the most provisioned concurrency.
        target: the utilisation that it is scaled to; None where it stays.
        items: what else is paid each month.
    """

    memory_mb: int
    most: int
    compute: Price
    data: Price
    provisioned: Price | None = None
    provisioned_work: Price | None = None
    floor_hours: Decimal = Decimal(0)
    covered_hours: Decimal = Decimal(0)
    provisioned_most: int = 0
    target: Decimal | None = None
    items: tuple[Item, ...] = ()

    @property
    def rows(self) -> tuple[Price, ...]:
        own = (self.compute, self.data, self.provisioned, self.provisioned_work)
        return (*(each for each in own if each), *(each.price for each in self.items))

    @property
    def gb(self) -> Decimal:
        """GB of a container."""
        return Decimal(self.memory_mb) / MB_PER_GB

    @property
    def fixed(self) -> Decimal:
        idle = self.floor_hours * HOUR * self.gb * self.provisioned.amount if self.provisioned else Decimal(0)
        return idle + sum((each.usd for each in self.items), Decimal(0))

    def _data(self, traffic: Traffic) -> Decimal:
        return traffic.payload_bytes / GB * self.data.amount

    def per_request(self, traffic: Traffic) -> Decimal:
        rate = self.compute.amount
        if self.provisioned_work and self.covered_hours:
            share = self._provisioned_share(traffic)
            rate = share * self.provisioned_work.amount + (1 - share) * rate
        return traffic.seconds * self.gb * rate + self._data(traffic)

    def _provisioned_share(self, traffic: Traffic) -> Decimal:
        """The share of requests that provisioned concurrency takes: in its hours, as many as it has units for."""
        floor, busy = self.floor_hours / self.covered_hours, traffic.busy
        units = min(Decimal(self.provisioned_most), max(floor, busy / self.target)) if self.target else floor
        return self.covered_hours / HOURS * (min(Decimal(1), units / busy) if busy else 1)

    def _scaled(self, traffic: Traffic) -> Decimal:
        """USD a month for units above the floor, where provisioned concurrency follows the load."""
        if not (self.target and self.provisioned and self.covered_hours):
            return Decimal(0)
        wanted = min(Decimal(self.provisioned_most), traffic.busy / self.target)
        more = max(Decimal(0), wanted - self.floor_hours / self.covered_hours)
        hours = min(self.covered_hours, traffic.hours)
        return more * hours * HOUR * self.gb * self.provisioned.amount

    def monthly(self, traffic: Traffic) -> Decimal:
        served = min(traffic.requests, self.capacity(traffic))
        cost = self.fixed + self._scaled(traffic) + served * self.per_request(traffic)
        return min(cost, self.worst_per_hour(traffic) * HOURS)

    def worst_per_hour(self, traffic: Traffic) -> Decimal:
        dearest = self.compute.amount
        if self.provisioned and self.provisioned_work:
            dearest = max(dearest, self.provisioned.amount + self.provisioned_work.amount)
        units = (self.most - self.provisioned_most) * self.compute.amount + self.provisioned_most * dearest
        data = self.most * HOUR / traffic.seconds * self._data(traffic)
        return units * self.gb * HOUR + data + sum((each.usd for each in self.items), Decimal(0)) / HOURS

    def capacity(self, traffic: Traffic) -> Decimal:
        return self.most * traffic.hours * HOUR / traffic.seconds

    def curve(self, traffic: Traffic) -> Callable[[float], float]:
        if self.provisioned:
            return lambda requests: float(self.monthly(traffic.at(Decimal(requests))))
        fixed, each, most = float(self.fixed), float(self.per_request(traffic)), float(self.capacity(traffic))
        return lambda requests: fixed + min(requests, most) * each


@dataclass(frozen=True)
class InstanceCost:
    """Instances that are billed while they run: of SageMaker, or nodes of a cluster.

    While nothing keeps them, an instance starts with the first request and stays until none has come for its idle time.
    With requests at random at a rate r, it is there for the share 1 - 1 / (r s + exp(r w)) of the time, where s is the
    start and w the request's duration with the idle time: at each request a stay ends with the chance exp(-r w).

    Attributes:
        hourly: the price of an instance.
        most: the most instances.
        concurrency: requests that one works on at a time.
        idle_seconds: how long it stays without a request.
        start_seconds: how long it runs before it can respond.
        floor_hours: instance-hours a month that are always there.
        covered_hours: hours of a month in which there is one.
        buffer: instances that are kept ready beyond the load, always.
        dearest: the price of the dearest type that it may be. Default: `hourly`.
        items: what else is paid each month.
    """

    hourly: Price
    most: int
    concurrency: int
    idle_seconds: int
    start_seconds: Decimal = Decimal(0)
    floor_hours: Decimal = Decimal(0)
    covered_hours: Decimal = Decimal(0)
    buffer: int = 0
    dearest: Price | None = None
    items: tuple[Item, ...] = ()

    @property
    def rows(self) -> tuple[Price, ...]:
        own = (self.hourly, self.dearest)
        return (*(each for each in own if each), *(each.price for each in self.items))

    @property
    def fixed(self) -> Decimal:
        kept = self.floor_hours + self.buffer * HOURS
        return kept * self.hourly.amount + sum((each.usd for each in self.items), Decimal(0))

    def hours(self, traffic: Traffic) -> float:
        """Instance-hours a month beyond those that are always there."""
        return self._hours(float(traffic.per_second), float(traffic.seconds), float(traffic.hours))

    def _hours(self, rate: float, seconds: float, hours: float) -> float:
        if not rate:
            return 0.0
        stay = min(rate * (seconds + self.idle_seconds), 700.0)  # exp of more is no number
        awake = 1 - 1 / (rate * float(self.start_seconds) + math.exp(stay))
        busy = rate * seconds / self.concurrency
        wanted = min(float(self.most), max(1.0, busy))
        covered = float(self.covered_hours)
        floor = float(self.floor_hours) / covered if covered else 0.0
        share = hours / float(HOURS)
        beyond = max(0.0, min(float(self.most), busy) - floor) * covered
        return share * (awake * wanted * (float(HOURS) - covered) + beyond)

    def monthly(self, traffic: Traffic) -> Decimal:
        cost = self.fixed + Decimal(self.hours(traffic)) * self.hourly.amount
        return min(cost, self.worst_per_hour(traffic) * HOURS)

    def per_request(self, traffic: Traffic) -> Decimal:
        if not traffic.requests:
            alone = traffic.seconds + self.idle_seconds + self.start_seconds
            return alone / HOUR * self.hourly.amount
        return (self.monthly(traffic) - self.fixed) / traffic.requests

    def worst_per_hour(self, traffic: Traffic) -> Decimal:
        more = sum((each.usd for each in self.items), Decimal(0)) / HOURS
        return (self.most + self.buffer) * (self.dearest or self.hourly).amount + more

    def capacity(self, traffic: Traffic) -> Decimal:
        return self.most * self.concurrency * traffic.hours * HOUR / traffic.seconds

    def curve(self, traffic: Traffic) -> Callable[[float], float]:
        fixed, price, seconds = float(self.fixed), self.hourly.usd, float(traffic.seconds)
        hours = float(traffic.hours)
        bound = float(self.worst_per_hour(traffic) * HOURS)
        return lambda n: min(fixed + price * self._hours(n / (hours * HOUR), seconds, hours), bound)


@dataclass(frozen=True)
class TokenCost:
    """A model behind an API: its tokens."""

    price: TokenPrice

    @property
    def rows(self) -> tuple[Price, ...]:
        return ()

    @property
    def fixed(self) -> Decimal:
        return Decimal(0)

    def per_request(self, traffic: Traffic) -> Decimal:
        spent = traffic.input_tokens * self.price.input_usd + traffic.output_tokens * self.price.output_usd
        return spent / MILLION

    def monthly(self, traffic: Traffic) -> Decimal:
        return traffic.requests * self.per_request(traffic)

    def worst_per_hour(self, traffic: Traffic) -> Decimal:
        return Decimal("Infinity")

    def capacity(self, traffic: Traffic) -> Decimal:
        return Decimal("Infinity")

    def curve(self, traffic: Traffic) -> Callable[[float], float]:
        each = float(self.per_request(traffic))
        return lambda requests: requests * each
