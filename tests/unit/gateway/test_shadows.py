"""A share of the conversations is mirrored: what the shadow gets, what it may cost, and that callers notice nothing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from gateway_desk import Desk, api, open_desk
from gateway_world import COSTS, HELLO, client, post
from sandbox_world import wait_for
from stub_provider import StubProvider, stub_provider

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.settings.gateway import Gateway

API = {"base_url": "https://api.example.com/v1", "model": "there", "secret": "key", "price": "openai/gpt-5-mini"}


@pytest.fixture
def provider() -> Iterator[StubProvider]:
    with stub_provider() as server:
        yield server


@pytest.fixture
def dark() -> Iterator[StubProvider]:
    with stub_provider() as server:
        yield server


@pytest.fixture
def desk(provider: StubProvider, dark: StubProvider, priced: None, store: DynamoStore) -> Iterator[Desk]:
    shadow = {"provider": api(dark, model="new"), "percent": 50, "cap_usd_per_day": "0.0005"}
    models: Any = {"seen": {"provider": api(provider), "shadow": shadow, "default_output_tokens": 100}}
    with open_desk(client, provider, models) as desk:
        yield desk


def ask(desk: Desk, drawn: float = 0.0, **more: Any) -> Any:
    desk.door.models["seen"].mirror.draw = lambda: drawn
    answer = post(desk, "/v1/chat/completions", json.dumps({"model": "seen", "messages": HELLO, **more}).encode())
    assert answer.status_code == 200
    return answer


@pytest.mark.parametrize("stream", [False, True])
def test_a_copy_is_paid_for_by_no_customer(desk: Desk, dark: StubProvider, stream: bool) -> None:
    ask(desk, 0.49, stream=stream)
    wait_for(lambda: desk.store.records("shadow.seen"))
    assert desk.settled().spent == COSTS
    ((_, _, sent),) = dark.received
    assert (sent["model"], sent["messages"]) == ("new", HELLO)
    (record,) = desk.store.records("shadow.seen")
    assert (record["used"], record["asked"]) == (COSTS, "127.0.0.1/new")


def test_a_shadow_that_hangs_delays_nobody(desk: Desk, dark: StubProvider) -> None:
    dark.always = {"later": True}
    ask(desk)
    assert dark.waiting.acquire(timeout=60)
    assert desk.settled().spent == COSTS
    dark.released.set()


@pytest.mark.parametrize("do", [{"status": 500}, {"raw": "<html>"}])
def test_a_shadow_that_fails_is_told_to_nobody(desk: Desk, dark: StubProvider, do: dict[str, Any]) -> None:
    dark.always = do
    assert "Hello there" in ask(desk).text
    wait_for(lambda: desk.store.records("shadow.seen"))


def test_the_copies_stay_below_their_cap(desk: Desk, dark: StubProvider) -> None:
    dark.always = {"raw": "<html>"}  # which is charged with the most that it may have cost
    for _ in range(3):
        ask(desk)
        wait_for(lambda: not desk.door.models["seen"].mirror.open)
    spent = sum(each["used"] for each in desk.store.records("shadow.seen"))
    assert 0 < spent <= 500
    assert len(dark.received) == 1, "the cap leaves no second one"
    assert desk.settled().spent == 3 * COSTS


def test_what_is_stored_or_not_drawn_is_not_mirrored(desk: Desk, dark: StubProvider) -> None:
    ask(desk, store=True)
    ask(desk, 0.5)
    assert not desk.door.models["seen"].mirror.open
    assert dark.received == []


@pytest.mark.parametrize(
    ("shadow", "said"),
    [
        ({"provider": API, "percent": 0, "cap_usd_per_day": 1}, "shadow.percent: must be from 1 to 100 percent"),
        ({"provider": API, "percent": 5}, "shadow.cap_usd_per_day"),
        ({"provider": API, "percent": 5, "cap_usd_per_day": "0.0000001"}, "must be at least 0.000001 USD"),
        (
            {"provider": API, "percent": 5, "cap_usd_per_day": 1, "weight": 2},
            "shadow.weight: is no setting of a shadow",
        ),
        ({"percent": 5, "cap_usd_per_day": 1}, "shadow.endpoint: or `provider` or `bedrock` is required"),
        ({"endpoint": "e", "percent": 5, "cap_usd_per_day": 1}, "shadow.speaks: is required of an endpoint"),
    ],
)
def test_a_shadow_that_would_not_work_is_refused(shadow: dict[str, Any], said: str) -> None:
    with pytest.raises(FindingsError) as caught:
        parse(Gateway, {"models": {"m": {"provider": API, "shadow": shadow}}}, "gateway")
    assert said in str(caught.value)


def test_a_function_has_no_shadow() -> None:
    shadow = {"provider": API, "percent": 5, "cap_usd_per_day": 1}
    with pytest.raises(FindingsError, match="shadow: must not be in a function"):
        parse(Gateway, {"models": {"m": {"provider": API, "shadow": shadow}}, "function": {}}, "gateway")
