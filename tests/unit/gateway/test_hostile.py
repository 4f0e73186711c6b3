"""Requests that two servers would read differently, and a ledger that does not answer: nothing is sent anywhere."""

import json
import socket
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from gateway_desk import Desk, open_desk, serving
from gateway_world import HELLO, post
from gateway_world import client as aws
from moto import mock_aws
from stub_provider import StubProvider, stub_provider

from scaletozero.sandbox.aws.moto_patches import patch_moto

ASKED = json.dumps({"model": "small", "messages": HELLO, "max_tokens": 5}).encode()


@pytest.fixture(scope="module")
def provider() -> Iterator[StubProvider]:
    with stub_provider() as found:
        yield found


@pytest.fixture
def desk(provider: StubProvider, priced: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    patch_moto()
    provider.received.clear()
    with mock_aws(), open_desk(aws, provider) as found:
        yield found


def answers(url: str, head: str, body: bytes) -> bytes:
    """Everything that a connection answers until it is closed, or silent."""
    host, port = url.removeprefix("http://").split(":")
    found = b""
    with socket.create_connection((host, int(port)), timeout=3) as connection:
        connection.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n{head}\r\n".encode() + body)
        try:
            while part := connection.recv(65_536):
                found += part
        except TimeoutError:
            return found
    return found


@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_no_request_hides_in_the_body_of_another(
    desk: Desk, provider: StubProvider, parser: Literal["httptools", "h11"]
) -> None:
    key = f"Authorization: Bearer {desk.keys['acme']}\r\n"
    hidden = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n{key}Content-Length: {len(ASKED)}\r\n\r\n".encode() + ASKED
    )
    chunked = b"0\r\n\r\n" + hidden
    with serving(desk.app, parser) as url:
        for head, body in (
            (f"Content-Length: {len(chunked)}\r\nTransfer-Encoding: chunked\r\n", chunked),
            (f"Transfer-Encoding: chunked\r\nContent-Length: {len(chunked)}\r\n", chunked),
            (f"Content-Length: 0\r\nContent-Length: {len(hidden)}\r\n", hidden),
            (f"Content-Length: {len(hidden)}\r\nContent-Length: 0\r\n", hidden),
            (f"Content-Length: {len(chunked)}\r\nTransfer-Encoding: xchunked\r\n", chunked),
            (f"Content-Length: {len(chunked)}\r\nTransfer-Encoding : chunked\r\n", chunked),
            (f"Content-Length: +{len(hidden)}\r\n", hidden),
            ("Content-Length: -1\r\n", hidden),
            ("Transfer-Encoding: chunked\r\n", b"-1\r\n" + hidden),
        ):
            told = answers(url, head, body)
            assert told.count(b"HTTP/1.1 200") == 0, (head, told)
            assert provider.received == [], head
    assert desk.records() == []
    assert desk.month().held == 0


FAULTS: list[Exception] = [
    EndpointConnectionError(endpoint_url="https://dynamodb"),
    ReadTimeoutError(endpoint_url="https://dynamodb"),
    ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "TransactWriteItems"),  # pyright: ignore[reportArgumentType]
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: type(each).__name__)
def test_where_the_ledger_does_not_answer_nothing_is_admitted(
    desk: Desk, provider: StubProvider, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def down(*_: Any) -> None:
        raise fault

    monkeypatch.setattr(desk.store, "hold", down)
    answer = post(desk, "/v1/chat/completions", ASKED)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ledger_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert provider.received == []
