"""The price table: every row has a source, a date and a confidence. Without a row there is no price.

The rows of this distribution come first; a project's own, in a `prices.json` beside its `Pulumi.yaml` or in the file
that $SCALETOZERO_PRICES names, replace them row by row.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path

from model_packaging.files import read_text
from model_packaging.findings import Finding, FindingsError
from scaletozero.spending.price_rows import Price, outliers, read_rows

VARIABLE = "SCALETOZERO_PRICES"
"""The environment variable that names a project's own table."""

SERVERLESS, HOSTING, EC2 = "sagemaker.serverless", "sagemaker.hosting", "ec2"
"""The services of the table whose prices depend on what an endpoint runs on."""

BY_HAND = frozenset({(SERVERLESS, "pc-gb-second"), (SERVERLESS, "pc-duration-gb-second")})
"""(service, sku) of the rows that `prices refresh` cannot ask for, because AWS does not say how its list calls them."""

FILE = "prices.json"
"""The name of a project's own table, beside its `Pulumi.yaml`."""

STALE_DAYS = 90
"""Age of a row above which a preview warns: providers announce changes at most a few months ahead."""

LARGEST = 5_000_000
"""Bytes of a table."""

Key = tuple[str, str, str]


@dataclass(frozen=True)
class PriceTable:
    """Prices by service, sku and region.

    Attributes:
        rows: (service, sku, region) -> its row.
    """

    rows: Mapping[Key, Price]

    @staticmethod
    def of(rows: Iterable[Price]) -> PriceTable:
        """A table of rows, of which a later one replaces an earlier one."""
        return PriceTable({(each.service, each.sku, each.region): each for each in rows})

    def find(self, service: str, sku: str, region: str) -> Price | None:
        """The row, or None."""
        return self.rows.get((service, sku, region))

    def price(self, service: str, sku: str, region: str) -> Price:
        """The row.

        Raises:
            FindingsError: there is none. A price is never inferred from another region's.
        """
        row = self.rows.get((service, sku, region))
        if row is None:
            raise FindingsError([self.missing(service, sku, region)])
        return row

    def missing(self, service: str, sku: str, region: str) -> Finding:
        """The finding for a missing row. It names the row, and the regions that have it."""
        known = sorted({r for s, k, r in self.rows if (s, k) == (service, sku)})
        asked = "" if (service, sku) in BY_HAND else f"`scaletozero prices refresh --region {region}`, or "
        return Finding(
            f"price of {service} {sku}",
            f"must have a row for {region}",
            "none",
            "any figure would be a guess",
            f"{asked}add the row to {FILE}, with its price from the pricing page; "
            f"priced so far: {', '.join(known) or 'nowhere'}",
        )

    def offered(self, service: str, region: str) -> dict[str, Price]:
        """Every priced `sku` of a service in a region: what is known to be offered there."""
        return {sku: row for (s, sku, r), row in self.rows.items() if (s, r) == (service, region)}


@cache
def shipped() -> PriceTable:
    """The table of this distribution."""
    text = resources.files("scaletozero.spending").joinpath(FILE).read_text(encoding="utf-8")
    return PriceTable.of(read_rows(text, FILE))


def own_file() -> Path | None:
    """The file of a project's own rows: what $SCALETOZERO_PRICES names, or `prices.json` beside the nearest
    `Pulumi.yaml` upwards from the working folder. None where there is neither."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    try:
        here = Path.cwd()
    except OSError:  # the working folder was deleted
        return None
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return path if (path := folder / FILE).is_file() else None
    return None


def prices() -> PriceTable:
    """The table that is in force here.

    Raises:
        FindingsError: a project's own table cannot be read or is invalid.
    """
    path = own_file()
    if path is None:
        return shipped()
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        changed = 0  # reading it says what is wrong
    return _with_own(path, changed)


@cache
def _with_own(path: Path, changed: int) -> PriceTable:
    own = read_rows(read_text(path, LARGEST), str(path))
    merged = PriceTable({**shipped().rows, **PriceTable.of(own).rows})
    if found := outliers(tuple(merged.rows.values()), str(path), of=own):
        raise FindingsError(found)
    return merged


def price(service: str, sku: str, region: str) -> Price:
    """The price of one unit in the table that is in force.

    Raises:
        FindingsError: the table has no such row. A price is never inferred from another region's.
    """
    return prices().price(service, sku, region)


def offered(service: str, region: str) -> dict[str, Price]:
    """Every priced `sku` of a service in a region, that is, everything known to be offered there."""
    return prices().offered(service, region)


def stale(rows: Iterable[Price], today: date) -> list[Price]:
    """The rows that are older than `STALE_DAYS`, the oldest first."""
    old = [each for each in rows if (today - each.date).days > STALE_DAYS]
    return sorted(dict.fromkeys(old), key=lambda each: (each.date, each.service, each.sku, each.region))


def stale_warning(rows: Iterable[Price], today: date) -> str:
    """A preview's warning about rows that are too old; empty if there are none."""
    old = stale(rows, today)
    if not old:
        return ""
    what = "1 price is" if len(old) == 1 else f"{len(old)} prices are"
    first = f"{old[0].service} {old[0].sku} {old[0].region}, {old[0].date.isoformat()}"
    return f"{what} older than {STALE_DAYS} days (the oldest: {first}): `scaletozero prices refresh`"
