"""Prices from AWS's Price List API: which products a row is asked for, and what of the responses is its price.

The client is a boto3 client of `pricing`, made by the caller. Responses are as AWS documents them
(https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file.html).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from model_packaging.findings import Finding
from scaletozero.spending.price_rows import LARGEST_AMOUNT, Price
from scaletozero.spending.prices import EC2, HOSTING, SERVERLESS, PriceTable

SOURCE = "AWS Price List API"

ENDPOINT_REGION = "us-east-1"
"""The Price List API has endpoints in a few regions only; each knows the prices of all."""


@dataclass(frozen=True)
class Products:
    """How a sku is found in the price list.

    Attributes:
        service_code: the service in the price list.
        filters: attribute -> value of the products to ask for, besides `regionCode`; `{sku}` is the row's.
        matches: whether a product with these attributes is the one.
        units: the units that the API may name, in lower case.
    """

    service_code: str
    filters: Mapping[str, str]
    units: frozenset[str]
    matches: Callable[[Mapping[str, str]], bool] = lambda _: True


def _usage(pattern: str) -> Callable[[Mapping[str, str]], bool]:
    return lambda attributes: bool(re.search(rf"(?:^|-){pattern}$", attributes.get("usagetype", "")))


_HOURS = frozenset({"hrs", "hr", "hours", "hour"})
_SECONDS = frozenset({"seconds", "second"})
_GB = frozenset({"gb"})
_GB_MONTHS = frozenset({"gb-mo", "gb-month"})
_REQUEST_UNITS = frozenset({"readrequestunits", "writerequestunits"})

_BYTES = Products("AmazonSageMaker", {"operation": "Invoke-Endpoint"}, _GB, _usage("Hst:Data-Bytes-(?:In|Out)"))
"""Data in and out: two products, which have to cost the same to be one row."""

PRODUCTS: Mapping[tuple[str, str], Products] = {
    (EC2, "*"): Products(
        "AmazonEC2",
        {
            "instanceType": "{sku}",
            "operatingSystem": "Linux",
            "preInstalledSw": "NA",
            "tenancy": "Shared",
            "capacitystatus": "Used",
        },
        _HOURS,
    ),
    (HOSTING, "ml.*"): Products(
        "AmazonSageMaker",
        {"productFamily": "ML Instance", "instanceName": "{sku}"},
        _HOURS,
        lambda attributes: "Hosting" in (attributes.get("component"), attributes.get("platoinstancetype")),
    ),
    (HOSTING, "data-gb"): _BYTES,
    (SERVERLESS, "data-gb"): _BYTES,
    # The price of each size of memory is its GB times this one, so that the smallest is that of a GB-second.
    (SERVERLESS, "gb-second"): Products(
        "AmazonSageMaker", {"productFamily": "ML Serverless"}, _SECONDS, _usage("ServerlessInf:Mem-1GB")
    ),
    ("lambda", "gb-second"): Products(
        "AWSLambda", {"group": "AWS-Lambda-Duration"}, frozenset({"lambda-gb-second", "gb-second", "gb-seconds"})
    ),
    ("lambda", "request"): Products(
        "AWSLambda", {"group": "AWS-Lambda-Requests"}, frozenset({"requests", "request", "lambda-requests"})
    ),
    ("eks", "cluster"): Products("AmazonEKS", {}, _HOURS, _usage("AmazonEKS-Hours:perCluster")),
    ("ec2.nat-gateway", "hour"): Products(
        "AmazonEC2", {"productFamily": "NAT Gateway"}, _HOURS, _usage("NatGateway-Hours")
    ),
    ("ec2.nat-gateway", "data-gb"): Products(
        "AmazonEC2", {"productFamily": "NAT Gateway"}, _GB, _usage("NatGateway-Bytes")
    ),
    ("s3", "storage-gb-month"): Products(
        "AmazonS3", {"volumeType": "Standard"}, frozenset({"gb-mo"}), _usage("TimedStorage-ByteHrs")
    ),
    ("cloudwatch", "alarm-month"): Products(
        "AmazonCloudWatch",
        {"productFamily": "Alarm"},
        frozenset({"alarms", "alarm"}),
        _usage("CW:AlarmMonitorUsage"),
    ),
    ("cloudwatch", "log-ingested-gb"): Products(
        "AmazonCloudWatch", {"group": "Ingested Logs"}, _GB, _usage("DataProcessing-Bytes")
    ),
    ("apigateway", "rest-request"): Products(
        "AmazonApiGateway", {}, frozenset({"requests", "request"}), _usage("ApiGatewayRequest")
    ),
    ("dynamodb", "read-request"): Products(
        "AmazonDynamoDB", {"group": "DDB-ReadUnits"}, _REQUEST_UNITS, _usage("ReadRequestUnits")
    ),
    ("dynamodb", "write-request"): Products(
        "AmazonDynamoDB", {"group": "DDB-WriteUnits"}, _REQUEST_UNITS, _usage("WriteRequestUnits")
    ),
    ("dynamodb", "storage-gb-month"): Products("AmazonDynamoDB", {}, _GB_MONTHS, _usage("TimedStorage-ByteHrs")),
    ("dynamodb", "pitr-gb-month"): Products("AmazonDynamoDB", {}, _GB_MONTHS, _usage("TimedPITRStorage-ByteHrs")),
}
"""(service, sku) -> how it is found.

AWS documents no usage types; those of SageMaker are the ones that other programs read its price list by (Infracost's
resources of SageMaker endpoints). Provisioned concurrency is not here: they disagree on which of its two products is
the time that it is there, and which the work on it.
"""


def products_of(service: str, sku: str) -> Products | None:
    """How a sku is found in the price list; None where that is not known."""
    instance = "ml.*" if sku.startswith("ml.") else "*"
    return PRODUCTS.get((service, sku)) or PRODUCTS.get((service, instance))


def ask(client: Any, row: Price) -> Price | Finding | None:
    """A row with today's price, a finding where the response is not clear, None where the API has no such product."""
    wanted = products_of(row.service, row.sku)
    assert wanted
    named = {"regionCode": row.region, **{k: v.replace("{sku}", row.sku) for k, v in wanted.filters.items()}}
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in named.items()]
    pages = client.get_paginator("get_products").paginate(
        ServiceCode=wanted.service_code, Filters=filters, FormatVersion="aws_v1"
    )
    products = [json.loads(each) if isinstance(each, str) else each for page in pages for each in page["PriceList"]]
    found = [price for each in products for price in _prices(each, wanted)]
    if not found:
        return None
    path = f"{SOURCE}: {row.service} {row.sku} {row.region}"
    amounts = sorted({amount for amount, _, _ in found})
    if len(amounts) > 1:
        given = ", ".join(f"{each:f}" for each in amounts)
        return Finding(path, "must have one price", given, "which of them is billed would be a guess")
    amount, unit, published = found[0]
    if unit.lower() not in wanted.units:
        return Finding(path, f"must be per {' or '.join(sorted(wanted.units))}", unit, "the amount means another thing")
    if not amount.is_finite() or not 0 < amount <= LARGEST_AMOUNT:
        return Finding(path, f"must be more than 0 and at most {LARGEST_AMOUNT}", f"{amount:f}", "it is no price")
    return row.model_copy(update={"amount": amount, "date": published, "source": SOURCE, "confidence": "api"})


def _prices(product: Mapping[str, Any], wanted: Products) -> Iterator[tuple[Decimal, str, date]]:
    """The on-demand prices of a product's first tier that is paid for, with unit and publication date."""
    if not wanted.matches(product.get("product", {}).get("attributes", {})):
        return
    published = date.fromisoformat(str(product["publicationDate"])[:10])
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        tiers = term["priceDimensions"].values()
        found = [(_decimal(each["pricePerUnit"].get("USD", "0")), each) for each in tiers]
        # A tier that is free, such as the first 25 GB of DynamoDB, is in no estimate.
        free = [each.get("endRange") for amount, each in found if amount == 0]
        begins = {"0", "", *(str(each) for each in free if each not in (None, "Inf"))}
        paid = [(amount, each) for amount, each in found if amount or len(found) == 1]
        for amount, each in paid or found:
            if each.get("beginRange", "0") in begins:
                yield amount, each["unit"], published


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


@dataclass(frozen=True)
class Change:
    """A row that the API prices otherwise, or that is new."""

    before: Price | None
    after: Price

    @property
    def percent(self) -> Decimal | None:
        """The change in percent; None for a new row."""
        return (self.after.amount / self.before.amount - 1) * 100 if self.before else None


@dataclass(frozen=True)
class Refresh:
    """What the API said.

    Attributes:
        rows: the rows as the API has them now, changed or not.
        changes: those that are new or have another amount.
        kept: rows that were left as they are -> why.
        findings: responses that are not clear.
    """

    rows: tuple[Price, ...]
    changes: tuple[Change, ...]
    kept: tuple[tuple[Price, str], ...]
    findings: tuple[Finding, ...]


def refresh(client: Any, table: PriceTable, wanted: Iterable[Price], say: Callable[[str], object]) -> Refresh:
    """Asks for rows.

    Args:
        client: a boto3 client of `pricing`.
        table: the table in force.
        wanted: the rows to ask for; those that the table does not have are asked for as new ones.
        say: takes a line of progress.

    Raises:
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: the API cannot be asked.
    """
    rows, changes, kept, findings = [], [], [], []
    for each in wanted:
        before = table.find(each.service, each.sku, each.region)
        if products_of(each.service, each.sku) is None:
            kept.append((each, "it is not known how the price list calls it"))
            continue
        say(f"asking: {each.service} {each.sku} {each.region}")
        answer = ask(client, each)
        if isinstance(answer, Finding):
            findings.append(answer)
        elif answer is None:
            kept.append((each, "the price list has no such product" if before else "not offered there"))
        else:
            rows.append(answer)
            if before is None or before.amount != answer.amount:
                changes.append(Change(before, answer))
    return Refresh(tuple(rows), tuple(changes), tuple(kept), tuple(findings))


def too_large(changes: Iterable[Change], percent: float) -> list[Finding]:
    """The changes above a threshold in percent, as findings."""
    return [
        Finding(
            f"{each.after.service} {each.after.sku} {each.after.region}",
            f"must change by at most {percent:g} %",
            f"{each.before.amount} -> {each.after.amount} USD/{each.after.unit} ({each.percent:+.1f} %)",
            "a mistake of the table or of the response would spread into every estimate",
            "check it at the provider's page, then raise --threshold",
        )
        for each in changes
        if each.before and each.percent is not None and abs(each.percent) > Decimal(str(percent))
    ]
