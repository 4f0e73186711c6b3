"""The estimate of an environment: what each endpoint costs with a traffic, and at most; where another is cheaper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from model_packaging.findings import Finding
from scaletozero.spending.costs import MILLION, Cost, ServerlessCost
from scaletozero.spending.money import LONGEST_MONTH, exact, number
from scaletozero.spending.price_rows import Price
from scaletozero.spending.prices import SERVERLESS, price
from scaletozero.spending.traffic import Traffic

FIGURES = (
    "fixed_usd_per_month",
    "usd_per_1000_requests",
    "expected_usd_per_month",
    "worst_usd_per_hour",
    "cap_usd_per_month",
    "hours_to_cap",
    "detector_seconds",
    "overshoot_usd",
)
"""The keys of an endpoint's figures that a stack keeps."""

SEARCHED = 1e10
"""Requests a month up to which a crossing is looked for."""


@dataclass(frozen=True)
class Alternative:
    """Something else that could serve the same requests.

    Attributes:
        name: what it is, such as `asynchronous on ml.g5.xlarge`.
        cost: what it costs.
    """

    name: str
    cost: Cost


@dataclass(frozen=True)
class Priced:
    """What a kind knows of the price of one endpoint.

    Attributes:
        cost: what it costs.
        size: what it runs on, for people.
        seconds: how long a request takes, as the manifest has it; None where it has no such figure.
        unpriced: what is not in the figures because its row is missing.
    """

    cost: Cost
    size: str
    seconds: Decimal | None = None
    unpriced: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class BreakEven:
    """Where an endpoint and an alternative cost the same.

    Attributes:
        alternative: the alternative's name.
        requests: requests a month; None where one of the two is cheaper whatever the traffic.
        cheaper_above: whether the alternative is the cheaper one above it; with no crossing, whether it always is.
    """

    alternative: str
    requests: int | None
    cheaper_above: bool


@dataclass(frozen=True)
class Guard:
    """What stops an endpoint that spends too much.

    Attributes:
        seconds: the longest time from the spending to the stop.
        name: what it is.
    """

    seconds: Decimal
    name: str


@dataclass(frozen=True)
class EndpointEstimate:
    """One endpoint. Amounts are exact, in USD before tax and free tiers.

    Attributes:
        name, kind, size: the endpoint, and what it runs on.
        traffic: what was assumed.
        fixed: a month without a request.
        per_thousand: what a thousand requests add, with this traffic.
        per_million_tokens: what a million tokens add; None where the traffic has no tokens.
        expected: a month with this traffic.
        worst_per_hour: the most that an hour can cost.
        cap: the most that a month may cost; None without a cap.
        guard: what stops it; None where nothing does.
        break_even: where alternatives cost the same.
        rows: the prices it is made from.
        unpriced: what is not in the figures.
        saturated: whether the traffic is more than it can work on.
        cost: what the figures are made from.
        alternatives: what could serve the same requests.
    """

    name: str
    kind: str
    size: str
    traffic: Traffic
    fixed: Decimal
    per_thousand: Decimal
    per_million_tokens: Decimal | None
    expected: Decimal
    worst_per_hour: Decimal
    cap: Decimal | None = None
    guard: Guard | None = None
    break_even: tuple[BreakEven, ...] = ()
    rows: tuple[Price, ...] = ()
    unpriced: tuple[Finding, ...] = ()
    saturated: bool = False
    cost: Cost | None = None
    alternatives: tuple[Alternative, ...] = ()

    @property
    def burn_per_second(self) -> Decimal:
        """The most that a second can cost."""
        return self.worst_per_hour / 3600

    @property
    def worst_per_month(self) -> Decimal:
        """The most that a month of 31 days can cost."""
        return self.worst_per_hour * LONGEST_MONTH

    @property
    def hours_to_cap(self) -> Decimal | None:
        """Hours of the worst case until the cap is reached; None without a cap."""
        return self.cap / self.worst_per_hour if self.cap is not None and self.worst_per_hour else None

    @property
    def detector_seconds(self) -> Decimal | None:
        """How long it takes to be stopped; None where nothing stops it."""
        return self.guard.seconds if self.guard else None

    @property
    def overshoot(self) -> Decimal | None:
        """The most that is spent beyond the cap before it is stopped; None where nothing stops it."""
        return self.guard.seconds * self.burn_per_second if self.guard else None

    def as_json(self) -> dict[str, Any]:
        """The figures, amounts rounded to a millionth of a dollar."""
        return {
            "kind": self.kind,
            "size": self.size,
            "fixed_usd_per_month": number(self.fixed),
            "usd_per_1000_requests": number(self.per_thousand),
            "usd_per_million_tokens": number(self.per_million_tokens),
            "expected_usd_per_month": number(self.expected),
            "worst_usd_per_hour": number(self.worst_per_hour),
            "worst_usd_per_month": number(self.worst_per_month),
            "cap_usd_per_month": number(self.cap),
            "hours_to_cap": number(self.hours_to_cap),
            "stopped_by": self.guard.name if self.guard else None,
            "detector_seconds": number(self.detector_seconds),
            "overshoot_usd": number(self.overshoot),
            "break_even": [
                {"with": e.alternative, "requests_per_month": e.requests, "it_is_cheaper_above": e.cheaper_above}
                for e in self.break_even
            ],
            "saturated": self.saturated,
            "seconds_per_request": float(self.traffic.seconds),
            "unpriced": [f"{each.path}: {each.rule}" for each in self.unpriced],
            "prices": [
                f"{each.service} {each.sku} {each.region} {each.captured} {each.confidence}" for each in self.rows
            ],
        }


def estimate_endpoint(
    name: str,
    kind: str,
    priced: Priced,
    traffic: Traffic,
    alternatives: Sequence[Alternative] = (),
    *,
    cap: Decimal | None = None,
    guard: Guard | None = None,
) -> EndpointEstimate:
    """The figures of one endpoint."""
    cost = priced.cost
    each = cost.per_request(traffic)
    return EndpointEstimate(
        name=name,
        kind=kind,
        size=priced.size,
        traffic=traffic,
        fixed=cost.fixed,
        per_thousand=each * 1000,
        per_million_tokens=each / traffic.tokens * MILLION if traffic.tokens else None,
        expected=cost.monthly(traffic),
        worst_per_hour=cost.worst_per_hour(traffic),
        cap=cap,
        guard=guard,
        break_even=tuple(break_even(cost, other, traffic) for other in alternatives),
        rows=tuple(dict.fromkeys(cost.rows)),
        unpriced=priced.unpriced,
        saturated=traffic.requests > cost.capacity(traffic),
        cost=cost,
        alternatives=tuple(alternatives),
    )


def break_even(cost: Cost, other: Alternative, traffic: Traffic) -> BreakEven:
    """The least number of requests a month from which on the cheaper of the two is another one."""
    mine, theirs = cost.curve(traffic), other.cost.curve(traffic)
    most = min(SEARCHED, float(cost.capacity(traffic)), float(other.cost.capacity(traffic)))
    found = crossing(lambda n: mine(n) - theirs(n), most)
    if found is None:
        return BreakEven(other.name, None, mine(max(1.0, most / 2)) > theirs(max(1.0, most / 2)))
    return BreakEven(other.name, round(found), mine(found * 1.01) > theirs(found * 1.01))


def crossing(difference: Callable[[float], float], most: float) -> float | None:
    """The first number of requests from 1 to `most` at which a difference changes its sign; None without one."""
    low, sign = 1.0, difference(1.0) > 0
    while low < most:
        high = min(low * 2, most)
        if (difference(high) > 0) != sign:
            while high - low > max(0.5, low * 1e-6):
                middle = (low + high) / 2
                low, high = (middle, high) if (difference(middle) > 0) == sign else (low, middle)
            return high
        low = high
    return None


@dataclass(frozen=True)
class Estimate:
    """An environment.

    Attributes:
        region: its region.
        endpoints: those that could be priced.
        unpriced: endpoint -> the rows that are missing.
        cap: the most that a month of all of it may cost; None without a cap.
        gateway: the function that its gateway runs as; None without one.
    """

    region: str
    endpoints: tuple[EndpointEstimate, ...]
    unpriced: tuple[tuple[str, tuple[Finding, ...]], ...] = ()
    cap: Decimal | None = None
    gateway: EndpointEstimate | None = None

    @property
    def parts(self) -> tuple[EndpointEstimate, ...]:
        """What costs something: the endpoints, then the gateway."""
        return (*self.endpoints, *((self.gateway,) if self.gateway else ()))

    def total(self, figure: Callable[[EndpointEstimate], Decimal | None]) -> Decimal:
        """A figure, summed over the parts that have it."""
        return sum((found for each in self.parts if (found := figure(each)) is not None), Decimal(0))

    @property
    def fixed(self) -> Decimal:
        """A month without a request."""
        return self.total(lambda each: each.fixed)

    @property
    def expected(self) -> Decimal:
        """A month with the assumed traffic."""
        return self.total(lambda each: each.expected)

    @property
    def worst_per_hour(self) -> Decimal:
        """The most that an hour can cost."""
        return self.total(lambda each: each.worst_per_hour)

    @property
    def hours_to_cap(self) -> Decimal | None:
        """Hours of the worst case until the cap is reached; None without a cap."""
        return self.cap / self.worst_per_hour if self.cap is not None and self.worst_per_hour else None

    @property
    def rows(self) -> tuple[Price, ...]:
        """The prices it is made from, each once."""
        return tuple(dict.fromkeys(row for each in self.parts for row in each.rows))

    def summary(self) -> dict[str, Any]:
        """The figures that a stack keeps as its output, to be compared with those of the next declaration."""
        whole = self.as_json()
        kept = ("kind", "size", *FIGURES)

        def short(each: Mapping[str, Any]) -> dict[str, Any]:
            return {key: each[key] for key in kept if each[key] is not None}

        endpoints = {name: short(each) for name, each in whole["endpoints"].items()}
        total = {key: value for key, value in whole["total"].items() if value is not None}
        door = {"gateway": short(whole["gateway"])} if self.gateway else {}
        return {"total": total, "endpoints": endpoints, **door}

    def as_json(self) -> dict[str, Any]:
        """The figures, amounts rounded to a millionth of a dollar."""
        return {
            "region": self.region,
            "total": {
                "fixed_usd_per_month": number(self.fixed),
                "expected_usd_per_month": number(self.expected),
                "worst_usd_per_hour": number(self.worst_per_hour),
                "cap_usd_per_month": number(self.cap),
                "hours_to_cap": number(self.hours_to_cap),
                "complete": not self.unpriced and not any(each.unpriced for each in self.parts),
            },
            "endpoints": {each.name: each.as_json() for each in self.endpoints},
            **({"gateway": self.gateway.as_json()} if self.gateway else {}),
            "unpriced": {name: [f"{e.path}: {e.rule}" for e in found] for name, found in self.unpriced},
        }


@dataclass(frozen=True)
class ServerlessEstimate:
    """Costs in USD, before tax and free tier.

    Attributes:
        fixed_per_month: monthly cost without any request.
        per_million: cost of a million requests.
        worst_per_hour: cost of an hour in which every container is busy: concurrency x memory x price,
            without data.
        rows: the prices from which it was made.
    """

    fixed_per_month: float
    per_million: float
    worst_per_hour: float
    rows: Sequence[Price]


def estimate_serverless(
    *, region: str, memory_mb: int, max_concurrency: int, seconds: float, payload_bytes: float = 0
) -> ServerlessEstimate:
    """Estimates an endpoint on SageMaker Serverless Inference without provisioned concurrency.

    Per request: duration x memory x price per GB-second, plus the bytes in and out. The time to start a
    container is not included: whether AWS bills it is not documented.

    Args:
        region: the AWS region.
        memory_mb: the memory of one container.
        max_concurrency: maximum number of containers at a time.
        seconds: the measured duration of one request.
        payload_bytes: size of request and response together.

    Raises:
        FindingsError: the region has no price.
    """
    compute, data = price(SERVERLESS, "gb-second", region), price(SERVERLESS, "data-gb", region)
    cost = ServerlessCost(memory_mb, max_concurrency, compute, data)
    traffic = Traffic(MILLION, exact(seconds), round(payload_bytes))
    without_data = Traffic(MILLION, exact(seconds), 0)
    per_million, worst = cost.per_request(traffic) * MILLION, cost.worst_per_hour(without_data)
    return ServerlessEstimate(0.0, float(per_million), float(worst), cost.rows)
