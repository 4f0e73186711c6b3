"""What a gateway costs: the ledger's writes are those that its store makes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.hooks import HierarchicalEmitter

from model_packaging.validation import parse
from scaletozero.gateway.costs import RECORD_BYTES, TRANSACTED, gateway_priced, write_units
from scaletozero.gateway.ledger.accounts import accounts_of
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.settings.gateway import Gateway
from scaletozero.spending.gateway_costs import GatewayCost
from scaletozero.spending.prices import shipped
from scaletozero.spending.traffic import Traffic

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Counting:
    """A client of DynamoDB that accepts every transaction, and keeps its items."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.meta = SimpleNamespace(events=HierarchicalEmitter())

    def transact_write_items(self, **asked: Any) -> dict[str, Any]:
        self.items += asked["TransactItems"]
        return {}


@pytest.mark.parametrize("per_day", [None, 600])
def test_the_writes_are_those_of_the_store(per_day: int | None) -> None:
    client, accounts = Counting(), accounts_of("a" * 63, per_day, 1000, NOON)
    ledger = Ledger(DynamoStore(client, "ledger"), clock=NOON.timestamp)
    lease = ledger.reserve("f" * 32, accounts, 100, 60)
    about = {"model": "m" * 63, "target": "t" * 63, "price": "openai/gpt-5-mini genai-prices 0.2.3", "estimated": True}
    assert ledger.settle(lease, 30, **about)
    assert len(client.items) * TRANSACTED == write_units(len(accounts))
    assert max(map(size, client.items)) <= RECORD_BYTES


def size(item: dict[str, Any]) -> int:
    """Bytes of an item as DynamoDB counts them at most: names and values."""
    return sum(map(len, words(item.get("Put", {}).get("Item", {}))))


def words(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from words(each)
    else:
        yield str(value)


def priced(**customer: Any) -> GatewayCost:
    cache, function = customer.pop("cache", None), customer.pop("function", {})
    model = {"endpoint": "a", "seconds": 60, **({"cache": {"seconds": 60}} if cache else {})}
    asked = {
        "models": {"a": model},
        "customers": {"acme": {"cap_usd_per_month": 5, "models": ["a"], **customer}},
        "function": function,
    }
    gateway = parse(Gateway, asked, "gateway")
    assert gateway.function
    found = gateway_priced(gateway, gateway.function, "us-east-1", shipped(), 5_000)
    assert not found.unpriced
    assert isinstance(found.cost, GatewayCost)
    return found.cost


def test_caps_of_a_day_and_answers_that_are_kept_cost_more() -> None:
    traffic = Traffic(Decimal(1000), Decimal(1))
    plain, daily, kept = (each.per_request(traffic) for each in (priced(), priced(cap_usd_per_day=1), priced(cache=1)))
    write, read = Decimal("0.000000625"), Decimal("0.000000125")
    assert daily - plain == 4 * write
    assert kept - plain == 5 * write + read
    assert priced(function={"api": {}}).per_request(traffic) - plain == Decimal("0.0000035")


def test_a_closed_gateway_serves_nothing_and_costs_its_alarms() -> None:
    traffic = Traffic(Decimal(9), Decimal(1))
    cost = GatewayCost(1024, 0, shipped().price("lambda", "gb-second", "us-east-1"))
    assert (cost.capacity(traffic), cost.monthly(traffic), cost.worst_per_hour(traffic)) == (0, 0, 0)
    assert cost.curve(traffic)(100.0) == 0
    open_cost = priced()
    assert open_cost.curve(traffic)(9.0) == pytest.approx(float(open_cost.monthly(traffic)))
