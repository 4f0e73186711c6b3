"""Several targets of a model: which one answers, what is tried again, what each try costs, and whose error is told."""

import json
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from gateway_desk import Desk, api, open_desk
from gateway_world import COSTS, HELLO, asking, client, post
from stub_provider import StubProvider, stub_provider

from scaletozero.gateway.ledger.dynamo import DynamoStore


@pytest.fixture
def first() -> Iterator[StubProvider]:
    with stub_provider() as server:
        yield server


@pytest.fixture
def second() -> Iterator[StubProvider]:
    with stub_provider() as server:
        yield server


@pytest.fixture
def desk(first: StubProvider, second: StubProvider, priced: None, store: DynamoStore) -> Iterator[Desk]:
    two: Any = {"targets": [{"provider": api(first)}, {"provider": api(second, model="other")}], "seconds": 60}
    models = {
        "two": two,
        "quick": {**two, "targets": [{**two["targets"][0], "seconds": 1}, two["targets"][1]]},
        "never": {**two, "retries": 0},
        "vectors-of-two": {**two, "same_vectors": True},
    }
    with open_desk(client, first, models, tight={"cap_usd_per_month": "0.00092"}) as desk:
        yield desk


def ask(desk: Desk, model: str = "two", customer: str = "acme", **more: Any) -> Any:
    body = {"model": model, "messages": HELLO, **more}
    return post(desk, "/v1/chat/completions", json.dumps(body).encode(), Authorization=f"Bearer {desk.keys[customer]}")


FALLS_BACK: list[dict[str, Any]] = [
    {"status": 500},
    {"status": 401},
    {"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}},
    {"status": 429, "headers": {"Retry-After": "60"}},
    {"status": 429, "error": {"code": "project_spend_limit_exceeded"}},
    {"status": 400, "error": {"message": "You have reached your specified API usage limits."}},
    {"status": 529},
]


@pytest.mark.parametrize("do", FALLS_BACK)
@pytest.mark.parametrize("stream", [False, True])
def test_the_next_target_answers(
    desk: Desk, first: StubProvider, second: StubProvider, do: dict[str, Any], stream: bool
) -> None:
    first.always = do
    answer = ask(desk, stream=stream)
    assert answer.status_code == 200
    assert ("part0" if stream else "Hello there") in answer.text
    assert [sent["model"] for _, _, sent in second.received] == ["other"]
    assert desk.settled().spent == COSTS
    (record,) = desk.records()
    assert (record["target"], record["asked"]) == ("two", "127.0.0.1/other")
    assert len(first.received) == (2 if do["status"] == 529 else 1), "an overloaded target is asked once more"


def test_a_request_that_is_wrong_is_not_sent_elsewhere(desk: Desk, first: StubProvider, second: StubProvider) -> None:
    first.always = {"status": 400, "error": {"message": "bad stop", "param": "stop"}}
    answer = ask(desk)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "stop")
    assert second.received == []
    assert desk.settled().spent == 0


@pytest.mark.parametrize("do", [{"hang": True}, {"raw": "<html>"}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_try_that_may_have_cost_something_is_paid_for_beside_the_next(
    desk: Desk, first: StubProvider, second: StubProvider, do: dict[str, Any], stream: bool
) -> None:
    first.always = do
    assert ask(desk, "quick", stream=stream).status_code == 200
    balance = desk.settled()
    records = sorted(desk.records(), key=lambda each: each["number"])
    assert [each["asked"] for each in records] == ["127.0.0.1/luna", "127.0.0.1/other"]
    assert [each["estimated"] for each in records] == [True, False]
    assert records[0]["used"] == records[0]["held"]
    assert balance.spent == records[0]["held"] + COSTS
    assert balance.cap == balance.remaining + balance.spent


def test_a_cap_that_leaves_no_second_try_tells_of_the_first(
    desk: Desk, first: StubProvider, second: StubProvider
) -> None:
    first.always = {"raw": "<html>"}
    answer = ask(desk, "quick", "tight", max_tokens=500)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "provider_error")
    assert second.received == []
    balance = desk.settled("tight")
    assert 0 < balance.remaining < balance.spent


@pytest.mark.parametrize(
    "do, status, code",
    [
        ({"status": 429, "headers": {"Retry-After": "60"}}, 429, "provider_rate_limited"),
        ({"status": 500}, 502, "provider_error"),
        ({"status": 529}, 503, "provider_overloaded"),
        ({"status": 402}, 503, "provider_capped"),
        ({"hang": True}, 504, "provider_timeout"),
    ],
)
def test_the_status_of_the_last_target_is_told(
    desk: Desk, first: StubProvider, second: StubProvider, do: dict[str, Any], status: int, code: str
) -> None:
    first.always, second.always = {"status": 500}, do
    desk.patient(1)
    answer = ask(desk)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    desk.settled()
    (record,) = desk.records()
    assert record["used"] == (record["held"] if "hang" in do else 0)


def test_a_rate_is_waited_for_where_nothing_else_answers(desk: Desk, first: StubProvider, second: StubProvider) -> None:
    first.always = {"status": 500}
    second.always = {"status": 429, "headers": {"Retry-After": "0.2"}}
    began = time.monotonic()
    assert ask(desk).status_code == 429
    assert time.monotonic() - began >= 0.2
    assert len(second.received) == 2
    assert ask(desk, "never").status_code == 429
    assert len(second.received) == 3


def test_a_target_that_keeps_failing_is_left_alone(desk: Desk, first: StubProvider, second: StubProvider) -> None:
    first.always = {"status": 500}
    for _ in range(7):
        assert ask(desk).status_code == 200
    assert len(first.received) == 5
    assert len(second.received) == 7
    second.always = {"status": 402}
    assert [ask(desk).json()["error"]["code"] for _ in range(2)] == ["provider_capped"] * 2
    assert len(second.received) == 8, "a spending limit is not asked again at once"
    assert desk.settled().spent == 7 * COSTS


def test_a_stream_that_broke_off_is_not_begun_again(desk: Desk, first: StubProvider, second: StubProvider) -> None:
    first.always = {"broken": True}
    with pytest.raises(openai.APIError, match="broke off"):
        list(desk.client().chat.completions.create(model="two", messages=HELLO, stream=True))
    assert second.received == []
    desk.settled()
    (record,) = desk.records()
    assert record["estimated"] is True


def test_embeddings_of_several_targets_need_the_same_vectors(
    desk: Desk, first: StubProvider, second: StubProvider
) -> None:
    refused = post(desk, "/v1/embeddings", b'{"model": "two", "input": "a"}')
    assert (refused.status_code, "same vectors" in refused.text) == (400, True)
    first.always = {"status": 500}
    assert desk.client().embeddings.create(model="vectors-of-two", input="a").data[0].embedding == [0.25, -1.0]
    assert len(second.received) == 1


def test_the_class_of_an_error_decides_between_two_models(desk: Desk, first: StubProvider) -> None:
    assert ask(desk, "small", messages=asking(status=500)).status_code == 502
    assert len(first.received) == 1, "what failed is not asked again"
