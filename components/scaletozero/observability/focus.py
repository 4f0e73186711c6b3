"""Usage as rows of FOCUS 1.3, the FinOps Open Cost and Usage Specification. Pure.

The rows are metered: what endpoints used, at list prices. They are no invoice, so `BilledCost` is 0, and beside AWS's
own export nothing is billed twice. Columns and their rules: focus.finops.org, specification 1.3.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from scaletozero.observability.usage import Charge, Used

PROVIDER = "Amazon Web Services"

COLUMNS: tuple[str, ...] = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription",
    "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost",
    "ContractedUnitPrice", "EffectiveCost", "HostProviderName", "InvoiceId", "InvoiceIssuerName", "ListCost",
    "ListUnitPrice", "PricingCategory", "PricingCurrency", "PricingQuantity", "PricingUnit", "ProviderName",
    "PublisherName", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory",
    "ServiceName", "ServiceProviderName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceId", "SubAccountId",
    "SubAccountName", "SubAccountType", "Tags",
    "x_Endpoint", "x_PriceConfidence", "x_PriceDate",
)  # fmt: skip
"""The columns, FOCUS's own in alphabetical order, then those of the project."""


Row = dict[str, Any]
"""Column -> its value; None is null."""


def focus_rows(environment: str, deployed: Mapping[str, Mapping[str, Any]], found: Mapping[str, Used]) -> list[Row]:
    """One row for each endpoint, day and billed thing, in the order of the days.

    Args:
        environment: the environment's name, a tag of each row.
        deployed: endpoint -> its properties in the stack's state: `name`, `arn`, `region`, `kind`.
        found: endpoint -> what it used.
    """
    rows = [_row(environment, name, deployed[name], charge) for name, each in found.items() for charge in each.charges]
    return sorted(rows, key=lambda row: (row["ChargePeriodStart"], row["x_Endpoint"], row["ChargeDescription"]))


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows as CSV (RFC 4180) with a header; null is an empty field."""
    text = io.StringIO()
    writer: csv.DictWriter[str] = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(environment: str, name: str, about: Mapping[str, Any], charge: Charge) -> Row:
    price, region = charge.price, about["region"]
    quantity, cost, unit = _number(charge.quantity), _number(charge.usd), _number(price.amount)
    arn = about.get("arn")
    month = charge.day.replace(day=1)
    return dict.fromkeys(COLUMNS) | {
        "BilledCost": "0",
        "BillingAccountId": arn.split(":")[4] if isinstance(arn, str) and arn.count(":") > 4 else None,
        "BillingCurrency": "USD",
        "BillingPeriodStart": _moment(month),
        "BillingPeriodEnd": _moment((month + timedelta(days=32)).replace(day=1)),
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{name}: {charge.what}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _moment(charge.day),
        "ChargePeriodEnd": _moment(charge.day + timedelta(days=1)),
        "ConsumedQuantity": quantity,
        "ConsumedUnit": _unit(price.unit),
        "ContractedCost": cost,
        "ContractedUnitPrice": unit,
        "EffectiveCost": cost,
        "HostProviderName": PROVIDER,
        "InvoiceIssuerName": PROVIDER,
        "ListCost": cost,
        "ListUnitPrice": unit,
        "PricingCategory": "Standard",
        "PricingCurrency": "USD",
        "PricingQuantity": quantity,
        "PricingUnit": _unit(price.unit),
        "ProviderName": PROVIDER,
        "PublisherName": PROVIDER,
        "RegionId": region,
        "RegionName": region,
        "ResourceId": arn,
        "ResourceName": about["name"],
        "ResourceType": "SageMaker endpoint",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "Amazon SageMaker AI",
        "ServiceProviderName": PROVIDER,
        "SkuId": f"{price.service}/{price.sku}",
        "SkuMeter": charge.what,
        "SkuPriceId": f"{price.service}/{price.sku}/{price.region}",
        "Tags": json.dumps({"endpoint": name, "environment": environment}),
        "x_Endpoint": name,
        "x_PriceConfidence": price.confidence,
        "x_PriceDate": price.date.isoformat(),
    }


UNITS = {"GB-s": "GB-Seconds", "h": "Hours"}
"""Units as FOCUS's attribute "Unit Format" writes them."""


def _unit(unit: str) -> str:
    return UNITS.get(unit, unit)


def _number(value: Decimal) -> str:
    """A decimal number without an exponent (attribute "Numeric Format")."""
    return f"{value.normalize():f}"


def _moment(day: date) -> str:
    """The beginning of a day in UTC (attribute "Date/Time Format")."""
    return datetime.combine(day, time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
