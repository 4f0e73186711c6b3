"""Prices from the Price List API: what is asked, by botocore's own model of it, and what of a response counts."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from price_lists import page, product

from model_packaging.findings import Finding
from scaletozero.spending.price_list import Change, ask, products_of, refresh, too_large
from scaletozero.spending.price_rows import Price
from scaletozero.spending.prices import BY_HAND, PriceTable, shipped

TABLE = shipped()
GPU = TABLE.price("ec2", "g5.xlarge", "us-east-1")


@pytest.fixture
def stub() -> Iterator[tuple[Any, Stubber]]:
    client = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


def test_an_instance_is_asked_for_as_linux_shared_and_on_demand(stub: tuple[Any, Stubber]) -> None:
    client, stubber = stub
    wanted = {
        "regionCode": "us-east-1",
        "instanceType": "g5.xlarge",
        "operatingSystem": "Linux",
        "preInstalledSw": "NA",
        "tenancy": "Shared",
        "capacitystatus": "Used",
    }
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
    asked = {"ServiceCode": "AmazonEC2", "Filters": filters, "FormatVersion": "aws_v1"}
    stubber.add_response("get_products", page(product("1.0200000000")), asked)
    found = ask(client, GPU)
    assert isinstance(found, Price)
    assert (found.amount, found.date, found.confidence) == (Decimal("1.02"), date(2026, 11, 20), "api")
    assert (found.service, found.sku, found.region, found.unit) == ("ec2", "g5.xlarge", "us-east-1", "h")


def test_every_page_is_read_and_only_the_product_that_is_meant(stub: tuple[Any, Stubber]) -> None:
    client, stubber = stub
    row = TABLE.price("sagemaker.hosting", "ml.g5.xlarge", "us-east-1")
    training = product("9", attributes={"component": "Training"})
    stubber.add_response("get_products", page(training, token="more"), ANY_OF)
    hosting = product("1.41", attributes={"component": "Hosting"})
    stubber.add_response("get_products", page(hosting), {**ANY_OF, "NextToken": "more"})
    found = ask(client, row)
    assert isinstance(found, Price)
    assert found.amount == Decimal("1.41")


ANY_OF: dict[str, Any] = {"ServiceCode": ANY, "Filters": ANY, "FormatVersion": "aws_v1"}


@pytest.mark.parametrize(
    ("key", "attributes", "unit"),
    [
        (("lambda", "request", "us-east-1"), {}, "Requests"),
        (("lambda", "gb-second", "us-east-1"), {}, "Lambda-GB-Second"),
        (("eks", "cluster", "us-east-1"), {"usagetype": "USE1-AmazonEKS-Hours:perCluster"}, "Hours"),
        (("ec2.nat-gateway", "hour", "us-east-1"), {"usagetype": "NatGateway-Hours"}, "Hrs"),
        (("ec2.nat-gateway", "data-gb", "us-east-1"), {"usagetype": "USE1-NatGateway-Bytes"}, "GB"),
        (("s3", "storage-gb-month", "us-east-1"), {"usagetype": "TimedStorage-ByteHrs"}, "GB-Mo"),
        (("cloudwatch", "alarm-month", "us-east-1"), {"usagetype": "CW:AlarmMonitorUsage"}, "Alarms"),
        (("sagemaker.serverless", "gb-second", "us-east-1"), {"usagetype": "USE1-ServerlessInf:Mem-1GB"}, "Seconds"),
        (("sagemaker.serverless", "data-gb", "us-east-1"), {"usagetype": "USE1-Hst:Data-Bytes-Out"}, "GB"),
        (("apigateway", "rest-request", "us-east-1"), {"usagetype": "ApiGatewayRequest"}, "Requests"),
        (("cloudwatch", "log-ingested-gb", "us-east-1"), {"usagetype": "USE1-DataProcessing-Bytes"}, "GB"),
        (("dynamodb", "write-request", "us-east-1"), {"usagetype": "WriteRequestUnits"}, "WriteRequestUnits"),
        (("dynamodb", "read-request", "us-east-1"), {"usagetype": "USE1-ReadRequestUnits"}, "ReadRequestUnits"),
        (("dynamodb", "pitr-gb-month", "us-east-1"), {"usagetype": "TimedPITRStorage-ByteHrs"}, "GB-Mo"),
    ],
)
def test_the_first_tier_counts_and_other_usage_does_not(
    stub: tuple[Any, Stubber], key: tuple[str, str, str], attributes: dict[str, str], unit: str
) -> None:
    client, stubber = stub
    meant = product("0.5", unit=unit, attributes=attributes, tiers={"1000": "0.1"})
    other = product("7", unit=unit, attributes={"usagetype": "USE1-RegionalNatGateway-Hours"})
    stubber.add_response("get_products", page(meant, *([other] if attributes else [])), ANY_OF)
    found = ask(client, TABLE.price(*key))
    assert isinstance(found, Price)
    assert found.amount == Decimal("0.5")


def test_a_tier_that_is_free_is_no_price(stub: tuple[Any, Stubber]) -> None:
    client, stubber = stub
    row = TABLE.price("dynamodb", "storage-gb-month", "us-east-1")
    tiers = {"25": "0.25", "1000": "0.2"}
    meant = product("0.0000000000", unit="GB-Mo", attributes={"usagetype": "TimedStorage-ByteHrs"}, tiers=tiers)
    stubber.add_response("get_products", page(meant), ANY_OF)
    found = ask(client, row)
    assert isinstance(found, Price)
    assert found.amount == Decimal("0.25")


@pytest.mark.parametrize(
    ("products", "wanted"),
    [
        ((product("1.02"), product("1.03")), "must have one price, got 1.02, 1.03"),
        ((product("1.02", unit="Quantity"),), "must be per hour or hours or hr or hrs, got Quantity"),
        ((product("0.0000000000"),), "must be more than 0"),
        ((product("free"),), "must be more than 0"),
    ],
)
def test_a_response_that_is_not_clear_is_a_finding(
    stub: tuple[Any, Stubber], products: tuple[str, ...], wanted: str
) -> None:
    client, stubber = stub
    stubber.add_response("get_products", page(*products), ANY_OF)
    found = ask(client, GPU)
    assert isinstance(found, Finding)
    assert wanted in str(found)


def test_what_changed_what_is_new_and_what_is_left(stub: tuple[Any, Stubber]) -> None:
    client, stubber = stub
    new = GPU.model_copy(update={"region": "eu-south-1"})
    provisioned = TABLE.price("sagemaker.serverless", "pc-gb-second", "us-east-1")
    same = TABLE.price("ec2", "g6.xlarge", "us-east-1")
    gone = TABLE.price("ec2", "g5.2xlarge", "us-east-1")
    for answer in (page(product("1.2")), page(product("1.3")), page(product("0.8048")), page()):
        stubber.add_response("get_products", answer, ANY_OF)
    found = refresh(client, TABLE, [GPU, new, provisioned, same, gone], lambda _: None)
    assert [(change.before, change.after.amount) for change in found.changes] == [
        (GPU, Decimal("1.2")),
        (None, Decimal("1.3")),
    ]
    assert len(found.rows) == 3
    assert found.kept == (
        (provisioned, "it is not known how the price list calls it"),
        (gone, "the price list has no such product"),
    )
    assert found.findings == ()


def test_a_change_above_the_threshold_is_a_finding_and_a_new_row_is_none() -> None:
    dearer = GPU.model_copy(update={"amount": Decimal("1.2072")})
    assert too_large([Change(GPU, dearer), Change(None, dearer)], 20) == []
    (found,) = too_large([Change(GPU, dearer.model_copy(update={"amount": Decimal("1.3")}))], 20)
    assert found.got == "1.006 -> 1.3 USD/h (+29.2 %)"
    (found,) = too_large([Change(GPU, GPU.model_copy(update={"amount": Decimal("0.5")}))], 20)
    assert "(-50.3 %)" in found.got


def test_a_region_gets_its_serverless_prices(stub: tuple[Any, Stubber]) -> None:
    client, stubber = stub
    region, of = "eu-central-1", {"regionCode": "eu-central-1"}
    rows = [TABLE.price("sagemaker.serverless", sku, "us-east-1") for sku in ("gb-second", "data-gb")]
    sizes = [
        product(f"{0.0000221 * gb:.7f}", unit="Seconds", attributes={"usagetype": f"EUC1-{family}:Mem-{gb}GB"})
        for family in ("ServerlessInf", "ProvisionedConcurrency")
        for gb in (1, 2, 6)
    ]
    ways = [
        product("0.0176", unit="GB", attributes={"usagetype": f"EUC1-Hst:Data-Bytes-{way}"}) for way in ("In", "Out")
    ]
    for products, wanted in (
        (sizes, {**of, "productFamily": "ML Serverless"}),
        (ways, {**of, "operation": "Invoke-Endpoint"}),
    ):
        filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
        asked = {"ServiceCode": "AmazonSageMaker", "Filters": filters, "FormatVersion": "aws_v1"}
        stubber.add_response("get_products", page(*products), asked)
    found = refresh(client, TABLE, [each.model_copy(update={"region": region}) for each in rows], lambda _: None)
    # Every kind of endpoint of that region can be estimated with them.
    table = PriceTable.of([*TABLE.rows.values(), *found.rows])
    assert found.findings == ()
    assert table.price("sagemaker.serverless", "gb-second", region).amount == Decimal("0.0000221")
    assert table.price("sagemaker.serverless", "data-gb", region).amount == Decimal("0.0176")


def test_data_that_costs_otherwise_in_than_out_is_a_finding(stub: tuple[Any, Stubber]) -> None:
    client, stubber = stub
    ways = {"In": "0.016", "Out": "0.09"}
    products = [
        product(usd, unit="GB", attributes={"usagetype": f"USE1-Hst:Data-Bytes-{way}"}) for way, usd in ways.items()
    ]
    stubber.add_response("get_products", page(*products), ANY_OF)
    found = ask(client, TABLE.price("sagemaker.hosting", "data-gb", "us-east-1"))
    assert isinstance(found, Finding)
    assert "must have one price, got 0.016, 0.09" in str(found)


def test_all_but_the_rows_that_are_kept_by_hand_are_found_in_the_list() -> None:
    unknown = {(each.service, each.sku) for each in TABLE.rows.values() if products_of(each.service, each.sku) is None}
    assert unknown == BY_HAND
    assert PriceTable.of([GPU]).find("ec2", "g5.xlarge", "us-east-1") == GPU
