"""The price table: every row with its source, its date, and how far it can be trusted. No row, no price."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

from model_packaging.findings import refuse


@dataclass(frozen=True)
class Price:
    """One row.

    Attributes:
        service, sku, region: what is priced, and where.
        unit: what one of it is (`GB-s`, `GB`, `h`).
        usd: dollars per unit, before tax.
        source: who published it.
        captured: when, an ISO date.
        confidence: `api` (the provider's own price list), `published`, or `derived`.
    """

    service: str
    sku: str
    region: str
    unit: str
    usd: float
    source: str
    captured: str
    confidence: str


@cache
def _table() -> dict[tuple[str, str, str], Price]:
    rows = json.loads(resources.files("scaletozero.spending").joinpath("prices.json").read_text())["rows"]
    return {(row["service"], row["sku"], row["region"]): Price(**row) for row in rows}


def price(service: str, sku: str, region: str) -> Price:
    """The price of one unit.

    Raises:
        FindingsError: when the table has no such row. A price is never guessed from another region's.
    """
    row = _table().get((service, sku, region))
    if row is None:
        known = sorted({r for s, k, r in _table() if (s, k) == (service, sku)})
        raise refuse(
            f"price of {service} {sku}",
            f"must have a row for {region}",
            "none",
            "any figure would be a guess",
            f"priced so far: {', '.join(known) or 'nowhere'}",
        )
    return row


def offered(service: str, region: str) -> dict[str, Price]:
    """Every priced `sku` of a service in a region: what is known to be offered there."""
    return {sku: row for (s, sku, r), row in _table().items() if (s, r) == (service, region)}
