"""Responses of AWS's Price List API, in the form that AWS documents for GetProducts."""

import json
from typing import Any


def product(
    amount: str, *, unit: str = "Hrs", attributes: dict[str, str] | None = None, tiers: dict[str, str] | None = None
) -> str:
    """One entry of `PriceList`: a product with its on-demand price.

    Args:
        tiers: further tiers, beginning -> amount.
    """
    prices = {"0": amount, **(tiers or {})}
    ends = [*list(prices)[1:], "Inf"]
    dimensions = {
        f"SKU1.JRTCKXETXF.{index}": {
            "rateCode": f"SKU1.JRTCKXETXF.{index}",
            "unit": unit,
            "beginRange": begin,
            "endRange": ends[index],
            "description": f"${usd} per {unit}",
            "appliesTo": [],
            "pricePerUnit": {"USD": usd},
        }
        for index, (begin, usd) in enumerate(prices.items())
    }
    term = {
        "sku": "SKU1",
        "offerTermCode": "JRTCKXETXF",
        "effectiveDate": "2026-11-01T00:00:00Z",
        "termAttributes": {},
        "priceDimensions": dimensions,
    }
    return json.dumps(
        {
            "product": {"productFamily": "Compute Instance", "sku": "SKU1", "attributes": attributes or {}},
            "serviceCode": "AmazonEC2",
            "terms": {"OnDemand": {"SKU1.JRTCKXETXF": term}, "Reserved": {}},
            "version": "20261120000000",
            "publicationDate": "2026-11-20T00:00:00Z",
        }
    )


def page(*products: str, token: str = "") -> dict[str, Any]:
    """One response."""
    return {"FormatVersion": "aws_v1", "PriceList": list(products), **({"NextToken": token} if token else {})}
