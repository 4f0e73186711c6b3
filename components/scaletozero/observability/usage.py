"""What endpoints have used, in units that are billed, and what that cost. Pure; CloudWatch is read by the command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Protocol

from model_packaging.findings import refuse
from scaletozero.observability.panels import Measure
from scaletozero.spending.costs import HOUR
from scaletozero.spending.money import HOURS, MICRO, exact
from scaletozero.spending.price_rows import Price

KEPT_DAYS = 455
"""CloudWatch keeps points of an hour or more for 15 months (its user guide, metrics concepts)."""

MICROSECONDS = Decimal(1_000_000)
"""Of a second."""

Sums = Mapping[Measure, Mapping[date, float]]
"""Metric -> day -> its sum, or the count of its samples."""


@dataclass(frozen=True)
class Meter:
    """One thing that is billed by how much of it was used.

    Attributes:
        what: what it is.
        measure: the metric that counts it.
        units: billed units for each of the metric's own.
        price: USD of a billed unit.
        kept: seconds of capacity for each of the metric's own units, where these are billed whether something works in
            them or not; None where only work is billed.
    """

    what: str
    measure: Measure
    units: Decimal
    price: Price
    kept: Decimal | None = None


@dataclass(frozen=True)
class Metering:
    """What is read of an endpoint.

    Attributes:
        requests: the metric that counts its requests.
        work: the metric that sums the time of work on them, in microseconds.
        meters: what is billed by its metrics.
        unseen: what no metric counts, and is not in the figures.
    """

    requests: Measure
    work: Measure
    meters: tuple[Meter, ...]
    unseen: tuple[str, ...] = ()

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The metrics to read, each once."""
        return tuple(dict.fromkeys((self.requests, self.work, *(each.measure for each in self.meters))))


@dataclass(frozen=True)
class Charge:
    """What one thing cost on one day, in UTC.

    Attributes:
        day: the day.
        what: the thing.
        quantity: billed units.
        price: USD of one.
        kept_seconds: of capacity that is in it; None where only work is billed.
        busy_seconds: of work in that capacity; None where it is all of the endpoint's work of that day.
    """

    day: date
    what: str
    quantity: Decimal
    price: Price
    kept_seconds: Decimal | None = None
    busy_seconds: Decimal | None = None

    @property
    def usd(self) -> Decimal:
        """USD, exact."""
        return self.quantity * self.price.amount

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "day": self.day.isoformat(),
            "what": self.what,
            "quantity": float(self.quantity.quantize(MICRO)),
            "unit": self.price.unit,
            "usd": float(self.usd.quantize(MICRO)),
        }


@dataclass(frozen=True)
class Worked:
    """The work of one day.

    Attributes:
        requests: how many came.
        seconds: of work on them.
    """

    requests: int = 0
    seconds: Decimal = Decimal(0)


@dataclass(frozen=True)
class Used:
    """What one endpoint used.

    Attributes:
        requests: how many came.
        charges: by day, what was billed.
        unseen: what is not in the charges.
        days: the work of each day that had some.
    """

    requests: int
    charges: tuple[Charge, ...]
    unseen: tuple[str, ...] = ()
    days: Mapping[date, Worked] = field(default_factory=dict)

    @property
    def usd(self) -> Decimal:
        """USD in all."""
        return total(self.charges)

    @property
    def per_thousand(self) -> Decimal | None:
        """USD for a thousand requests; None without one."""
        return self.usd * 1000 / self.requests if self.requests else None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "requests": self.requests,
            "usd": float(self.usd.quantize(MICRO)),
            "not_in_it": list(self.unseen),
            "charges": [each.as_json() for each in self.charges],
        }


def used(metering: Metering, sums: Sums) -> Used:
    """What the metrics of an endpoint say that it used and cost; days without a unit have no charge."""
    charges = [
        Charge(
            day,
            each.what,
            exact(value) * each.units,
            each.price,
            None if each.kept is None else exact(value) * each.kept,
        )
        for each in metering.meters
        for day, value in sums.get(each.measure, {}).items()
        if value
    ]
    came, work = sums.get(metering.requests, {}), sums.get(metering.work, {})
    days = {
        day: Worked(round(came.get(day, 0)), exact(work.get(day, 0)) / MICROSECONDS)
        for day in sorted(came.keys() | work.keys())
    }
    ordered = tuple(sorted(charges, key=lambda each: (each.day, each.what)))
    return Used(round(sum(came.values())), ordered, metering.unseen, days)


def first_day(since: str | None, now: datetime) -> date:
    """The first day of a report: a date, a number of days such as `7d`, or by default the first of the month.

    Args:
        since: as it was written.
        now: the present, in UTC.

    Raises:
        FindingsError: it is neither, in the future, or longer ago than CloudWatch keeps metrics.
    """
    today = now.astimezone(UTC).date()
    if since is None:
        return today.replace(day=1)
    try:
        first = today - timedelta(days=_days(since) - 1) if since.endswith("d") else date.fromisoformat(since)
    except (ValueError, OverflowError):
        then = "nothing was read"
        raise refuse("--since", "must be a date or a number of days", since, then, "write 2026-11-01 or 7d") from None
    if not today - timedelta(days=KEPT_DAYS) <= first <= today:
        rule = f"must be one of the last {KEPT_DAYS} days, which CloudWatch keeps"
        raise refuse("--since", rule, since, "there would be nothing to read", "write a later date, or fewer days")
    return first


def _days(since: str) -> int:
    written = since.removesuffix("d")
    if not (written.isascii() and written.isdigit() and 0 < len(written) < 5 and int(written)):
        raise ValueError(since)
    return int(written)


class Dated(Protocol):
    """What cost something on a day."""

    @property
    def day(self) -> date:
        """The day, in UTC."""
        ...

    @property
    def usd(self) -> Decimal:
        """What it cost."""
        ...


def by_month(charges: Iterable[Dated], now: datetime) -> Decimal:
    """USD of a month at the rate of these charges since the first of their days."""
    charges = tuple(charges)
    if not charges:
        return Decimal(0)
    began = datetime.combine(min(each.day for each in charges), time(), UTC)
    passed = max(exact((now - began).total_seconds()), Decimal(HOUR))
    return total(charges) / passed * HOURS * HOUR


def total(charges: Iterable[Dated]) -> Decimal:
    """USD of these charges."""
    return sum((each.usd for each in charges), Decimal(0))


def charges_of(found: Iterable[Used]) -> list[Charge]:
    """The charges of several endpoints."""
    return [charge for each in found for charge in each.charges]
