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

from scaletozero.observability.showback import ApiCharge, Part, Share
from scaletozero.observability.usage import Charge

PROVIDER = "Amazon Web Services"

METHODS = {"Seconds": "scaletozero/busy-seconds/v1", "Micro-USD": "scaletozero/ledger/v1"}
"""How a charge was split, by the unit of what it was split by; docs/spending.md says how each of them counts."""

COLUMNS: tuple[str, ...] = (
    "AllocatedMethodDetails", "AllocatedMethodId", "AllocatedResourceId", "AllocatedResourceName", "AllocatedTags",
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription",
    "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost",
    "ContractedUnitPrice", "EffectiveCost", "HostProviderName", "InvoiceId", "InvoiceIssuerName", "ListCost",
    "ListUnitPrice", "PricingCategory", "PricingCurrency", "PricingQuantity", "PricingUnit", "ProviderName",
    "PublisherName", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory",
    "ServiceName", "ServiceProviderName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceId", "SubAccountId",
    "SubAccountName", "SubAccountType", "Tags",
    "x_Endpoint", "x_Part", "x_PriceConfidence", "x_PriceDate",
)  # fmt: skip
"""The columns, FOCUS's own in alphabetical order, then those of the project."""


Row = dict[str, Any]
"""Column -> its value; None is null."""


def focus_rows(
    environment: str, deployed: Mapping[str, Mapping[str, Any]], shares: Mapping[str, Iterable[Share]]
) -> list[Row]:
    """One row for each target, day, billed thing and whose it is, in the order of the days.

    Args:
        environment: the environment's name, a tag of each row.
        deployed: endpoint -> its properties in the stack's state: `name`, `arn`, `region`, `kind`.
        shares: endpoint, or an API's host and model -> the parts of its charges.
    """
    rows = [_row(environment, name, deployed, each) for name, parts in shares.items() for each in parts]
    names = ("ChargePeriodStart", "x_Endpoint", "ChargeDescription", "x_Part", "AllocatedResourceName")
    return sorted(rows, key=lambda row: [row[name] or "" for name in names])


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows as CSV (RFC 4180) with a header; null is an empty field."""
    text = io.StringIO()
    writer: csv.DictWriter[str] = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(environment: str, name: str, deployed: Mapping[str, Mapping[str, Any]], share: Share) -> Row:
    day = share.day
    month, cost = day.replace(day=1), _number(share.usd)
    charge = share.charge
    of_charge = _of_api(name, share) if isinstance(charge, ApiCharge) else _of(charge, deployed[name], share)
    return dict.fromkeys(COLUMNS) | {
        "BilledCost": "0",
        "BillingCurrency": "USD",
        "BillingPeriodStart": _moment(month),
        "BillingPeriodEnd": _moment((month + timedelta(days=32)).replace(day=1)),
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{name}: {charge.what}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _moment(day),
        "ChargePeriodEnd": _moment(day + timedelta(days=1)),
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "ListCost": cost,
        "PricingCategory": "Standard",
        "PricingCurrency": "USD",
        "ServiceCategory": "AI and Machine Learning",
        "SkuMeter": charge.what,
        "Tags": json.dumps({"endpoint": name, "environment": environment}),
        "x_Endpoint": name,
        "x_Part": str(share.part),
        **_allocated(environment, share),
        **of_charge,
    }


def _of(charge: Charge, about: Mapping[str, Any], share: Share) -> Row:
    """What a row says of an endpoint of the environment."""
    price, arn = charge.price, about.get("arn")
    quantity, unit = _number(share.quantity), _number(price.amount)
    return {
        **_provided_by(PROVIDER),
        "BillingAccountId": arn.split(":")[4] if isinstance(arn, str) and arn.count(":") > 4 else None,
        "ConsumedQuantity": quantity,
        "ConsumedUnit": _unit(price.unit),
        "ContractedUnitPrice": unit,
        "ListUnitPrice": unit,
        "PricingQuantity": quantity,
        "PricingUnit": _unit(price.unit),
        "RegionId": about["region"],
        "RegionName": about["region"],
        "ResourceName": about["name"],
        **_resource(about),
        "SkuId": f"{price.service}/{price.sku}",
        "SkuPriceId": f"{price.service}/{price.sku}/{price.region}",
        "x_PriceConfidence": price.confidence,
        "x_PriceDate": price.date.isoformat(),
    }


def _resource(about: Mapping[str, Any]) -> Row:
    if "namespace" in about:
        where = f"{about['namespace']}/{about['name']}"
        return {"ResourceId": where, "ResourceType": "Kubernetes Deployment", "ServiceName": "Nodes of a cluster"}
    named = {"ResourceType": "SageMaker endpoint", "ServiceName": "Amazon SageMaker AI"}
    return {"ResourceId": about.get("arn"), **named}


def _of_api(name: str, share: Share) -> Row:
    """What a row says of a model behind an API. Its tokens have several prices, so that there is no unit price."""
    host, _, model = name.partition("/")
    return {
        **_provided_by(host),
        "ConsumedQuantity": _number(share.quantity),
        "ConsumedUnit": "Tokens",
        "ResourceId": name,
        "ResourceName": model,
        "ResourceType": "Model behind an API",
        "ServiceName": host,
        "SkuId": name,
    }


def _provided_by(provider: str) -> Row:
    names = ("HostProviderName", "InvoiceIssuerName", "ProviderName", "PublisherName", "ServiceProviderName")
    return dict.fromkeys(names, provider)


def _allocated(environment: str, share: Share) -> Row:
    """The columns that say how a charge was split; null of a charge that nobody shares."""
    if share.ratio == 1 and share.part is Part.OTHERS:
        return {}
    element = {"AllocatedRatio": float(share.ratio), "UsageUnit": share.unit, "UsageQuantity": float(share.used)}
    details = {"Elements": [{**element, "x_Basis": str(share.basis)}]}
    customer = share.customer
    return {
        "AllocatedMethodId": METHODS[share.unit],
        "AllocatedMethodDetails": json.dumps(details),
        "AllocatedResourceId": f"{environment}/customers/{customer}" if customer else None,
        "AllocatedResourceName": customer,
        "AllocatedTags": json.dumps({"customer": customer}) if customer else None,
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
