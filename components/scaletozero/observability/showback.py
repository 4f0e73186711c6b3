"""Who used what: each charge of an endpoint split among the customers whose requests it worked on. Pure.

A charge is split by the seconds that requests took. Seconds that a warm pool was there and worked on nothing are idle:
with the basis `usage` they are a part of their own, with `allocation` they are spread like the work. The names of the
bases are OpenCost's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Any

from scaletozero.observability.usage import Charge, Used, Worked
from scaletozero.spending.money import MICRO, of_micros

RATIO = Decimal("0.000000000001")
QUANTITY = Decimal("0.000000001")


class Basis(StrEnum):
    """Who pays for the time in which a warm pool works on nothing."""

    USAGE = "usage"
    ALLOCATION = "allocation"


class Part(StrEnum):
    """Whose a part of a charge is."""

    CUSTOMER = "customer"
    OTHERS = "other callers"
    IDLE = "idle"


@dataclass(frozen=True)
class CustomerWork:
    """What a target did for one customer on one day, from the gateway's records.

    Attributes:
        customer: its name.
        target: the endpoint's name at its service, or an API's host and model; None for answers that were kept.
        day: in UTC.
        requests: how many ended.
        seconds: that an endpoint took for them.
        tokens: that an API counted for them.
        micros: what they counted against the customer's caps, in millionths of a dollar.
        api: whether the target is an API, of which that is also what it cost.
    """

    customer: str
    target: str | None
    day: date
    requests: int
    seconds: Decimal = Decimal(0)
    tokens: int = 0
    micros: int = 0
    api: bool = False


@dataclass(frozen=True)
class ApiCharge:
    """What a model behind an API cost on one day: its tokens have several prices, so that it has no unit price."""

    day: date
    what: str
    quantity: Decimal
    usd: Decimal


@dataclass(frozen=True)
class Share:
    """A part of a charge. The parts of one charge are the whole: their ratios sum to 1, and their quantities to its.

    Attributes:
        charge: of which it is a part.
        part: whose it is.
        customer: the customer's name, where it is one's.
        ratio: how much of the charge.
        quantity: billed units of the charge.
        unit, used: what it was split by: seconds, or millionths of a dollar.
        basis: as it was asked for.
    """

    charge: Charge | ApiCharge
    part: Part
    customer: str | None
    ratio: Decimal
    quantity: Decimal
    unit: str
    used: Decimal
    basis: Basis

    @property
    def day(self) -> date:
        """The charge's."""
        return self.charge.day

    @property
    def usd(self) -> Decimal:
        """USD, exact."""
        if isinstance(self.charge, Charge):
            return self.quantity * self.charge.price.amount
        return of_micros(int(self.used))

    @property
    def owner(self) -> str:
        """Whose it is, for people."""
        return self.customer or f"({self.part})"


Weights = Mapping[tuple[Part, str | None], Decimal]


def shares_of(used: Used, works: Iterable[CustomerWork], basis: Basis) -> list[Share]:
    """The parts of an endpoint's charges.

    What the gateway did not send, by the count of requests, is of other callers: each such request counts as one of the
    gateway's of that day does on average.

    Args:
        used: what the endpoint used.
        works: what it did for customers.
        basis: who pays for idle time.
    """
    by_day: dict[date, list[CustomerWork]] = {}
    for each in works:
        by_day.setdefault(each.day, []).append(each)
    found: list[Share] = []
    for charge in used.charges:
        worked = used.days.get(charge.day, Worked())
        weights = _weights(worked, by_day.get(charge.day, []))
        kept = charge.kept_seconds
        if kept is not None:
            busy = worked.seconds if charge.busy_seconds is None else charge.busy_seconds
            weights = _with_idle(weights, busy, kept, basis)
        found += _split(charge, charge.quantity, weights, "Seconds", basis)
    return found


def _weights(worked: Worked, works: Sequence[CustomerWork]) -> Weights:
    sent = sum(each.requests for each in works)
    weights: dict[tuple[Part, str | None], Decimal] = {}
    for each in works:
        owner = Part.CUSTOMER, each.customer
        weights[owner] = weights.get(owner, Decimal(0)) + each.seconds
    taken, outside = sum(weights.values(), Decimal(0)), max(0, worked.requests - sent)
    if not taken:
        return {(Part.OTHERS, None): worked.seconds} if worked.seconds else {}
    if outside:
        weights[Part.OTHERS, None] = outside * taken / sent
    return weights


def _with_idle(weights: Weights, worked: Decimal, kept: Decimal, basis: Basis) -> Weights:
    """Work in the seconds that the endpoint itself measured, and what remains of its capacity."""
    total = sum(weights.values(), Decimal(0))
    if not total:
        return {(Part.IDLE, None): kept}
    busy = min(worked, kept)
    if basis is Basis.ALLOCATION or busy == kept:
        return weights
    return {**{owner: each / total * busy for owner, each in weights.items()}, (Part.IDLE, None): kept - busy}


def _split(charge: Charge | ApiCharge, quantity: Decimal, weights: Weights, unit: str, basis: Basis) -> list[Share]:
    """The parts by weight; the last one, which is the largest, takes what the others' rounding leaves."""
    weighed = sorted((weight, owner) for owner, weight in weights.items() if weight > 0)
    if not weighed:
        weighed = [(Decimal(0), (Part.OTHERS, None))]
    total = sum((weight for weight, _ in weighed), Decimal(0))
    found: list[Share] = []
    ratio_left, quantity_left = Decimal(1), quantity
    for index, (weight, (part, customer)) in enumerate(weighed):
        last = index + 1 == len(weighed)
        ratio = ratio_left if last else (weight / total).quantize(RATIO, ROUND_DOWN)
        of_it = quantity_left if last else (quantity * weight / total).quantize(QUANTITY, ROUND_DOWN)
        ratio_left, quantity_left = ratio_left - ratio, quantity_left - of_it
        found.append(Share(charge, part, customer, ratio, of_it, unit, weight, basis))
    return sorted(found, key=lambda each: _customers_first((each.part, each.customer, None)))


def api_shares(works: Iterable[CustomerWork], basis: Basis) -> dict[str, list[Share]]:
    """The charges of models behind APIs, by their hosts and names, with each customer's part."""
    by_charge: dict[tuple[str, date], list[CustomerWork]] = {}
    for each in works:
        if each.api and each.target is not None:
            by_charge.setdefault((each.target, each.day), []).append(each)
    found: dict[str, list[Share]] = {}
    for (target, day), parts in sorted(by_charge.items()):
        tokens, micros = sum(each.tokens for each in parts), sum(each.micros for each in parts)
        charge = ApiCharge(day, "tokens", Decimal(tokens), of_micros(micros))
        weights: Weights = {(Part.CUSTOMER, each.customer): Decimal(each.micros) for each in parts}
        own = {each.customer: Decimal(each.tokens) for each in parts}
        if micros:
            split = _split(charge, charge.quantity, weights, "Micro-USD", basis)
            found.setdefault(target, []).extend(replace(each, quantity=own[str(each.customer)]) for each in split)
    return found


@dataclass(frozen=True)
class Line:
    """What one owner used of one target, over all days.

    Attributes:
        owner: a customer's name; None where it is nobody's.
        part: whose it is.
        target: the endpoint's name in the environment, or an API's host and model; None for answers that were kept.
        requests, seconds, tokens: of a customer, as the gateway recorded them.
        usd: what it cost.
        capped: USD that were counted against the customer's caps.
    """

    owner: str | None
    part: Part
    target: str | None
    requests: int
    seconds: Decimal
    tokens: int
    usd: Decimal
    capped: Decimal

    @property
    def name(self) -> str:
        """Whose it is, for people."""
        return self.owner or f"({self.part})"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "customer": self.owner,
            "part": str(self.part),
            "target": self.target,
            "requests": self.requests,
            "seconds": float(self.seconds.quantize(MICRO)),
            "tokens": self.tokens,
            "usd": float(self.usd.quantize(MICRO)),
            "usd_counted_against_caps": float(self.capped.quantize(MICRO)),
        }


def lines_of(
    shares: Mapping[str, Sequence[Share]], works: Iterable[CustomerWork], names: Mapping[str, str]
) -> list[Line]:
    """What each owner used of each target, customers first.

    Args:
        shares: target -> the parts of its charges.
        works: the gateway's records.
        names: an endpoint's name at its service -> its name in the environment.
    """
    usd: dict[tuple[Part, str | None, str | None], Decimal] = {}
    for target, parts in shares.items():
        for each in parts:
            key = each.part, each.customer, target
            usd[key] = usd.get(key, Decimal(0)) + each.usd
    done: dict[tuple[Part, str | None, str | None], list[CustomerWork]] = {}
    for each in works:
        target = None if each.target is None else names.get(each.target, each.target)
        done.setdefault((Part.CUSTOMER, each.customer, target), []).append(each)
    keys = sorted(
        usd.keys() | done.keys(), key=lambda key: (key[0] is not Part.CUSTOMER, *(each or "~" for each in key))
    )
    return [_line(key, usd.get(key, Decimal(0)), done.get(key, [])) for key in keys]


def _customers_first(key: tuple[Part, str | None, str | None]) -> list[str]:
    part, owner, target = key
    return ["" if part is Part.CUSTOMER else part, owner or "", target or "~"]


def _line(key: tuple[Part, str | None, str | None], usd: Decimal, works: Sequence[CustomerWork]) -> Line:
    part, owner, target = key
    return Line(
        owner,
        part,
        target,
        sum(each.requests for each in works),
        sum((each.seconds for each in works), Decimal(0)),
        sum(each.tokens for each in works),
        usd,
        of_micros(sum(each.micros for each in works)),
    )
