"""`scaletozero prices`, as it is typed: what it prints, what it writes, and that it writes nothing where it fails."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from price_lists import page, product
from typer.testing import CliRunner, Result

from scaletozero.cli import app, pricing

ASKED: dict[str, Any] = {"ServiceCode": ANY, "Filters": ANY, "FormatVersion": ANY}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCALETOZERO_PRICES", raising=False)
    return tmp_path


@pytest.fixture
def stubber(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(pricing, "_client", lambda: client)
    with Stubber(client) as stub:
        yield stub


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["prices", *arguments])


def test_rows_are_shown_by_region_and_service(project: Path) -> None:
    found = run("show", "--region", "eu-north-1", "--service", "ec2")
    assert found.exit_code == 0, found.output
    assert "g6e.12xlarge" in found.stdout
    assert "11.12975" in found.stdout
    assert "eks" not in found.stdout
    assert "prices are older than 90 days" in found.stderr
    shown = json.loads(run("show", "--region", "eu-north-1", "--json").stdout)
    assert {row["region"] for row in shown["rows"]} == {"eu-north-1"}
    assert {row["service"] for row in shown["rows"]} == {"ec2", "eks"}
    assert shown["currency"] == "USD"


def test_what_json_shows_is_a_table_that_can_be_read_again(project: Path) -> None:
    (project / "prices.json").write_text(run("show", "--json").stdout)
    assert run("show").exit_code == 0


def test_a_model_behind_an_api_is_shown(project: Path) -> None:
    assert "anthropic/claude-haiku-4-5" in run("show", "--model", "anthropic/claude-haiku-4-5").stdout
    shown = json.loads(run("show", "--model", "anthropic/claude-haiku-4-5", "--json").stdout)
    assert shown["usd_per_million_tokens"] == {"input": "1", "output": "5"}


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("--service", "ec3"), "--service: must be a service of the table, got ec3"),
        (("--region", "eu-middle-1"), "--region: must be a region in which SageMaker is offered, got eu-middle-1"),
        (("--region", "ap-east-1"), "--region: must have a row in the table, got ap-east-1"),
        (("--model", "gpt"), "model: must be `provider/model`"),
    ],
)
def test_what_is_not_there_is_refused(project: Path, arguments: tuple[str, ...], wanted: str) -> None:
    found = run("show", *arguments)
    assert found.exit_code == 2
    assert wanted in found.stderr


def test_refresh_writes_the_rows_of_the_api_and_prints_what_changed(project: Path, stubber: Stubber) -> None:
    answer = page(product("0.11", unit="Hours", attributes={"usagetype": "X-AmazonEKS-Hours:perCluster"}))
    stubber.add_response("get_products", answer, ASKED)
    stubber.add_response("get_products", answer, ASKED)
    found = run("refresh", "--service", "eks", "--region", "eu-central-1", "--region", "ap-south-1")
    assert found.exit_code == 0, found.output
    assert "+10.0 %" in found.stdout
    assert "new" in found.stdout
    rows = json.loads((project / "prices.json").read_text())["rows"]
    assert [(row["region"], row["amount"], row["confidence"]) for row in rows] == [
        ("ap-south-1", "0.11", "api"),
        ("eu-central-1", "0.11", "api"),
    ]
    assert "0.11" in run("show", "--region", "ap-south-1").stdout


def test_rows_that_were_there_stay(project: Path, stubber: Stubber) -> None:
    test_refresh_writes_the_rows_of_the_api_and_prints_what_changed(project, stubber)
    answer = page(product("0.8", unit="Hrs"))
    stubber.add_response("get_products", answer, ASKED)
    (project / "only.json").write_text((project / "prices.json").read_text())
    found = run("refresh", "--service", "ec2.nat-gateway", "--region", "us-east-1", "--file", "only.json")
    assert found.exit_code == 1  # neither NAT product is in the answers
    assert (project / "only.json").read_text() == (project / "prices.json").read_text()


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (lambda stub: stub.add_response("get_products", page(), ASKED), "the price list has none of these prices"),
        (
            lambda stub: stub.add_response(
                "get_products",
                page(product("0.5", attributes={"usagetype": "AmazonEKS-Hours:perCluster"})),
                ASKED,
            ),
            "must change by at most 20 %, got 0.1 -> 0.5 USD/h (+400.0 %)",
        ),
        (
            lambda stub: stub.add_response(
                "get_products",
                page(product("0.1", unit="Quantity", attributes={"usagetype": "AmazonEKS-Hours:perCluster"})),
                ASKED,
            ),
            "got Quantity",
        ),
        (
            lambda stub: stub.add_client_error("get_products", "AccessDeniedException", "not allowed"),
            "error: AWS Price List API: An error occurred (AccessDeniedException)",
        ),
        (
            lambda stub: stub.add_client_error("get_products", "ThrottlingException", "too many"),
            "error: AWS Price List API: An error occurred (ThrottlingException)",
        ),
    ],
)
def test_where_it_fails_nothing_is_written(
    project: Path, stubber: Stubber, answer: Callable[[Stubber], Any], wanted: str
) -> None:
    answer(stubber)
    found = run("refresh", "--service", "eks", "--region", "us-east-1")
    assert found.exit_code == 1
    assert wanted in found.stderr
    assert not (project / "prices.json").exists()


def test_without_credentials_it_says_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(project / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(project / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    found = run("refresh", "--service", "eks", "--region", "us-east-1")
    assert found.exit_code == 1
    assert "Unable to locate credentials; nothing is written" in found.stderr


def test_a_table_that_cannot_be_read_is_not_replaced(project: Path, stubber: Stubber) -> None:
    (project / "prices.json").write_text("mine")
    found = run("refresh", "--service", "eks", "--region", "us-east-1")
    assert found.exit_code == 2
    assert (project / "prices.json").read_text() == "mine"
