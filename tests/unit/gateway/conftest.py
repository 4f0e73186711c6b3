"""A ledger in an embedded DynamoDB."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from gateway_desk import own_prices
from moto import mock_aws
from sandbox_world import idle_seconds, speed, world

from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.transactions import Transactions
from scaletozero.sandbox.aws.moto_patches import patch_moto

__all__ = ["idle_seconds", "speed", "store", "world"]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoStore]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    patch_moto()
    with mock_aws():
        store = DynamoStore(Transactions(boto3.client("dynamodb", region_name="eu-central-1")), "ledger")
        store.create_table()
        yield store


@pytest.fixture
def priced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "prices.json"
    own.write_text(own_prices("us-east-1", "eu-central-1"))
    monkeypatch.setenv("SCALETOZERO_PRICES", str(own))
