"""`costs`: what is read of CloudWatch, as a table and as JSON."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import typer
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws
from pyarrow import parquet

from scaletozero.cli import costing
from scaletozero.environment.read import read_environment
from scaletozero.gateway.ledger.accounts import accounts_of
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.settings.names import VARIANT

REGION = "us-east-1"
ARN = f"arn:aws:sagemaker:{REGION}:123456789012:endpoint/acme-sentences"
DEPLOYED: dict[str, dict[str, Any]] = {
    "sentences": {"kind": "serverless", "name": "acme-sentences", "arn": ARN, "region": REGION, "memory_mb": 2048},
    "images": {"kind": "asynchronous", "name": "acme-images", "region": REGION, "instance_type": "ml.g5.xlarge"},
    "llm": {"kind": "gpu", "name": "llm", "region": REGION},
}


GIVEN = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}


STATE: list[dict[str, Any]] = [{"type": "pulumi:pulumi:Stack", "outputs": {"bucket": "acme-prod"}}]


def deployed(endpoints: dict[str, dict[str, Any]], client: Any, gateway: Any = None) -> Callable[..., Any]:
    """In place of the engine: what it would find."""
    clients = {
        "s3": lambda: boto3.client("s3", region_name=REGION, **GIVEN),
        "cloudwatch": lambda: client,
        "dynamodb": lambda: boto3.client("dynamodb", region_name=REGION, **GIVEN),
    }
    stack = SimpleNamespace(
        client=lambda service, region, config=None: clients[service](), name="prod", resources=lambda: STATE
    )
    settings = SimpleNamespace(gateway=gateway, region=REGION, endpoints={})
    project = SimpleNamespace(name="acme")
    return lambda environment, what, or_gateway: SimpleNamespace(
        endpoints=endpoints, stack=stack, settings=settings, project=project
    )


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch) -> Any:
    with mock_aws():
        client = boto3.client("cloudwatch", region_name=REGION, **GIVEN)
        monkeypatch.setattr(costing, "running", deployed(DEPLOYED, client))
        yield client


def put(client: Any, endpoint: str, metric: str, values: list[float], namespace: str = "AWS/SageMaker") -> None:
    named = {"EndpointName": endpoint, "VariantName": VARIANT}
    dimensions = [{"Name": key, "Value": value} for key, value in named.items()]
    at = datetime.now(UTC) - timedelta(seconds=1)
    data = [{"MetricName": metric, "Dimensions": dimensions, "Timestamp": at, "Value": each} for each in values]
    client.put_metric_data(Namespace=namespace, MetricData=data)


def test_each_endpoint_is_a_row_and_the_last_line_adds_up(cloudwatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    put(cloudwatch, "acme-sentences", "Invocations", [1.0] * 4)
    put(cloudwatch, "acme-sentences", "ModelLatency", [250_000_000.0] * 4)  # 1,000 s of 2 GB: 0.04 USD
    put(cloudwatch, "acme-images", "CPUUtilization", [12.5] * 60, "/aws/sagemaker/Endpoints")
    costing.costs("prod", "2d")
    shown = capsys.readouterr()
    assert "2,000.00 GB-s" in shown.out
    assert "$0.04" in shown.out
    assert "$10.00" in shown.out  # a thousand requests
    assert "1.00 h" in shown.out
    assert "llm: not read, its metrics are in Prometheus: give the server with --prometheus" in shown.err


def test_as_json(cloudwatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    put(cloudwatch, "acme-sentences", "ModelLatency", [1e9])
    costing.costs("prod", "2d", as_json=True)
    found = json.loads(capsys.readouterr().out)
    (charge,) = found["endpoints"]["sentences"]["charges"]
    assert charge | {"day": ""} == {
        "day": "",
        "what": "work on requests",
        "quantity": 2000.0,
        "unit": "GB-s",
        "usd": 0.04,
    }
    assert found["usd"] == 0.04
    assert found["endpoints"]["images"]["usd"] == 0
    assert list(found["not_read"]) == ["llm"]
    assert "--prometheus" in found["not_read"]["llm"]


def test_provisioned_concurrency_is_paid_since_the_endpoint_was_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with mock_aws():
        client = boto3.client("cloudwatch", region_name=REGION, **GIVEN)
        run = deployed({"sentences": DEPLOYED["sentences"]}, client)("prod", "costs", or_gateway=True)
        image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/scaletozero-serving:0.1.0"
        scaling = {"min": 1, "buffer": 0, "max": 5}
        declared = {"artifact": "a", "image": image, "scaling": scaling}
        run.settings.endpoints = read_environment(
            {"region": REGION, "endpoints": {"sentences": declared}, "sandbox": {}}, None
        ).endpoints
        made = datetime.now(UTC) - timedelta(hours=1)
        sagemaker = SimpleNamespace(describe_endpoint=lambda EndpointName: {"CreationTime": made})  # noqa: N803
        run.stack.client = lambda service, region, config=None: sagemaker if service == "sagemaker" else client
        monkeypatch.setattr(costing, "running", lambda *_, **__: run)
        put(client, "acme-sentences", "Invocations", [1.0] * 4)
        put(client, "acme-sentences", "ModelLatency", [90_000_000.0] * 4)  # a tenth of the hour
        put(client, "acme-sentences", "ServerlessProvisionedConcurrencyInvocations", [1.0] * 4)
        costing.costs("prod", "2d", as_json=True)
        found = json.loads(capsys.readouterr().out)
    sentences = found["endpoints"]["sentences"]
    charges: dict[str, float] = {}
    for each in sentences["charges"]:
        charges[each["what"]] = charges.get(each["what"], 0) + each["usd"]
    assert charges == {
        "provisioned concurrency, as declared": pytest.approx(0.036, rel=0.01),  # 3,600 s x 2 GB x $0.000005
        "work on provisioned concurrency": pytest.approx(0.008424, rel=0.01),  # 360 s x 2 GB x $0.0000117
    }
    assert sentences["not_in_it"] == ["data in and out"]
    parts = {each["part"]: each["usd"] for each in found["customers"]}
    assert parts["idle"] == pytest.approx(0.0324, rel=0.05)


def test_rows_of_focus(cloudwatch: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    put(cloudwatch, "acme-sentences", "ModelLatency", [1e9])
    put(cloudwatch, "acme-images", "CPUUtilization", [12.5] * 60, "/aws/sagemaker/Endpoints")
    path = tmp_path / "focus.csv"
    costing.costs("prod", "2d", focus=path)
    assert "2 rows, metered at list prices" in capsys.readouterr().err
    with path.open(newline="") as file:
        images, sentences = csv.DictReader(file)
    assert (sentences["ChargeDescription"], sentences["EffectiveCost"]) == ("sentences: work on requests", "0.04")
    assert (sentences["ConsumedQuantity"], sentences["ConsumedUnit"]) == ("2000", "GB-Seconds")
    assert (sentences["BillingAccountId"], sentences["ResourceId"]) == ("123456789012", ARN)
    assert (images["ConsumedQuantity"], images["ConsumedUnit"], images["BillingAccountId"]) == ("1", "Hours", "")
    # No invoice: AWS's own export has these charges.
    assert {sentences["BilledCost"], images["BilledCost"]} == {"0"}
    today = datetime.now(UTC).date()
    assert sentences["ChargePeriodStart"] in {f"{today}T00:00:00Z", f"{today - timedelta(days=1)}T00:00:00Z"}
    for row in (sentences, images):
        cost = Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"])
        assert cost == Decimal(row["ListCost"]) == Decimal(row["ContractedCost"])
        assert list(row) == [
            *sorted(each for each in row if each[0] != "x"),
            "x_Endpoint",
            "x_Part",
            "x_PriceConfidence",
            "x_PriceDate",
        ]
        assert json.loads(row["Tags"])["environment"] == "prod"
        began, ended = (datetime.fromisoformat(row[f"BillingPeriod{each}"]) for each in ("Start", "End"))
        assert began.day == ended.day == 1
        assert 28 <= (ended - began).days <= 31


@pytest.fixture
def gateway(cloudwatch: Any, monkeypatch: pytest.MonkeyPatch) -> DynamoStore:
    """An environment whose gateway has a ledger with two customers."""
    monkeypatch.setattr(costing, "running", deployed(DEPLOYED, cloudwatch, gateway=SimpleNamespace(deployed=False)))
    store = DynamoStore(boto3.client("dynamodb", region_name=REGION, **GIVEN), "acme-prod-ledger")
    store.create_table()
    now = datetime.now(UTC)
    for customer, milliseconds in (("acme", 3000), ("globex", 1000)):
        lease = Ledger(store).reserve(f"{milliseconds:032x}", accounts_of(customer, None, 10**6, now), 500, 60)
        Ledger(store).settle(lease, 100, asked="acme-sentences", target="sentences", milliseconds=milliseconds)
    lease = Ledger(store).reserve("f" * 32, accounts_of("acme", None, 10**6, now), 900_000, 60)
    Ledger(store).settle(lease, 500_000, asked="api.openai.com/m", priced_as="openai/m", input_tokens=7)
    return store


def test_customers_share_what_their_endpoint_cost(
    gateway: DynamoStore, cloudwatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    put(cloudwatch, "acme-sentences", "Invocations", [1.0] * 2)
    put(cloudwatch, "acme-sentences", "ModelLatency", [4e9])  # 4,000 s of 2 GB: 0.16 USD
    costing.costs("prod", "2d", as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert {(each["customer"], each["target"]): each["usd"] for each in found["customers"]} == {
        ("acme", "sentences"): 0.12,
        ("globex", "sentences"): 0.04,
        ("acme", "api.openai.com/m"): 0.5,
    }
    assert found["apis"] == {"api.openai.com/m": {"usd": 0.5}}
    assert found["usd"] == 0.66
    costing.costs("prod", "2d")
    shown = capsys.readouterr()
    assert [line.split()[:3] for line in shown.out.splitlines() if line.startswith(("acme", "globex"))] == [
        ["acme", "api.openai.com/m", "1"],
        ["acme", "sentences", "1"],
        ["globex", "sentences", "1"],
    ]
    assert "$0.66 since" in shown.err


def test_the_ledger_of_a_function_is_read(
    gateway: DynamoStore, cloudwatch: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = deployed(DEPLOYED, cloudwatch, gateway=SimpleNamespace(deployed=True))
    monkeypatch.setattr(costing, "running", run)
    monkeypatch.setattr(costing, "deployed_tables", lambda resources: {"ledger": "acme-prod-ledger"})
    costing.costs("prod", "2d", as_json=True)
    assert len(json.loads(capsys.readouterr().out)["customers"]) == 3


def test_rows_of_focus_for_customers_and_apis(gateway: DynamoStore, cloudwatch: Any, tmp_path: Path) -> None:
    put(cloudwatch, "acme-sentences", "Invocations", [1.0] * 2)
    put(cloudwatch, "acme-sentences", "ModelLatency", [4e9])
    path = tmp_path / "focus.csv"
    costing.costs("prod", "2d", focus=path)
    with path.open(newline="") as file:
        api, acme, globex = csv.DictReader(file)
    assert (acme["AllocatedResourceName"], acme["ListCost"]) == ("acme", "0.12")
    assert (globex["AllocatedResourceName"], globex["ListCost"]) == ("globex", "0.04")
    assert (api["ServiceProviderName"], api["ListCost"], api["AllocatedMethodId"]) == (
        "api.openai.com",
        "0.5",
        "scaletozero/ledger/v1",
    )


def test_a_ledger_that_cannot_be_read_is_an_error(
    gateway: DynamoStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://dynamodb")

    monkeypatch.setattr(costing, "read_works", unreachable)
    with pytest.raises(typer.Exit) as caught:
        costing.costs("prod", "1d")
    assert caught.value.exit_code == 1
    assert "the gateway's ledger could not be read" in capsys.readouterr().err


def test_the_same_rows_are_in_the_environments_bucket(
    cloudwatch: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    s3 = boto3.client("s3", region_name=REGION, **GIVEN)
    s3.create_bucket(Bucket="acme-prod")
    put(cloudwatch, "acme-sentences", "ModelLatency", [1e9])
    path = tmp_path / "focus.csv"
    costing.costs("prod", "2d", focus=path, to_bucket=True)
    (found,) = s3.list_objects_v2(Bucket="acme-prod")["Contents"]
    today = datetime.now(UTC).date()
    assert found["Key"] == f"usage/prod/{today - timedelta(days=1)}_{today}.csv"
    assert s3.get_object(Bucket="acme-prod", Key=found["Key"])["Body"].read() == path.read_bytes()
    assert f"s3://acme-prod/{found['Key']}: 1 row" in capsys.readouterr().err


def test_parquet_in_the_bucket_and_in_a_file(
    cloudwatch: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    s3 = boto3.client("s3", region_name=REGION, **GIVEN)
    s3.create_bucket(Bucket="acme-prod")
    put(cloudwatch, "acme-sentences", "ModelLatency", [1e9])
    path = tmp_path / "focus.PARQUET"
    costing.costs("prod", "2d", focus=path, to_bucket=True, parquet=True)
    (found,) = s3.list_objects_v2(Bucket="acme-prod")["Contents"]
    assert found["Key"].endswith(".parquet")
    stored = s3.get_object(Bucket="acme-prod", Key=found["Key"])
    assert stored["ContentType"] == "application/vnd.apache.parquet"
    assert stored["Body"].read() == path.read_bytes()
    (row,) = parquet.read_table(path).to_pylist()
    assert (row["x_Endpoint"], row["EffectiveCost"]) == ("sentences", Decimal("0.04"))


def test_parquet_without_a_bucket_is_refused(cloudwatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught:
        costing.costs("prod", "1d", parquet=True)
    assert caught.value.exit_code == 2
    assert "--focus FILE.parquet" in capsys.readouterr().err


def test_without_a_bucket_that_can_be_written_it_is_an_error(
    cloudwatch: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(typer.Exit) as caught:
        costing.costs("prod", "1d", to_bucket=True)
    assert caught.value.exit_code == 1
    assert "could not be written: " in capsys.readouterr().err
    monkeypatch.delitem(STATE[0], "outputs")
    with pytest.raises(typer.Exit):
        costing.costs("prod", "1d", to_bucket=True)
    assert "needs the stack's output `bucket`" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_read(
    cloudwatch: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(typer.Exit) as caught:
        costing.costs("prod", "2d", focus=tmp_path / "none" / "focus.csv")
    assert caught.value.exit_code == 2
    assert "--focus" in capsys.readouterr().err


def test_a_region_without_a_price_is_said_and_the_others_are_read(
    cloudwatch: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = {**DEPLOYED, "far": {**DEPLOYED["sentences"], "region": "eu-north-1"}}
    monkeypatch.setattr(costing, "running", deployed(elsewhere, cloudwatch))
    costing.costs("prod", "1d", as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert "must have a row for eu-north-1" in found["not_read"]["far"]
    assert set(found["endpoints"]) == {"sentences", "images"}


def test_a_service_that_does_not_respond_is_an_error(
    cloudwatch: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://monitoring")

    monkeypatch.setattr(cloudwatch, "get_metric_statistics", unreachable)
    with pytest.raises(typer.Exit) as caught:
        costing.costs("prod", "1d")
    assert caught.value.exit_code == 1
    assert "acme-sentences: its metrics could not be read" in capsys.readouterr().err


def test_what_is_not_deployed_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught:
        costing.costs("local")
    assert caught.value.exit_code == 2
    assert "scaletozero estimate -e local" in capsys.readouterr().err
