"""The rows of a price table: read from JSON, checked one by one and against their neighbours, and written again."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from statistics import median_low
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.validation import Settings, Text, parse, reject

SCHEMA = 2
"""Version of the file's format: in 2 amounts are strings, so that no reader makes floating point of them."""

LARGEST_AMOUNT = 10_000
"""USD a unit, far above any known price (the largest instance costs some hundreds an hour)."""

OUTLIER = 100
"""How many times its neighbours' median a price may be: cents taken for dollars."""

CalendarDate = date  # in a class that has a `date` of its own


def _exact(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        reject("must be a decimal number", "every estimate made from it would be wrong", 'write "0.0000200"')
    return value


def _positive(value: Decimal) -> Decimal:
    if not value.is_finite() or not 0 < value <= LARGEST_AMOUNT:
        reject(f"must be more than 0 and at most {LARGEST_AMOUNT}", "every estimate made from it would be wrong")
    return value


Amount = Annotated[Decimal, Field(allow_inf_nan=True), BeforeValidator(_exact), AfterValidator(_positive)]
"""USD per unit, exact."""


class Price(Settings):
    """One row.

    Attributes:
        service: the service, such as `sagemaker.serverless`.
        sku: what of it is priced, such as `gb-second` or an instance type.
        region: the AWS region.
        unit: what one of it is (`GB-s`, `GB`, `h`).
        amount: USD per unit, before tax and free tier.
        source: who published it.
        date: when.
        confidence: `api` (the provider's own price list), `published`, or `derived` from other figures.
    """

    service: Text
    sku: Text
    region: Text
    unit: Text
    amount: Amount
    source: Text
    date: CalendarDate
    confidence: Literal["api", "published", "derived"]

    @property
    def usd(self) -> float:
        """The amount as a float, for plots and comparisons; sums are made of `amount`."""
        return float(self.amount)

    @property
    def captured(self) -> str:
        """The date in ISO form."""
        return self.date.isoformat()

    def shown(self) -> dict[str, Any]:
        """The row as JSON has it."""
        row = self.model_dump(mode="json")
        return {**row, "amount": format(self.amount.normalize(), "f")}


class _Table(Settings):
    schema_: Annotated[Literal[2], Field(alias="schema")]
    currency: Literal["USD"]
    rows: tuple[Price, ...]


def read_rows(text: str, name: str) -> tuple[Price, ...]:
    """The rows of a table.

    Args:
        text: the file, JSON.
        name: what it is called in findings.

    Raises:
        FindingsError: it is not a table, or a row is invalid, there twice, or far from its neighbours.
    """
    try:
        content = json.loads(text, parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError):
        fix = "`scaletozero prices show --json` prints one"
        raise refuse(name, "must be a price table in JSON", "something else", fix=fix) from None
    rows = parse(_Table, content, name).rows
    counted = Counter((each.service, each.sku, each.region) for each in rows)
    twice = [
        Finding(
            f"{name}: {' '.join(key)}",
            "must be there once",
            f"{count} rows",
            "only one of them would count",
            "remove the others",
        )
        for key, count in counted.items()
        if count > 1
    ]
    if found := [*twice, *outliers(rows, name)]:
        raise FindingsError(found)
    return rows


def outliers(rows: Sequence[Price], name: str, of: Sequence[Price] | None = None) -> list[Finding]:
    """The rows that are a hundred times most of their neighbours, or a hundredth of them.

    Neighbours are the same sku in other regions; where there are none, the same family of instances (`ml.g5`) in the
    same region.

    Args:
        rows: all rows.
        name: what their file is called in findings.
        of: the rows to judge. Default: all.
    """
    skus: dict[tuple[str, ...], list[Price]] = defaultdict(list)
    families: dict[tuple[str, ...], list[Price]] = defaultdict(list)
    for each in rows:
        skus[each.service, each.unit, each.sku].append(each)
        families[each.service, each.unit, each.region, each.sku.rpartition(".")[0]].append(each)
    found = []
    for each in rows if of is None else of:
        same, family = skus[each.service, each.unit, each.sku], each.sku.rpartition(".")[0]
        related = families[each.service, each.unit, each.region, family] if family and len(same) == 1 else same
        near = [other.amount for other in related if other is not each]
        far = [amount for amount in near if not amount / OUTLIER < each.amount < amount * OUTLIER]
        if len(far) * 2 > len(near):
            found.append(
                Finding(
                    f"{name}: {each.service} {each.sku} {each.region}",
                    f"must be less than {OUTLIER} times its neighbours, and more than a hundredth of them",
                    f"{each.amount} USD/{each.unit}, while theirs is {median_low(near).normalize():f}",
                    "a mistyped price would pass for an estimate",
                    "correct the row",
                )
            )
    return found


def as_table(rows: Iterable[Price]) -> str:
    """A table's file: one row a line, in a fixed order."""
    ordered = sorted(rows, key=lambda each: (each.service, each.region, each.sku))
    lines = ",\n".join(f"    {json.dumps(each.shown(), ensure_ascii=False)}" for each in ordered)
    return f'{{\n  "schema": {SCHEMA},\n  "currency": "USD",\n  "rows": [\n{lines}\n  ]\n}}\n'
