"""How often a request waits for the ledger: once before it is sent, and never after its answer."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import openai
import pytest
from gateway_desk import Desk, open_desk
from gateway_world import HELLO, client
from sandbox_world import wait_for
from stub_provider import StubProvider, stub_provider

from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.service.door import AT_ONCE
from scaletozero.spending.money import micros

TIGHT = "0.0006"
"""USD of a cap that has room for what one request holds, and not for two."""


@pytest.fixture
def provider() -> Iterator[StubProvider]:
    with stub_provider() as server:
        yield server


@pytest.fixture
def desk(provider: StubProvider, priced: None, store: DynamoStore) -> Iterator[Desk]:
    customers: dict[str, Any] = {"poor": {"cap_usd_per_month": "0.0001"}, "tight": {"cap_usd_per_month": TIGHT}}
    with open_desk(client, provider, **customers) as desk:
        # The first request of a month opens its account.
        desk.client().chat.completions.create(model="small", messages=HELLO)
        desk.settled()
        provider.received.clear()
        yield desk


class Gate:
    """Notes the calls of the store where they are sent, and keeps some of them waiting."""

    def __init__(self, waits: Callable[[Any], bool] = lambda request: False) -> None:
        self.calls: list[str] = []
        self.opened, self._waits = threading.Event(), waits
        self._lock, self._open, self.most = threading.Lock(), 0, 0
        self.waiting = threading.Event()

    def __call__(self, request: Any, event_name: str, **_: Any) -> None:
        with self._lock:
            self.calls.append(event_name.rpartition(".")[2])
            self._open += 1
            self.most = max(self.most, self._open)
        if self._waits(request):
            self.waiting.set()
            self.opened.wait(60)
        with self._lock:
            self._open -= 1


@pytest.fixture
def gated(desk: Desk) -> Iterator[Callable[[Gate], Gate]]:
    events, used = desk.store._client.meta.events, []

    def gate(gate: Gate) -> Gate:
        # Before the embedded AWS, which answers in the same way.
        events.register_first("before-send.dynamodb", gate)
        used.append(gate)
        return gate

    yield gate
    for each in used:
        each.opened.set()
        events.unregister("before-send.dynamodb", each)


def ends_a_lease(request: Any) -> bool:
    return b'"Delete"' in request.body


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_waits_for_the_ledger_once_and_never_after_its_answer(
    desk: Desk, gated: Callable[[Gate], Gate], provider: StubProvider, stream: bool
) -> None:
    gate = gated(Gate(ends_a_lease))
    answer = desk.client().chat.completions.create(model="small", messages=HELLO, stream=stream)
    said = list(answer) if stream else [answer]
    # The answer is whole, and nothing has been settled.
    assert said
    assert len(provider.received) == 1
    assert desk.month().held > 0
    assert gate.calls.count("TransactWriteItems") in (1, 2)
    gate.opened.set()
    assert desk.settled().held == 0
    assert [each for each in gate.calls if each != "GetItem"] == ["TransactWriteItems"] * 2
    assert len(desk.records()) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_who_asks_again_before_the_last_answer_is_settled_is_not_refused(
    desk: Desk, gated: Callable[[Gate], Gate], provider: StubProvider, stream: bool
) -> None:
    gate, tight = gated(Gate(ends_a_lease)), desk.client("tight", max_retries=0)

    def ask() -> None:
        answer = tight.chat.completions.create(model="small", messages=HELLO, stream=stream)
        assert list(answer) if stream else answer

    ask()
    held = desk.month("tight").held
    assert held < micros(Decimal(TIGHT)) < 2 * held
    assert gate.waiting.wait(60)
    sent = gate.calls.count("TransactWriteItems")
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(ask)
        # It is refused by the ledger, which does not know yet what the first has cost, and waits for that.
        assert wait_for(lambda: gate.calls.count("TransactWriteItems") > sent)
        with pytest.raises(TimeoutError):
            second.result(1)
        assert len(provider.received) == 1
        gate.opened.set()
        second.result(60)
    assert len(provider.received) == 2
    assert desk.settled("tight").held == 0


def test_who_asks_beside_a_request_that_holds_the_cap_is_refused(desk: Desk, provider: StubProvider) -> None:
    tight = desk.client("tight", max_retries=0)

    def ask() -> Any:
        return tight.chat.completions.create(model="small", messages=HELLO)

    provider.always = {"later": True}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask)
        assert provider.waiting.acquire(timeout=60)
        with pytest.raises(openai.APIStatusError) as caught:
            ask()
        assert caught.value.status_code == 402
        provider.released.set()
        assert first.result(60).choices
    assert len(provider.received) == 1


def test_what_is_refused_at_a_cap_looks_for_expired_leases_once(
    desk: Desk, gated: Callable[[Gate], Gate], provider: StubProvider
) -> None:
    gate, poor = gated(Gate()), desk.client("poor", max_retries=0)
    for _ in range(3):
        with pytest.raises(openai.APIStatusError) as caught:
            poor.chat.completions.create(model="small", messages=HELLO)
        assert caught.value.code == "month_cap_reached"
    assert provider.received == []
    assert gate.calls.count("Query") == 1


def test_one_customer_has_only_some_transactions_on_their_way(
    desk: Desk, gated: Callable[[Gate], Gate], provider: StubProvider
) -> None:
    gate = gated(Gate(lambda request: True))
    ask = desk.client(max_retries=0).chat.completions.create
    with ThreadPoolExecutor(3 * AT_ONCE) as pool:
        asked = [pool.submit(ask, model="small", messages=HELLO) for _ in range(3 * AT_ONCE)]
        wait_for(lambda: len(gate.calls) == AT_ONCE)
        gate.opened.set()
        assert all(each.result() for each in asked)
    assert desk.settled().held == 0
    assert gate.most == AT_ONCE
