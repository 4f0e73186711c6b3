"""The gateway's cache over a socket: which answers are given again, to whom, for how long, and at what price."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from gateway_desk import Desk, api, open_desk
from gateway_world import COSTS, HELLO, asking, client, post
from sandbox_world import wait_for
from stub_provider import StubProvider, stub_provider

from model_packaging.findings import FindingsError
from scaletozero.environment.gateway import open_door
from scaletozero.gateway.cache.store import LARGEST_KEPT, CacheStore
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.service.keeping import CLOCKS_DIFFER, REST_SECONDS, Keeper

CACHE = "x-scaletozero-cache"
CUSTOMERS: dict[str, dict[str, Any]] = {
    "private": {"cache": False},
    "slow": {"requests_per_minute": 1},
    "narrow": {"models": ["vectors"], "endpoints": []},
    "tight": {"cap_usd_per_month": "0.0011"},
}


@dataclass
class Clock:
    """Moves when it is told to."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def provider() -> Iterator[StubProvider]:
    with stub_provider() as server:
        yield server


def models(provider: StubProvider) -> dict[str, dict[str, Any]]:
    told: dict[str, Any] = {"provider": api(provider), "default_output_tokens": 100}
    both: dict[str, Any] = {**told, "provider": api(provider, speaks=["chat", "messages"])}
    return {
        "kept": {**both, "cache": {"seconds": 300}},
        "shared": {**told, "cache": {"seconds": 300, "shared": True}},
        "any": {**told, "cache": {"seconds": 300, "any_temperature": True}},
        "paid": {**told, "cache": {"seconds": 300, "usd_per_hit": 0.0005}},
        "kept-vectors": {**told, "cache": {"seconds": 300}},
        "kept-own": {"endpoint": "sentences", "cache": {"seconds": 300}},
    }


@pytest.fixture
def desk(provider: StubProvider, priced: None, store: DynamoStore) -> Iterator[Desk]:
    with open_desk(client, provider, models(provider), **CUSTOMERS) as desk:
        yield desk


@pytest.fixture
def clock(desk: Desk) -> Clock:
    """The clock of the desk's cache."""
    clock = Clock()
    desk.door.keeper = Keeper(desk.answers, clock=clock)
    return clock


def items(desk: Desk) -> list[dict[str, Any]]:
    return client("dynamodb").scan(TableName=desk.answers.table)["Items"]


def ask(desk: Desk, customer: str = "acme", control: str = "", path: str = "/v1/chat/completions", **more: Any) -> Any:
    """Asks, and waits until the request is settled, and its answer kept if it is to be kept."""
    before = len(desk.ended)
    body = {"model": "kept", "temperature": 0, "messages": HELLO, **more}
    headers = {"Authorization": f"Bearer {desk.keys[customer]}", **({"Cache-Control": control} if control else {})}
    answer = post(
        desk, path, json.dumps({key: each for key, each in body.items() if each is not None}).encode(), **headers
    )
    if answer.status_code == 200:
        wait_for(lambda: len(desk.ended) > before)
    return answer


def test_the_same_request_gets_the_same_answer_without_its_provider(desk: Desk, provider: StubProvider) -> None:
    first, second = ask(desk), ask(desk)
    assert (first.headers[CACHE], second.headers[CACHE]) == ("miss", "hit")
    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert "age" not in first.headers
    assert int(second.headers["age"]) >= 0
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert len(provider.received) == 1


def test_a_hit_costs_nothing_and_is_a_request_in_the_figures(desk: Desk) -> None:
    ask(desk)
    ask(desk)
    assert desk.settled().spent == COSTS
    said = {record["cache"]: (record["used"], record["outcome"], record["estimated"]) for record in desk.records()}
    assert said == {"miss": (COSTS, "settled", False), "hit": (0, "settled", False)}
    found = httpx2.get(f"{desk.url}/v1/usage", headers={"x-api-key": desk.keys["acme"]}).json()
    assert (found["periods"][0]["spent_micros"], found["periods"][0]["cached_requests"]) == (COSTS, 1)


def test_a_hit_costs_what_was_declared_and_a_cap_holds(desk: Desk, provider: StubProvider) -> None:
    assert [ask(desk, "tight", model="paid").headers[CACHE] for _ in range(3)] == ["miss", "hit", "hit"]
    refused = ask(desk, "tight", model="paid")
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "month_cap_reached")
    balance = desk.settled("tight")
    assert (balance.spent, balance.cached) == (COSTS + 2 * 500, 2)
    assert balance.cap == balance.remaining + balance.spent
    assert len(provider.received) == 1


def test_customers_do_not_share_unless_it_is_declared(desk: Desk, provider: StubProvider) -> None:
    assert [ask(desk, each).headers[CACHE] for each in ("acme", "globex", "acme", "globex")] == [
        "miss", "miss", "hit", "hit",
    ]  # fmt: skip
    assert len(provider.received) == 2
    assert [ask(desk, each, model="shared").headers[CACHE] for each in ("acme", "globex")] == ["miss", "hit"]
    assert len(provider.received) == 3


def test_what_a_model_would_not_say_again_is_not_kept(desk: Desk, provider: StubProvider) -> None:
    for temperature in (None, 0.7, True, "0"):
        assert ask(desk, temperature=temperature).headers[CACHE] == "bypass", temperature
    assert ask(desk, store=True).headers[CACHE] == "bypass"
    assert items(desk) == []
    assert [ask(desk, model="any", temperature=0.7).headers[CACHE] for _ in range(2)] == ["miss", "hit"]


def test_a_model_without_a_cache_says_nothing_of_it(desk: Desk) -> None:
    answers = [ask(desk, model="small") for _ in range(2)]
    assert all(CACHE not in each.headers for each in answers)
    assert items(desk) == []
    assert all("cache" not in record for record in desk.records())


def test_a_customer_of_whom_nothing_is_kept(desk: Desk, provider: StubProvider) -> None:
    assert [ask(desk, "private").headers[CACHE] for _ in range(2)] == ["bypass", "bypass"]
    ask(desk, "acme", model="shared")
    assert ask(desk, "private", model="shared").headers[CACHE] == "bypass"
    assert len(items(desk)) == 1
    assert len(provider.received) == 4


def test_what_a_request_says_of_keeping(desk: Desk, provider: StubProvider, clock: Clock) -> None:
    assert ask(desk, control="no-store").headers[CACHE] == "bypass"
    assert items(desk) == []
    assert ask(desk).headers[CACHE] == "miss"
    assert ask(desk, control="no-store").headers[CACHE] == "bypass"
    clock.now += 100
    assert ask(desk, control="max-age=99").headers[CACHE] == "miss"  # which is kept in place of the one before
    clock.now += 50
    hit = ask(desk, control="max-age=50")
    assert (hit.headers[CACHE], hit.headers["age"]) == ("hit", "50")
    assert ask(desk, control="no-cache").headers[CACHE] == "miss"
    assert ask(desk, control="max-age=0").headers["age"] == "0"
    assert len(provider.received) == 5


def test_an_answer_is_kept_for_its_time(desk: Desk, provider: StubProvider, clock: Clock) -> None:
    ask(desk)
    (item,) = items(desk)
    assert int(item["ttl"]["N"]) == clock.now + 300
    clock.now += 299
    assert ask(desk).headers["age"] == "299"
    clock.now += 1  # DynamoDB has not deleted it
    assert len(items(desk)) == 1
    assert ask(desk).headers[CACHE] == "miss"
    assert ask(desk).headers["age"] == "0"
    assert len(provider.received) == 2


def test_clocks_that_differ(desk: Desk, clock: Clock) -> None:
    ask(desk)
    clock.now -= CLOCKS_DIFFER
    hit = ask(desk)
    assert (hit.headers[CACHE], hit.headers["age"]) == ("hit", "0")
    clock.now -= 1
    assert ask(desk).headers[CACHE] == "miss"


GARBLED: list[dict[str, Any]] = [
    {"body": {"B": b"{}"}},
    {"body": {"S": "{}"}},
    {"body": None},
    {"media": {"S": "text/html"}},
    {"kept": {"N": "1800000001"}},
    {"kept": {"S": "now"}},
    {"sum": {"B": b"x"}},
    {"sum": None},
]


@pytest.mark.parametrize("change", GARBLED)
def test_a_garbled_item_is_a_miss_and_is_replaced(
    desk: Desk, clock: Clock, provider: StubProvider, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    first = ask(desk)
    (item,) = items(desk)
    broken = {name: value for name, value in (item | change).items() if value is not None}
    client("dynamodb").put_item(TableName=desk.answers.table, Item=broken)
    clock.now += 1
    with caplog.at_level(logging.ERROR, "scaletozero.gateway"):
        answer = ask(desk)
    assert (answer.headers[CACHE], answer.content) == ("miss", first.content)
    assert [json.loads(each.message)["error"] for each in caplog.records] == ["garbled"]
    assert ask(desk).headers[CACHE] == "hit"
    assert len(provider.received) == 2


def test_an_answer_in_the_place_of_another_is_a_miss(desk: Desk, provider: StubProvider) -> None:
    ask(desk)
    (item,) = items(desk)
    ask(desk, "globex")
    (other,) = (each["pk"] for each in items(desk) if each["pk"] != item["pk"])
    client("dynamodb").put_item(TableName=desk.answers.table, Item=item | {"pk": other})
    assert ask(desk, "globex").headers[CACHE] == "miss"


def test_a_cache_that_is_down_fails_no_request(
    desk: Desk, provider: StubProvider, caplog: pytest.LogCaptureFixture
) -> None:
    ticks = Clock()
    keeper = desk.door.keeper = Keeper(CacheStore(client("dynamodb"), "gone"), ticks=ticks)
    with caplog.at_level(logging.ERROR, "scaletozero.gateway"):
        answers = [ask(desk) for _ in range(3)]
    assert [(each.status_code, each.headers[CACHE]) for each in answers] == [(200, "down")] * 3
    assert keeper.failures == 1  # it was not asked again
    (line,) = (json.loads(each.message) for each in caplog.records)
    assert (line["event"], line["failures"]) == ("cache", 1)
    ticks.now += REST_SECONDS
    ask(desk)
    assert keeper.failures == 2
    assert [record["cache"] for record in desk.records()] == ["down"] * 4
    assert desk.settled().spent == 4 * COSTS


def test_a_hit_goes_through_keys_models_and_rates(desk: Desk) -> None:
    assert ask(desk, "slow", model="shared").headers[CACHE] == "miss"
    assert ask(desk, "slow", model="shared").status_code == 429
    assert ask(desk, "acme", model="shared").headers[CACHE] == "hit"
    refused = ask(desk, "narrow", model="shared")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_allowed")
    body = json.dumps({"model": "shared", "temperature": 0, "messages": HELLO}).encode()
    assert post(desk, "/v1/chat/completions", body, Authorization="Bearer stz-no").status_code == 401
    assert ask(desk, model="shared", max_tokens=5000).status_code == 400


@pytest.mark.parametrize("do", [{"status": 500}, {"usage": None}, {"raw": "{}"}])
def test_failures_and_answers_that_nobody_counted_are_not_kept(desk: Desk, provider: StubProvider, do: Any) -> None:
    ask(desk, messages=asking(**do))
    desk.settled()
    assert items(desk) == []


def test_an_answer_that_is_too_long_is_not_kept(desk: Desk, provider: StubProvider) -> None:
    provider.always = {"message": {"role": "assistant", "content": "a" * LARGEST_KEPT}}
    assert [ask(desk).headers[CACHE] for _ in range(2)] == ["miss", "miss"]
    provider.always = {"message": {"role": "assistant", "content": "a" * (LARGEST_KEPT - 1000)}}
    assert [ask(desk).headers[CACHE] for _ in range(2)] == ["miss", "hit"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_stream_is_given_again_as_a_stream(desk: Desk, provider: StubProvider, path: str) -> None:
    more: dict[str, Any] = {"stream": True, "path": path, "max_tokens": 50}
    first, second = ask(desk, **more), ask(desk, **more)
    assert (first.headers[CACHE], second.headers[CACHE]) == ("miss", "hit")
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["content-type"].startswith("text/event-stream")
    assert second.content == first.content
    assert b"part2" in second.content
    assert len(provider.received) == 1
    # An answer in one piece is another.
    assert ask(desk, path=path, max_tokens=50).headers[CACHE] == "miss"


def test_the_official_clients_read_what_was_kept(desk: Desk, provider: StubProvider) -> None:
    said: list[str] = []
    for _ in range(2):
        options: Any = {"stream_options": {"include_usage": True}, "stream": True}
        parts = list(desk.client().chat.completions.create(model="kept", messages=HELLO, temperature=0, **options))
        said.append("".join(each.choices[0].delta.content or "" for each in parts if each.choices))
        assert [each.usage.total_tokens for each in parts if each.usage] == [19]
        wait_for(lambda: len(items(desk)) == 1)
    assert said == ["part0 part1 part2 "] * 2
    for _ in range(2):
        message = desk.anthropic().messages.create(
            model="kept", max_tokens=9, messages=HELLO, extra_body={"temperature": 0}
        )
        assert message.content[0].text == "Hello there"  # pyright: ignore[reportAttributeAccessIssue]
        wait_for(lambda: len(items(desk)) == 2)
    assert len(provider.received) == 2


@pytest.mark.parametrize("do", [{"broken": True}, {"failing": True}])
def test_half_a_stream_is_not_kept(desk: Desk, do: Any) -> None:
    path = "/v1/messages" if "failing" in do else "/v1/chat/completions"
    for _ in range(2):
        assert ask(desk, path=path, stream=True, max_tokens=50, messages=asking(**do)).headers[CACHE] == "miss"
    assert items(desk) == []


def test_a_stream_that_is_too_long_is_not_kept(desk: Desk) -> None:
    answer = ask(desk, stream=True, messages=asking(parts=3000))
    assert len(answer.content) > LARGEST_KEPT
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert items(desk) == []


def test_a_stream_whose_client_went_away_is_kept(desk: Desk, provider: StubProvider) -> None:
    messages = asking(wait=True, parts=50)
    stream = desk.client().chat.completions.create(model="kept", messages=messages, temperature=0, stream=True)
    next(iter(stream))
    stream.close()
    provider.released.set()
    wait_for(lambda: len(items(desk)) == 1)
    hit = ask(desk, messages=messages, stream=True)
    assert (hit.headers[CACHE], b"part49" in hit.content, b"[DONE]" in hit.content) == ("hit", True, True)


def test_embeddings_are_kept_whatever_their_client_asks_for(desk: Desk, provider: StubProvider) -> None:
    more: dict[str, Any] = {"model": "kept-vectors", "path": "/v1/embeddings", "temperature": None, "messages": None}
    assert [ask(desk, input="a", **more).headers[CACHE] for _ in range(2)] == ["miss", "hit"]
    assert ask(desk, input=["a"], user="someone", **more).headers[CACHE] == "hit"
    assert ask(desk, input=["a"], encoding_format="base64", **more).headers[CACHE] == "miss"
    assert ask(desk, input=["b"], **more).headers[CACHE] == "miss"
    assert ask(desk, input=[[1]], **more).headers[CACHE] == "miss"
    assert len(provider.received) == 4


def test_a_hit_wakes_no_endpoint(provider: StubProvider, priced: None, world: Any) -> None:
    world.endpoint("sentences")
    with open_desk(world.client, provider, models(provider)) as desk:
        texts = {"model": "kept-own", "input": ["four", "seventh"]}
        first = post(desk, "/v1/embeddings", json.dumps(texts).encode())
        wait_for(lambda: world.client("dynamodb").scan(TableName=desk.answers.table)["Count"] == 1)
        count = world.about("sentences")["invocations"]
        second = post(desk, "/v1/embeddings", json.dumps(texts).encode())
        assert (first.headers[CACHE], second.headers[CACHE]) == ("miss", "hit")
        assert second.json() == first.json()
        assert world.about("sentences")["invocations"] == count
        balance = desk.settled()
        assert balance.spent == max(record["used"] for record in desk.records()) > 0
        assert CACHE not in post(desk, "/endpoints/sentences/invocations", b'{"inputs": ["four"]}').headers


def test_a_model_whose_artifact_is_not_known_keeps_nothing(desk: Desk) -> None:
    deployed = {"sentences": {"name": "sentences", "memory_mb": 1024}}
    with pytest.raises(FindingsError) as caught:
        open_door(desk.environment, deployed, desk.store, desk.answers, lambda service, *_: client(service))
    (finding,) = caught.value.findings
    assert finding.path == "environment.gateway.models.kept-own.cache"


def test_the_table_deletes_what_is_old(desk: Desk) -> None:
    about = client("dynamodb").describe_time_to_live(TableName=desk.answers.table)["TimeToLiveDescription"]
    assert about == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
