"""Transactions by the short way are those of the client, and what is not simple about them is left to the client."""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError
from gateway_process import Raw

from scaletozero.gateway.ledger.accounts import Lease, accounts_of
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.gateway.ledger.transactions import Transactions

ACCOUNTS = accounts_of("acme", 600, 1000, datetime(2026, 11, 30, 12, tzinfo=UTC))
NUMBERS = itertools.count(1)
Seen = list[Any]
EVENT = "before-send.dynamodb.TransactWriteItems"


@pytest.fixture
def sent(store: DynamoStore) -> tuple[DynamoStore, Seen, Callable[..., None]]:
    """A store by the short way, what it has sent, and a way to answer in place of DynamoDB, in turn."""
    client = boto3.client("dynamodb", region_name="eu-central-1")
    seen: Seen = []
    planned: list[Callable[[Any], Any]] = []

    def hook(request: Any, **_: Any) -> Any:
        seen.append(request)
        return planned.pop(0)(request) if planned else None

    client.meta.events.register_first(EVENT, hook)
    return DynamoStore(Transactions(client), "ledger"), seen, lambda *answers: planned.extend(answers)


def request() -> str:
    return f"{next(NUMBERS):032x}"


def figures(ledger: Ledger) -> list[tuple[int, int, int, int]]:
    """cap, remaining, held, spent of each account."""
    found = [balance for _, balance in ledger.balances(ACCOUNTS)]
    return [(each.cap, each.remaining, each.held, each.spent) for each in found]


def answer(status: int, body: bytes) -> Callable[[Any], AWSResponse]:
    return lambda request: AWSResponse(request.url, status, {}, Raw(body))


def fault(request: Any) -> Any:
    raise ConnectTimeoutError(endpoint_url=request.url)


def short(request: Any) -> bool:
    return b"amz-sdk-invocation-id" not in {name.lower().encode() for name in request.headers}


def test_the_request_is_the_client_s_own(sent: Any) -> None:
    store, seen, _ = sent
    account = ACCOUNTS[0]
    store.open(account)
    (one,) = seen
    items = json.loads(one.body)["TransactItems"]
    with pytest.raises(ClientError):  # it is there already
        store._client._client.transact_write_items(TransactItems=items)
    other = seen[-1]
    assert short(one)
    assert not short(other)
    assert json.loads(other.body)["TransactItems"] == items
    for name in ("Content-Type", "X-Amz-Target"):
        assert text(one.headers[name]) == text(other.headers[name])
    assert scope(one) == scope(other)
    assert one.url == other.url
    assert text(one.headers["Content-Length"]) == str(len(one.body))


def text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def scope(request: Any) -> list[str]:
    """Who signs for what: without the signature itself, which is of the moment."""
    kind, credential, headers, _ = text(request.headers["Authorization"]).split(" ")
    required = {"content-type", "host", "x-amz-date", "x-amz-target"}
    assert required <= set(headers.removeprefix("SignedHeaders=").rstrip(",").split(";"))
    return [kind, credential]


def test_a_cap_is_told_with_what_is_left(sent: Any) -> None:
    store, _, _ = sent
    ledger = Ledger(store)
    ledger.settle(ledger.reserve(request(), ACCOUNTS, 550, 60), 550)
    lease = Lease(request(), "acme", tuple(each.period for each in ACCOUNTS), 51, 2000)
    for used in (store, DynamoStore(store._client._client, "ledger")):
        with pytest.raises(Exception, match=r"D#2026-11-30") as caught:
            used.hold(lease, ACCOUNTS)
        assert caught.value.balance.remaining == 50  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "failing",
    [
        answer(500, b'{"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"}'),
        answer(500, b""),
        answer(502, b"<html>"),
        answer(200, b"{"),
        answer(400, b'{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException"}'),
        answer(400, b"[]"),
        fault,
    ],
)
def test_what_goes_wrong_is_sent_again_by_the_client_and_made_once(sent: Any, failing: Any) -> None:
    store, seen, plan = sent
    ledger = Ledger(store)
    first = ledger.reserve(request(), ACCOUNTS, 100, 60)
    before = len(seen)
    plan(failing)
    second = ledger.reserve(request(), ACCOUNTS, 100, 60)
    assert [short(each) for each in seen[before:]] == [True, False]
    ledger.settle(first, 10)
    plan(failing)
    # The embedded AWS knows no tokens, so that what was made, and whose answer was lost, is found to have ended.
    assert ledger.settle(second, 20) is (failing is fault)
    assert figures(ledger) == [(600, 570, 0, 30), (1000, 970, 0, 30)]


def test_an_error_is_the_client_s_own(store: DynamoStore) -> None:
    missing = DynamoStore(Transactions(boto3.client("dynamodb", region_name="eu-central-1")), "nowhere")
    with pytest.raises(ClientError) as caught:
        missing.open(ACCOUNTS[0])
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_a_client_that_does_not_sign_is_used_as_it_is(store: DynamoStore) -> None:
    client = boto3.client("dynamodb", region_name="eu-central-1", config=Config(signature_version=UNSIGNED))
    DynamoStore(Transactions(client), "ledger").open(ACCOUNTS[0])
    assert figures(Ledger(store))[0] == (600, 600, 0, 0)
