"""What the ledger's records say that customers' requests did."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scaletozero.environment.usage import read_works
from scaletozero.gateway.ledger.accounts import accounts_of
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.gateway.usage import works_of

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = date(2026, 11, 30)


def ledger(store: DynamoStore, at: datetime = NOON) -> Ledger:
    return Ledger(store, clock=at.timestamp)


def request(store: DynamoStore, number: int, customer: str, used: int, at: datetime = NOON, **about: Any) -> None:
    lease = ledger(store, at).reserve(f"{number:032x}", accounts_of(customer, None, 10_000, at), 100, 60)
    ledger(store, at).settle(lease, used, **about)


def test_requests_are_summed_by_customer_target_and_day(store: DynamoStore) -> None:
    own: dict[str, Any] = {"target": "vectors", "asked": "acme-sentences", "price": "aws"}
    request(store, 1, "acme", 5, **own, milliseconds=250)
    request(store, 2, "acme", 7, **own, milliseconds=500)
    request(store, 3, "globex", 2, **own, milliseconds=100)
    api: dict[str, Any] = {"target": "small", "asked": "api.openai.com/m", "priced_as": "openai/m"}
    request(store, 4, "globex", 30, **api, input_tokens=10, output_tokens=5)
    request(store, 5, "globex", 1, target="small", cache="hit", cache_age=3)
    found = {(each.customer, each.target): each for each in read_works(store, DAY)}
    acme = found["acme", "acme-sentences"]
    assert (acme.requests, acme.seconds, acme.micros, acme.api) == (2, Decimal("0.75"), 12, False)
    api_work = found["globex", "api.openai.com/m"]
    assert (api_work.tokens, api_work.micros, api_work.seconds, api_work.api) == (15, 30, 0, True)
    assert (found["globex", None].requests, found["globex", None].micros) == (1, 1)
    # To the micro-dollar what the ledger has.
    for customer in ("acme", "globex"):
        balance = store.balance(customer, "M#2026-11")
        assert balance
        assert balance.spent == sum(each.micros for each in found.values() if each.customer == customer)


def test_what_reached_nothing_or_never_ended_is_not_in_it(store: DynamoStore) -> None:
    of = accounts_of("acme", None, 10_000, NOON)
    ledger(store).release(ledger(store).reserve("1" * 32, of, 100, 60), target="small")
    ledger(store).reserve("2" * 32, of, 100, 60)
    late = Ledger(store, clock=lambda: NOON.timestamp() + 600)
    assert late.expire("acme") == 1
    assert read_works(store, DAY) == []


def test_a_try_that_failed_counts_where_it_was_sent() -> None:
    failed = {"outcome": "settled", "used": 9, "at": NOON.timestamp(), "target": "small", "failed": "provider_timeout"}
    api, own = works_of(
        [
            ("acme", {**failed, "asked": "api.openai.com/m", "total_milliseconds": 900}),
            ("acme", {**failed, "asked": "sentences", "total_milliseconds": 1500}),
        ]
    )
    assert (api.api, api.seconds, api.micros) == (True, 0, 9)
    assert (own.api, own.seconds, own.micros) == (False, Decimal("1.5"), 9)


def test_only_what_ended_since_is_read(store: DynamoStore) -> None:
    request(store, 1, "acme", 5, datetime(2026, 11, 29, 23, 59, tzinfo=UTC), asked="a", milliseconds=1)
    request(store, 2, "acme", 7, datetime(2026, 11, 30, 0, 0, tzinfo=UTC), asked="a", milliseconds=1)
    assert [(each.day, each.micros) for each in read_works(store, DAY)] == [(DAY, 7)]
    assert [each.micros for each in read_works(store, date(2026, 11, 29))] == [5, 7]


def test_without_a_table_nobody_used_anything(store: DynamoStore) -> None:
    assert read_works(DynamoStore(store._client, "none"), DAY) == []  # pyright: ignore[reportPrivateUsage]


def test_a_ledger_that_may_not_be_read_is_an_error(store: DynamoStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: int) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "Scan")

    monkeypatch.setattr(store, "usage", refused)
    with pytest.raises(ClientError):
        read_works(store, DAY)
