"""Endpoints with a queue and on a cluster as targets: where requests go, what they hold and cost, and the cold."""

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from gateway_desk import IMAGE, Desk, api, open_desk
from gateway_world import HELLO, client, post
from stub_provider import StubProvider, stub_provider

from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.time_tariffs import Share
from scaletozero.spending.prices import HOSTING, shipped

USD_PER_HOUR = 2.4
REPLICA = Share(Decimal("1.2"), 4, 60, "EC2 on demand")
"""Of two replicas at a price of `USD_PER_HOUR` together, for four requests at a time, of a minute at most."""


@pytest.fixture
def provider() -> Iterator[StubProvider]:
    with stub_provider() as server:
        yield server


@pytest.fixture
def engine() -> Iterator[StubProvider]:
    """The interceptor of a cluster, and the engine behind it."""
    with stub_provider() as server:
        yield server


class Queue:
    """What SageMaker does with a request in a queue: its model answers into the bucket."""

    def __init__(self) -> None:
        self.submitted: list[dict[str, Any]] = []
        self.does: Any = lambda body: ("answers", json.dumps({"embeddings": [[1.0, 0.0]]}).encode())

    def invoke_endpoint_async(self, **asked: Any) -> dict[str, Any]:
        self.submitted.append(asked)
        bucket, _, key = asked["InputLocation"].removeprefix("s3://").partition("/")
        body = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        if (done := self.does(body)) is not None:
            client("s3").put_object(Bucket=bucket, Key=f"async/q/{done[0]}/r", Body=done[1])
        at = {f"{name}Location": f"s3://{bucket}/async/q/{where}/r" for name, where in
              (("Output", "answers"), ("Failure", "failures"))}  # fmt: skip
        return {"InferenceId": "i", **at}


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def desk(
    provider: StubProvider, engine: StubProvider, queue: Queue, priced: None, store: DynamoStore
) -> Iterator[Desk]:
    where: Any = {"CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}}
    client("s3").create_bucket(Bucket="models", **where)
    llm: Any = {"kind": "gpu", "artifact": "a", "image": IMAGE,
                "scaling": {"max": 2, "triggers": [{"kind": "http", "concurrency": 4}]}}  # fmt: skip
    queued: Any = {"kind": "asynchronous", "artifact": "a", "image": IMAGE, "instance_type": "ml.g5.xlarge"}
    deployed = {"name": "llm", "host": "llm.models", "usd_per_hour": USD_PER_HOUR, "digest": "sha256:b"}
    waits = {"name": "q", "instance_type": "ml.g5.xlarge", "requests": "s3://models/async/q/requests"}
    own: Any = {"endpoint": "llm", "url": engine.url.removesuffix("/v1"), "speaks": ["chat", "embeddings"]}
    falls: Any = {"targets": [own, {"provider": api(provider)}], "seconds": 60, "cold_after_seconds": 1}
    models: Any = {
        "llm": {"targets": [own], "seconds": 60},
        "burst": {"targets": [{**own, "concurrency": 1}, {"provider": api(provider)}], "same_vectors": True},
        "falls": {**falls, "same_vectors": True, "on_cold": "fallback"},
        "rejects": {**falls, "same_vectors": True, "on_cold": "reject"},
        "queued": {"endpoint": "q", "seconds": 30},
        "hasty": {"endpoint": "q", "seconds": 1},
    }

    def clients(service: str) -> Any:
        return queue if service == "sagemaker-runtime" else client(service)

    endpoints: Any = {"llm": (llm, deployed), "q": (queued, waits)}
    with open_desk(clients, provider, models, endpoints, tight={"cap_usd_per_month": "0.001"}) as desk:
        yield desk


def ask(desk: Desk, model: str, customer: str = "acme", **more: Any) -> Any:
    body = json.dumps({"model": model, "messages": HELLO, **more}).encode()
    return post(desk, "/v1/chat/completions", body, Authorization=f"Bearer {desk.keys[customer]}")


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_of_an_engine_on_a_cluster_costs_its_share_of_a_replica(
    desk: Desk, engine: StubProvider, stream: bool
) -> None:
    answer = ask(desk, "llm", stream=stream)
    assert answer.status_code == 200
    assert ("part0" if stream else "Hello there") in answer.text
    ((path, headers, asked),) = engine.received
    assert (path, headers["Host"], asked["model"]) == ("/v1/chat/completions", "llm.models", "llm")
    assert "Authorization" not in headers, "a customer's key is not sent on"
    assert engine.looked == [], "what holds is not asked first"
    spent = desk.settled().spent
    (record,) = desk.records()
    assert record["asked"] == "llm"
    assert record["held"] == REPLICA.longest == 5000
    assert spent == record["used"] == REPLICA.of(record["milliseconds"] / 1000).micros
    assert (record["output_tokens"], record["estimated"]) == (7, True)


def test_messages_responses_and_embeddings_of_an_engine(desk: Desk, engine: StubProvider) -> None:
    assert desk.anthropic().messages.create(model="llm", max_tokens=9, messages=HELLO).content[0].text == "Hello there"  # pyright: ignore[reportAttributeAccessIssue]
    assert desk.client().responses.create(model="llm", input="Hello").output_text == "Hello there"
    assert desk.client().embeddings.create(model="llm", input="a").data[0].embedding == [0.25, -1.0]
    assert [path for path, _, _ in engine.received] == [
        "/v1/chat/completions",
        "/v1/chat/completions",
        "/v1/embeddings",
    ]


def test_a_cap_that_does_not_cover_the_longest_time_admits_nothing(desk: Desk, engine: StubProvider) -> None:
    assert ask(desk, "llm", "tight").status_code == 402
    assert (engine.received, engine.looked) == ([], [])


def test_another_target_answers_while_an_engine_starts(
    desk: Desk, engine: StubProvider, provider: StubProvider
) -> None:
    engine.awake.clear()
    assert post(desk, "/v1/embeddings", b'{"model": "falls", "input": "a"}').status_code == 200
    assert ask(desk, "falls").status_code == 200
    assert (len(provider.received), engine.received) == (2, []), "the engine gets no work while it is cold"
    assert len(engine.looked) == 1, "one request wakes it, whatever comes in meanwhile"
    assert engine.looked[0][1]["Host"] == "llm.models"
    engine.awake.set()
    deadline = threading.Event()
    while not engine.received:
        assert ask(desk, "falls").status_code == 200
        deadline.wait(0.05)
    assert len(engine.looked) == 1, "one that has just answered is not asked again"


def test_an_engine_whose_endpoint_rejects_the_cold_is_cold(desk: Desk, engine: StubProvider) -> None:
    engine.asleep = (503, b"{}", {"Retry-After": "90"})
    answer = ask(desk, "rejects")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "endpoint_cold")
    assert answer.headers["Retry-After"] == "90"
    assert desk.settled().spent == 0


def test_health_wakes_nothing(desk: Desk, engine: StubProvider, queue: Queue) -> None:
    assert post(desk, "/healthz", b"").status_code == 405
    assert (engine.looked, engine.received, queue.submitted) == ([], [], [])


def test_what_a_floor_has_no_room_for_bursts(desk: Desk, engine: StubProvider, provider: StubProvider) -> None:
    engine.always = {"later": True}
    first = threading.Thread(target=ask, args=(desk, "burst"))
    first.start()
    assert engine.waiting.acquire(timeout=60)
    assert ask(desk, "burst").status_code == 200
    assert (len(engine.received), len(provider.received)) == (1, 1)
    engine.released.set()
    first.join(60)
    desk.settled()
    engine.always = {}
    assert ask(desk, "burst", stream=True).status_code == 200
    desk.settled()
    assert len(engine.received) == 2, "the floor comes first as soon as it has room"


def test_embeddings_of_a_queue_cost_its_instance(desk: Desk, queue: Queue) -> None:
    answer = desk.client().embeddings.create(model="queued", input="four")
    assert answer.data[0].embedding == [1.0, 0.0]
    (asked,) = queue.submitted
    assert (asked["EndpointName"], asked["InvocationTimeoutSeconds"]) == ("q", 30)
    share = Share(shipped().price(HOSTING, "ml.g5.xlarge", "us-east-1").amount, 1, 30, "")
    desk.settled()
    (record,) = desk.records()
    assert record["held"] == share.longest
    assert record["used"] == share.of(record["milliseconds"] / 1000).micros


@pytest.mark.parametrize(
    ("does", "status", "code"),
    [
        (("failures", b"CUDA out of memory"), 502, "model_error"),
        (("answers", b"<html>"), 502, "no_embeddings"),
        (None, 504, "endpoint_timeout"),
    ],
)
def test_a_queue_that_does_not_answer(desk: Desk, queue: Queue, does: Any, status: int, code: str) -> None:
    queue.does = lambda _: does
    answer = post(desk, "/v1/embeddings", b'{"model": "hasty", "input": "four"}')
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    balance = desk.settled()
    (record,) = desk.records()
    assert 0 < record["used"] <= record["held"]
    assert balance.spent == record["used"]
    assert (record["used"] == record["held"]) is (does is None or does[0] == "failures")


def test_invocations_of_a_queue(desk: Desk, queue: Queue) -> None:
    answer = post(desk, "/endpoints/q/invocations", b'{"inputs": ["four"]}')
    assert (answer.status_code, answer.json()) == (200, {"embeddings": [[1.0, 0.0]]})
    assert desk.settled().spent > 0


def test_a_share_is_of_the_time_and_never_above_what_was_held() -> None:
    share = Share(Decimal("3.6"), 2, 10, "row")
    assert (share.longest, share.of(1.0).micros, share.of(99).micros) == (5000, 500, 5000)
    assert share.of(-1).micros == 0
    assert SimpleNamespace(**share.of(0.0005).about).price == "row"
