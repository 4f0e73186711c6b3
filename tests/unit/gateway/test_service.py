"""The gateway over a socket, with OpenAI's own client: what it answers, and what it costs to the micro-dollar."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from gateway_desk import Desk, open_desk
from gateway_world import COSTS, HELLO, asking, client, post
from sandbox_world import wait_for
from stub_provider import USAGE, StubProvider, stub_provider

from scaletozero.gateway.ledger.dynamo import DynamoStore


@pytest.fixture
def provider() -> Iterator[StubProvider]:
    with stub_provider() as server:
        yield server


CUSTOMERS: dict[str, dict[str, Any]] = {
    "poor": {"cap_usd_per_month": "0.0001"},
    "disabled": {"disabled": True},
    "expired": {"expires": "2026-01-01"},
    "slow": {"requests_per_minute": 1},
    "single": {"concurrency": 1},
    "narrow": {"models": ["vectors"], "endpoints": []},
}


@pytest.fixture
def desk(provider: StubProvider, priced: None, store: DynamoStore) -> Iterator[Desk]:
    """A gateway whose AWS is in this process, and has no endpoints."""
    with open_desk(client, provider, **CUSTOMERS) as desk:
        yield desk


@pytest.fixture
def sandboxed(provider: StubProvider, priced: None, world: Any) -> Iterator[Desk]:
    """A gateway in front of the sandbox, with an endpoint."""
    world.endpoint("sentences")
    with open_desk(world.client, provider, **CUSTOMERS) as desk:
        yield desk


def test_a_completion_is_answered_and_settled(desk: Desk, provider: StubProvider) -> None:
    answer = desk.client().chat.completions.create(model="small", messages=HELLO)
    assert answer.choices[0].message.content == "Hello there"
    assert answer.model == "small"
    assert answer.usage
    assert answer.usage.total_tokens == 19
    assert answer._request_id
    path, headers, sent = provider.received[0]
    assert path == "/v1/chat/completions"
    assert (sent["model"], sent["max_completion_tokens"]) == ("luna", 100)
    assert headers["Authorization"] == "Bearer sk-provider"
    balance = desk.settled()
    assert (balance.spent, balance.held) == (COSTS, 0)
    assert balance.cap == balance.remaining + balance.spent
    (record,) = desk.records()
    assert (record["target"], record["used"], record["input_tokens"], record["output_tokens"]) == (
        "small",
        COSTS,
        12,
        7,
    )
    assert record["estimated"] is False
    assert record["price"].startswith("genai-prices ")
    assert record["held"] > record["used"]


@pytest.mark.parametrize("with_usage", [False, True])
def test_a_stream_is_passed_on_and_settled(desk: Desk, provider: StubProvider, with_usage: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if with_usage else {}
    parts = list(desk.client().chat.completions.create(model="small", messages=HELLO, stream=True, **options))
    assert "".join(each.choices[0].delta.content or "" for each in parts if each.choices) == "part0 part1 part2 "
    assert [each.usage.total_tokens for each in parts if each.usage] == ([19] if with_usage else [])
    assert all(each.model == "small" for each in parts)
    assert provider.received[0][2]["stream_options"] == {"include_usage": True}
    assert desk.settled().spent == COSTS


def test_a_client_that_goes_away_pays_for_what_was_used(desk: Desk, provider: StubProvider) -> None:
    stream = desk.client().chat.completions.create(model="small", messages=asking(wait=True, parts=50), stream=True)
    next(iter(stream))
    stream.close()
    provider.released.set()
    balance = desk.settled()
    assert provider.finished.wait(120)
    assert balance.spent == COSTS
    assert desk.records()[0]["estimated"] is False


def test_a_stream_that_breaks_off_says_so_and_is_estimated(desk: Desk) -> None:
    with pytest.raises(openai.APIError, match="broke off"):
        list(desk.client().chat.completions.create(model="small", messages=asking(broken=True), stream=True))
    desk.settled()
    (record,) = desk.records()
    assert record["estimated"] is True
    assert 0 < record["used"] < record["held"]
    assert record["output_tokens"] == len("part0 part1 part2 ")


def test_embeddings_of_a_provider(desk: Desk, provider: StubProvider) -> None:
    answer = desk.client().embeddings.create(model="vectors", input="Hello")
    assert answer.data[0].embedding == [0.25, -1.0]
    assert provider.received[0][2]["encoding_format"] == "base64"
    assert desk.settled().spent == 1  # a tenth of a millionth of a dollar, rounded up


def test_embeddings_of_an_own_endpoint_in_both_forms(sandboxed: Desk) -> None:
    desk = sandboxed
    client = desk.client()
    forms: list[Any] = [{}, {"encoding_format": "float"}]
    for form in forms:
        answer = client.embeddings.create(model="own", input=["four", "seventh"], **form)
        assert [each.embedding for each in answer.data] == [[4.0, 0.5, -1.25], [7.0, 0.5, -1.25]]
        assert [each.index for each in answer.data] == [0, 1]
    raw = post(desk, "/v1/embeddings", b'{"model": "own", "input": "four", "encoding_format": "base64"}').json()
    assert raw["data"][0]["embedding"] == "AACAQAAAAD8AAKC/"
    balance = desk.settled()
    records = desk.records()
    assert len(records) == 3
    assert balance.spent == sum(each["used"] for each in records) > 0
    assert all(each["milliseconds"] <= 60_000 and each["used"] <= each["held"] for each in records)


def test_an_endpoint_is_invoked_as_sagemaker_has_it(sandboxed: Desk) -> None:
    desk = sandboxed
    answer = post(desk, "/endpoints/sentences/invocations", b'{"echo": 7}')
    assert (answer.status_code, answer.json()["echo"]) == (200, 7)
    refused = post(desk, "/endpoints/sentences/invocations", b'{"status": 422}')
    assert (refused.status_code, "as asked" in refused.json()["error"]["message"]) == (400, True)
    failed = post(desk, "/endpoints/sentences/invocations", b'{"status": 500}')
    assert (failed.status_code, failed.json()["error"]["code"]) == (502, "model_error")
    assert desk.settled().spent > 0


def test_an_endpoint_that_is_gone_costs_nothing(sandboxed: Desk, world: Any) -> None:
    world.client("sagemaker").delete_endpoint(EndpointName="sentences")
    world.wait_for(lambda: not world.client("sagemaker").list_endpoints()["Endpoints"])
    answer = post(sandboxed, "/v1/embeddings", b'{"model": "own", "input": "a"}')
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "endpoint_error")
    assert sandboxed.settled().spent == 0


def test_an_encoder_is_no_chat_model(desk: Desk) -> None:
    wrong = post(desk, "/v1/chat/completions", b'{"model": "own", "messages": [{"role": "user", "content": "a"}]}')
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "model_not_supported")


def test_models_are_those_of_the_customer(desk: Desk) -> None:
    assert [each.id for each in desk.client().models.list()] == ["small", "vectors", "own"]
    assert [each.id for each in desk.client("narrow").models.list()] == ["vectors"]
    assert desk.client().models.retrieve("small").id == "small"
    with pytest.raises(openai.NotFoundError):
        desk.client().models.retrieve("none")


def test_a_customer_sees_its_own_figures(desk: Desk) -> None:
    desk.client().chat.completions.create(model="small", messages=HELLO)
    desk.settled()
    headers = {"Authorization": f"Bearer {desk.keys['acme']}", "X-Customer": "globex", "OpenAI-Organization": "globex"}
    found = httpx2.get(f"{desk.url}/v1/usage", headers=headers).json()
    assert found["customer"] == "acme"
    (month,) = found["periods"]
    assert (month["cap_usd"], month["spent_micros"], month["held_usd"]) == (1.0, COSTS, 0.0)
    assert desk.month("globex").spent == 0


def test_a_cap_is_refused_once_and_nothing_is_sent(desk: Desk, provider: StubProvider) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        desk.client("poor").chat.completions.create(model="small", messages=HELLO, max_completion_tokens=1000)
    assert caught.value.status_code == 402
    assert caught.value.code == "month_cap_reached"
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.request_id
    assert provider.received == []
    assert desk.month("poor").held == 0


def test_every_route_that_reaches_a_target_holds_first(sandboxed: Desk, provider: StubProvider, world: Any) -> None:
    desk = sandboxed
    routes = desk.app._app.routes  # pyright: ignore[reportAttributeAccessIssue, reportFunctionMemberAccess]
    reaching = {route.path for route in routes if "POST" in route.methods}
    bodies = {
        "/v1/chat/completions": {"model": "small", "messages": HELLO, "max_tokens": 1000},
        "/v1/messages": {"model": "small", "messages": HELLO, "max_tokens": 1000},
        "/v1/responses": {"model": "small", "input": "Hello", "max_output_tokens": 1000},
        "/v1/embeddings": {"model": "own", "input": "Hello"},
        "/endpoints/{name}/invocations": {"inputs": ["Hello"]},
    }
    assert reaching == set(bodies)
    key = {"Authorization": f"Bearer {desk.keys['poor']}"}
    for path, body in bodies.items():
        answer = post(desk, path.replace("{name}", "sentences"), json.dumps(body).encode(), **key)
        assert answer.status_code == 402, path
    assert provider.received == []
    assert world.about("sentences")["invocations"] == 0
    for route in routes:
        if "POST" not in route.methods:
            httpx2.get(f"{desk.url}{route.path.replace('{name:path}', 'own')}", headers=key)
    assert provider.received == []
    assert world.about("sentences")["invocations"] == 0


@pytest.mark.parametrize(
    "key, message",
    [
        ("", "No key"),
        ("stz-" + "a" * 43, "not one of this environment's"),
        ("sk-something", "not one of this environment's"),
        ("disabled", "disabled"),
        ("expired", "expired on 2026-01-01"),
    ],
)
def test_a_key_that_is_not_accepted(desk: Desk, key: str, message: str) -> None:
    headers = {"Authorization": f"Bearer {desk.keys.get(key, key)}"} if key else {}
    for path in ("/v1/models", "/v1/usage"):
        answer = httpx2.get(f"{desk.url}{path}", headers=headers)
        assert answer.status_code == 401
        assert message in answer.json()["error"]["message"]
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert answer.headers["x-request-id"]
    refused = httpx2.post(f"{desk.url}/v1/chat/completions", headers={**headers, "X-Customer": "acme"}, content=b"{")
    assert refused.status_code == 401


@pytest.mark.parametrize("header", ["Basic YWNtZTo=", "Bearer", "stz-x"])
def test_another_form_of_key(desk: Desk, header: str) -> None:
    assert httpx2.get(f"{desk.url}/v1/models", headers={"Authorization": header}).status_code == 401


def test_a_rate_says_when_to_come_back(desk: Desk) -> None:
    client = desk.client("slow", max_retries=0)
    client.chat.completions.create(model="small", messages=HELLO)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="small", messages=HELLO)
    assert 1 <= int(caught.value.response.headers["Retry-After"]) <= 60
    assert caught.value.code == "rate_limit_exceeded"


def test_open_requests_are_counted_and_given_back(desk: Desk, provider: StubProvider) -> None:
    client = desk.client("single", max_retries=0)
    stream = client.chat.completions.create(model="small", messages=asking(wait=True), stream=True)
    parts = iter(stream)
    next(parts)
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="small", messages=HELLO)
    provider.released.set()
    list(parts)
    desk.settled("single")
    assert client.with_options(max_retries=5).chat.completions.create(model="small", messages=HELLO)


FAULTS: list[tuple[dict[str, Any], int, str | None, str]] = [
    ({"status": 400, "error": {"message": "bad stop", "param": "stop"}}, 400, None, "free"),
    ({"status": 401}, 502, "provider_error", "free"),
    ({"status": 403}, 502, "provider_error", "free"),
    ({"status": 500}, 502, "provider_error", "free"),
    ({"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}}, 502, "provider_error", "free"),
    ({"status": 529}, 503, "provider_overloaded", "free"),
    ({"status": 429, "headers": {"Retry-After": "7"}}, 429, "provider_rate_limited", "free"),
    ({"status": 429, "error": {"code": "project_spend_limit_exceeded"}}, 503, "provider_capped", "free"),
    ({"status": 402}, 503, "provider_capped", "free"),
    ({"raw": "<html>"}, 502, "provider_error", "held"),
    ({"raw": "[1]"}, 502, "provider_error", "held"),
    ({"raw": '{"usage": NaN}'}, 502, "provider_error", "held"),
    ({"raw": '{"error": {"message": "secret inside"}}'}, 502, "provider_error", "held"),
    ({"raw": "x", "headers": {"Content-Encoding": "gzip"}}, 502, "provider_error", "held"),
]


@pytest.mark.parametrize(
    "do, status, code, cost, stream", [(*each, index % 2 == 1) for index, each in enumerate(FAULTS)]
)
def test_a_provider_that_fails(desk: Desk, do: Any, status: int, code: str | None, cost: str, stream: bool) -> None:
    body = {"model": "small", "messages": asking(**do), "stream": stream}
    answer = post(desk, "/v1/chat/completions", json.dumps(body).encode())
    balance = desk.settled()
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert "secret inside" not in answer.text
    assert "sk-provider" not in answer.text
    (record,) = desk.records()
    assert balance.spent == (0 if cost == "free" else record["held"])
    assert record["outcome"] == ("released" if cost == "free" else "settled")
    assert answer.headers.get("Retry-After", "7") in ("7", "1")


def test_a_provider_that_hangs(desk: Desk, provider: StubProvider) -> None:
    desk.patient(0.5)
    answer = post(desk, "/v1/chat/completions", json.dumps({"model": "small", "messages": asking(hang=True)}).encode())
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "provider_timeout")
    balance = desk.settled()
    (record,) = desk.records()
    assert (balance.spent, record["estimated"]) == (record["held"], True)


def test_a_provider_that_is_not_there(desk: Desk, provider: StubProvider) -> None:
    provider.shutdown()
    provider.server_close()
    answer = post(desk, "/v1/chat/completions", json.dumps({"model": "small", "messages": HELLO}).encode())
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "unreachable")
    assert desk.settled().spent == 0


@pytest.mark.parametrize(
    "usage",
    [
        None,
        "many",
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": True, "completion_tokens": 1},
        {"prompt_tokens": 10**30, "completion_tokens": 1},
        {**USAGE, "prompt_tokens_details": {"cached_tokens": 13}},
    ],
)
def test_usage_that_cannot_be_true_is_estimated(desk: Desk, usage: Any) -> None:
    post(desk, "/v1/chat/completions", json.dumps({"model": "small", "messages": asking(usage=usage)}).encode())
    balance = desk.settled()
    (record,) = desk.records()
    assert record["estimated"] is True
    assert 0 < balance.spent <= record["held"]


def chat(**fields: Any) -> bytes:
    return json.dumps({"model": "small", "messages": HELLO, **fields}).encode()


@pytest.mark.parametrize(
    "body, status, param",
    [
        (b"{", 400, None),
        (chat(model="none\r\n{'event': 'settled'}"), 404, "model"),
        (chat(max_tokens=10**30), 400, "max_completion_tokens"),
        (chat(max_tokens=-1), 400, "max_tokens"),
    ],
)
def test_a_body_that_is_refused(
    desk: Desk, provider: StubProvider, body: bytes, status: int, param: str | None
) -> None:
    answer = post(desk, "/v1/chat/completions", body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param), answer.text
    assert error["message"]
    assert answer.headers["x-request-id"].startswith("req_")
    assert provider.received == []
    assert desk.month().held == 0


@pytest.mark.parametrize("more", [{"input": [1, 2]}, {"input": "a", "dimensions": 8}, {"input": 7}])
def test_embeddings_that_an_own_model_cannot_make(desk: Desk, more: dict[str, Any]) -> None:
    assert post(desk, "/v1/embeddings", json.dumps({"model": "own", **more}).encode()).status_code == 400


def test_tokens_are_passed_on(desk: Desk, provider: StubProvider) -> None:
    assert desk.client().embeddings.create(model="vectors", input=[[1, 2], [3]]).data
    assert provider.received[0][2]["input"] == [[1, 2], [3]]


def test_a_model_and_an_endpoint_that_are_not_allowed(desk: Desk) -> None:
    key = {"Authorization": f"Bearer {desk.keys['narrow']}"}
    answer = post(desk, "/v1/chat/completions", chat(), **key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_allowed")
    answer = post(desk, "/endpoints/sentences/invocations", b"{}", **key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "endpoint_not_allowed")
    assert post(desk, "/endpoints/none/invocations", b"{}").status_code == 404


def test_a_body_that_is_too_long(desk: Desk) -> None:
    answer = post(desk, "/v1/chat/completions", chat(user="x" * (4 * 2**20)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")

    def parts() -> Iterator[bytes]:
        for _ in range(5):
            yield b"x" * 2**20

    answer = httpx2.post(
        f"{desk.url}/v1/chat/completions", content=parts(), headers={"Authorization": f"Bearer {desk.keys['acme']}"}
    )
    assert answer.status_code == 413


def test_a_body_that_does_not_come(desk: Desk) -> None:
    host, port = desk.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {desk.keys['acme']}\r\n"
        connection.sendall(f"{head}Content-Length: 9\r\n\r\n{{".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_routes_that_there_are_not(desk: Desk) -> None:
    missing = httpx2.get(f"{desk.url}/v1/none")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_url")
    assert httpx2.get(f"{desk.url}/v1/chat/completions").status_code == 405
    assert httpx2.get(f"{desk.url}/healthz").json() == {"status": "ok"}


def test_a_line_of_the_log_is_one_line(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    def said() -> list[str]:
        return [each.getMessage() for each in caplog.records if each.name == "scaletozero.gateway"]

    with caplog.at_level("INFO", "scaletozero.gateway"):
        path = "/endpoints/a%0d%0a%7b%22event%22:%22settled%22%7d/invocations"
        assert post(desk, path, b"{}").status_code == 404
        desk.client().chat.completions.create(model="small", messages=HELLO)
        wait_for(lambda: len(said()) == 2)  # the line follows the ledger
    lines = said()
    assert all("\n" not in each and "\r" not in each for each in lines)
    assert [json.loads(each)["event"] for each in lines] == ["refused", "settled"]
    assert desk.keys["acme"] not in " ".join(lines)
    assert "Hello" not in " ".join(lines)
