"""What a request gets while an endpoint starts: it waits, another target answers, or it is told when to come back."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_desk import Desk, api, open_desk
from gateway_world import post
from sandbox_world import wait_for
from stub_provider import StubProvider, stub_provider

VECTORS = {"price": "openai/text-embedding-3-small", "model": "embed"}


@pytest.fixture
def provider() -> Iterator[StubProvider]:
    with stub_provider() as server:
        yield server


@pytest.fixture
def desk(provider: StubProvider, priced: None, world: Any, tmp_path: Path) -> Iterator[Desk]:
    """A gateway in front of an endpoint that has started when the file `go` is there."""
    (tmp_path / "go").touch()  # for the start by which creating an endpoint proves that it can
    world.endpoint("sentences", start_when=str(tmp_path / "go"))
    (tmp_path / "go").unlink()
    cold: dict[str, Any] = {"same_vectors": True, "cold_after_seconds": 1}
    both = [{"endpoint": "sentences"}, {"provider": api(provider, **VECTORS)}]
    models: Any = {
        "falling": {**cold, "on_cold": "fallback", "targets": both},
        "rejecting": {**cold, "on_cold": "reject", "targets": both},
        "holding": {"same_vectors": True, "targets": both},
        "late": {"same_vectors": True, "targets": [{**both[0], "seconds": 1}, both[1]]},
    }
    with open_desk(world.client, provider, models, tight={"cap_usd_per_month": "0.002"}) as desk:
        yield desk


def ask(desk: Desk, model: str, customer: str = "acme") -> Any:
    body = json.dumps({"model": model, "input": ["four"]}).encode()
    return post(desk, "/v1/embeddings", body, Authorization=f"Bearer {desk.keys[customer]}")


def embedding(answer: Any) -> list[float]:
    assert answer.status_code == 200, answer.text
    return answer.json()["data"][0]["embedding"]


OWN, OTHER = [4.0, 0.5, -1.25], [0.25, -1.0]


@pytest.mark.parametrize("model", ["falling", "late"])
def test_another_target_answers_and_the_endpoint_goes_on_starting(
    desk: Desk, provider: StubProvider, world: Any, tmp_path: Path, model: str
) -> None:
    assert embedding(ask(desk, model)) == OTHER
    assert desk.month().held > 0, "the request that wakes the endpoint still holds what it may cost"
    if model == "falling":
        assert embedding(ask(desk, model)) == OTHER
        # The record of an answer is written after it.
        assert len(world.wait_for(lambda: desk.records() if len(desk.records()) > 1 else None)) == 2
    (tmp_path / "go").touch()
    balance = desk.settled()
    assert world.about("sentences")["invocations"] == 1, "one request wakes it, whatever comes in meanwhile"
    assert embedding(ask(desk, model)) == OWN
    assert len(provider.received) == (2 if model == "falling" else 1)
    records = desk.records()
    woke = [each for each in records if each["asked"] == "sentences" and each["number"] == 1]
    # The last request may be among them by now, and records of one second have no order.
    assert max(each["milliseconds"] for each in woke) >= 1000
    assert balance.spent < desk.settled().spent == sum(each["used"] for each in desk.records())


def test_a_caller_is_told_when_to_come_back(desk: Desk, provider: StubProvider, tmp_path: Path) -> None:
    for _ in range(2):
        answer = ask(desk, "rejecting")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "endpoint_cold")
        assert 1 <= int(answer.headers["Retry-After"]) <= 120
    assert provider.received == []
    (tmp_path / "go").touch()
    desk.settled()
    assert embedding(ask(desk, "rejecting")) == OWN


def test_a_request_waits_where_it_is_to(desk: Desk, provider: StubProvider, tmp_path: Path) -> None:
    threading.Timer(1.5, (tmp_path / "go").touch).start()
    assert embedding(ask(desk, "holding")) == OWN
    assert provider.received == []


def test_a_cap_that_leaves_no_second_target_waits_for_the_first(
    desk: Desk, provider: StubProvider, tmp_path: Path
) -> None:
    threading.Timer(2, (tmp_path / "go").touch).start()
    assert embedding(ask(desk, "falling", "tight")) == OWN
    assert provider.received == []
    assert desk.settled("tight").spent > 0


def test_an_endpoint_that_fails_to_start_is_asked_again(
    desk: Desk, provider: StubProvider, world: Any, tmp_path: Path
) -> None:
    assert embedding(ask(desk, "falling")) == OTHER
    world.client("sagemaker").delete_endpoint(EndpointName="sentences")
    (tmp_path / "go").touch()
    desk.settled()
    target = desk.door.models["falling"].ways[0].target
    wait_for(lambda: not target.waking)  # pyright: ignore[reportAttributeAccessIssue]
    assert embedding(ask(desk, "falling")) == OTHER
