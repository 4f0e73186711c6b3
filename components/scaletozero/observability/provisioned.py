"""Provisioned concurrency in what an endpoint used: while it was there, and its work at a price of its own. Pure.

No metric counts how much of it there was, so that this is as declared. Which requests it took is a metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from scaletozero.observability.panels import Measure
from scaletozero.observability.usage import Charge, Used
from scaletozero.spending.money import exact
from scaletozero.spending.price_rows import Price

UNSEEN = "provisioned concurrency"
"""What is said not to be in the figures where it is not."""

WORK = "work on requests"
"""The charge of an endpoint's requests, wherever they were worked on."""

TAKEN = Measure("ServerlessProvisionedConcurrencyInvocations", "Sum")
"""Counts the requests that it took."""


@dataclass(frozen=True)
class Provisioned:
    """Provisioned concurrency of an endpoint.

    Attributes:
        gb: GB of a unit.
        kept, work: the prices of a GB-second that it is there, and that it works.
        grows: whether more than is declared may be there, because it follows the load.
    """

    gb: Decimal
    kept: Price
    work: Price
    grows: bool


def with_provisioned(
    used: Used, provisioned: Provisioned, seconds: Mapping[date, int], taken: Mapping[date, float]
) -> Used:
    """What an endpoint used, with its provisioned concurrency.

    Work is split between it and containers on demand by the number of requests: no metric has its time by itself.

    Args:
        used: what the endpoint used, all of its work as if on demand.
        provisioned: its provisioned concurrency.
        seconds: day -> unit-seconds that it was there.
        taken: day -> the requests that it took.
    """
    charges: list[Charge] = []
    busy: dict[date, Decimal] = {}
    for day, worked in used.days.items():
        share = min(Decimal(1), exact(taken.get(day, 0)) / worked.requests) if worked.requests else Decimal(0)
        busy[day] = worked.seconds * share
    for each in used.charges:
        if each.what != WORK:
            charges.append(each)
            continue
        on_it = busy.get(each.day, Decimal(0)) * provisioned.gb
        if left := each.quantity - on_it:
            charges.append(replace(each, quantity=left))
        if on_it:
            charges.append(Charge(each.day, "work on provisioned concurrency", on_it, provisioned.work))
    charges += [
        Charge(
            day,
            "provisioned concurrency, as declared",
            count * provisioned.gb,
            provisioned.kept,
            Decimal(count),
            busy.get(day, Decimal(0)),
        )
        for day, count in seconds.items()
    ]
    unseen = [each for each in used.unseen if each != UNSEEN]
    if provisioned.grows:
        unseen.append(f"{UNSEEN} above `min`")
    ordered = tuple(sorted(charges, key=lambda each: (each.day, each.what)))
    return replace(used, charges=ordered, unseen=tuple(unseen))
