"""Requests that no client sends: each gets an error of 400 in JSON or XML, none a page, a crash or a wait."""

import io
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaletozero.sandbox.aws import wire
from scaletozero.sandbox.aws.wire import read_body
from scaletozero.sandbox.local_callers import ForeignError, MalformedError, is_local, require_local

REGION = "eu-central-1"


def raw(url: str, request: bytes) -> bytes:
    """What the server sends back to exactly these bytes, until it closes the connection."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=300) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = bytearray()
        try:
            while part := connection.recv(1 << 16):
                received += part
        except ConnectionResetError:  # it closed with something of the request unread
            pass
    return bytes(received)


def require_refused(response: bytes) -> None:
    head, _, body = response.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    assert 400 <= status < 500, response
    assert b"html" not in response.lower()
    assert b"access-control" not in head.lower()
    if not body.startswith(b"<?xml"):
        assert json.loads(body)["__type"]


FRAMINGS = {
    "a length that is no number": (b"Content-Length: abc", b"{}"),
    "a negative length": (b"Content-Length: -1", b"{}"),
    "a signed length": (b"Content-Length: +2", b"{}"),
    "a length of thousands of digits": (b"Content-Length: " + b"9" * 5000, b"{}"),
    "an empty length": (b"Content-Length: ", b"{}"),
    "a length in other digits": ("Content-Length: ²".encode(), b"{}"),
    "two lengths": (b"Content-Length: 2\r\nContent-Length: 2", b"{}"),
    "a body shorter than its length": (b"Content-Length: 20", b"{}"),
    "length and chunks": (b"Content-Length: 2\r\nTransfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n"),
    "another coding": (b"Transfer-Encoding: gzip", b"{}"),
    "two codings": (b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"),
    "a chunk without a size": (b"Transfer-Encoding: chunked", b"\r\n{}\r\n0\r\n\r\n"),
    "a chunk whose size is no number": (b"Transfer-Encoding: chunked", b"zz\r\n{}\r\n0\r\n\r\n"),
    "a chunk of a negative size": (b"Transfer-Encoding: chunked", b"-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk of sixteen exabytes": (b"Transfer-Encoding: chunked", b"ffffffffffffffff\r\n{}"),
    "a chunk of five gigabytes": (b"Transfer-Encoding: chunked", b"13fffffff\r\n{}"),
    "a chunk that is longer than it says": (b"Transfer-Encoding: chunked", b"1\r\n{}\r\n0\r\n\r\n"),
    "chunks without an end": (b"Transfer-Encoding: chunked", b"2\r\n{}\r\n"),
    "an endless line": (b"Transfer-Encoding: chunked", b"1" * 3000),
    "endless trailers": (b"Transfer-Encoding: chunked", b"0\r\n" + b"a: b\r\n" * 500),
    "a line that is no header": (b"this is no header\r\nContent-Length: 2", b"{}"),
}


@pytest.mark.parametrize("port", ["aws_url", "runtime_url"])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_body_that_is_not_clear_is_refused(world: Any, port: str, framing: str) -> None:
    headers, body = FRAMINGS[framing]
    head = b"POST /endpoints/a/invocations HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    response = raw(getattr(world.servers, port), head + headers + b"\r\n\r\n" + body)
    assert response.startswith(b"HTTP/1.1 400 "), response
    require_refused(response)


LINES = [
    b"GET /\r\n\r\n",
    b"nonsense\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/x\r\n\r\n",
    b"GET //[ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET ftp:x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [\r\n\r\n",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 300 + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
]


@pytest.mark.parametrize("port", ["aws_url", "runtime_url"])
def test_what_is_no_request_is_refused(world: Any, port: str) -> None:
    for line in LINES:
        require_refused(raw(getattr(world.servers, port), line))


TOKENS = st.binary(max_size=12) | st.sampled_from(
    [b"chunked", b"5", b"-1", b"0x1", b"127.0.0.1", b"localhost", b"null"]
)
NAMES = st.sampled_from(
    [b"Host", b"Origin", b"Content-Length", b"Transfer-Encoding", b"Authorization", b"Expect", b"X"]
)
TARGETS = st.sampled_from([b"/", b"/endpoints/a/invocations", b"/moto-api/reset", b"*", b"//", b"/%zz"]) | st.binary(
    max_size=9
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    method=st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"X", b""]),
    target=TARGETS,
    headers=st.lists(st.tuples(NAMES, TOKENS), max_size=5),
    body=st.binary(max_size=40),
)
def test_no_bytes_that_are_not_signed_get_anything(
    world: Any, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    lines = [b"%s %s HTTP/1.1" % (method, target), *(b"%s: %s" % pair for pair in headers)]
    response = raw(world.servers.aws_url, b"\r\n".join(lines) + b"\r\n\r\n" + body)
    response = response.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    if response:  # an empty line before a request that never comes
        require_refused(response)


def call(world: Any, service: str, headers: dict[str, str], body: bytes, path: str = "/") -> tuple[int, bytes]:
    """Status and body of the response to a signed request."""
    own = world.servers.credentials
    url = world.servers.aws_url
    request = AWSRequest("POST", url + path, headers=headers, data=body)
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    kind(Credentials(own.access_key, own.secret_key), service, REGION).add_auth(request)
    lines = [f"POST {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    head, _, content = raw(url, "\r\n".join(lines).encode() + b"\r\n\r\n" + body).partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), content


TARGETED = {
    "sagemaker": ["SageMaker.CreateEndpoint", "SageMaker.CreateModel", "SageMaker.CreateEndpointConfig",
                  "SageMaker.DescribeEndpoint", "SageMaker.UpdateEndpoint", "SageMaker.ListEndpoints",
                  "SageMaker.UpdateEndpointWeightsAndCapacities", "SageMaker.Nothing", "nothing"],
    "application-autoscaling": ["AnyScaleFrontendService.RegisterScalableTarget",
                                "AnyScaleFrontendService.PutScheduledAction", "AnyScaleFrontendService.TagResource",
                                "AnyScaleFrontendService.DescribeScalingActivities"],
    "logs": ["Logs_20140328.CreateLogGroup", "Logs_20140328.FilterLogEvents"],
    "monitoring": ["GraniteServiceVersion20100801.PutMetricAlarm",
                   "GraniteServiceVersion20100801.GetMetricStatistics"],
}  # fmt: skip
PAIRS = [(service, target) for service, targets in TARGETED.items() for target in targets]
KEYS = st.sampled_from(["EndpointName", "ModelName", "ProductionVariants", "ResourceId", "MinCapacity", "Tags", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**30) | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    pair=st.sampled_from(PAIRS),
    body=st.binary(max_size=20)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(KEYS, VALUES, max_size=6).map(lambda value: json.dumps(value).encode())
    | st.just(b"[" * 20_000),
)
def test_a_body_that_its_operation_does_not_take_is_an_error_of_the_caller(
    world: Any, pair: tuple[str, str], body: bytes
) -> None:
    service, target = pair
    status, content = call(world, service, {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}, body)
    assert status < 500, content
    assert isinstance(json.loads(content), dict)
    if status != 200:
        assert json.loads(content)["__type"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"7", b'"x"', b"\xff", b"[" * 50_000])
def test_a_body_that_is_no_json_object_is_a_serialization_error(world: Any, body: bytes) -> None:
    for service, target in PAIRS:
        status, content = call(world, service, {"X-Amz-Target": target}, body)
        assert (status, json.loads(content)["__type"]) == (400, "SerializationException")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"namespace": 7}', b'{"tags": 7}'])
@pytest.mark.parametrize(
    "path", ["/clusters/c/pod-identity-associations", "/tags/arn:aws:eks:x:1:podidentityassociation/c/a"]
)
def test_a_body_of_eks_that_is_wrong(world: Any, path: str, body: bytes) -> None:
    status, content = call(world, "eks", {}, body, path)
    assert 400 <= status < 500
    assert json.loads(content)["__type"]


@pytest.mark.parametrize(
    "text", ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil", "8.8.8.8", "[::2]", "a@b:x"]
)
def test_hosts_that_are_not_this_machine(text: str) -> None:
    assert not is_local(text)


@given(st.text())
def test_any_host_is_local_or_not(host: str) -> None:
    assert is_local(host) in (True, False)


@given(st.binary(max_size=2000), st.lists(st.integers(1, 400), max_size=6))
def test_a_body_is_read_as_it_was_sent_whole_or_in_chunks(body: bytes, cuts: list[int]) -> None:
    def received(sent: bytes, headers: list[tuple[str, str]]) -> bytes:
        stream = io.BytesIO(sent + b"the next request")
        file, size, _ = read_body(stream, headers)
        with file:
            assert size == len(body)
            assert stream.read() == b"the next request"
            return file.read()

    assert received(body, [("content-length", str(len(body)))]) == body
    sent, rest = b"", body
    for cut in [*cuts, len(body)]:
        part, rest = rest[:cut], rest[cut:]
        sent += b"%x;ext=1\r\n%s\r\n" % (len(part), part) if part else b""
    assert received(sent + b"0\r\ntrailer: x\r\n\r\n", [("Transfer-Encoding", "Chunked")]) == body


def test_a_body_that_does_not_come_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise TimeoutError("timed out")

    with pytest.raises(MalformedError, match="the body did not arrive"):
        read_body(Silent(), [("content-length", "1")])
    monkeypatch.setattr(wire, "MAX_BYTES", 3)
    with pytest.raises(MalformedError, match="at most 3 bytes"):
        read_body(io.BytesIO(b"four"), [("content-length", "4")])


def test_a_page_of_the_sandbox_itself_is_not_foreign() -> None:
    require_local([("Host", "127.0.0.1:8476"), ("Origin", "http://127.0.0.1:8476")], "GET", "the sandbox")
    with pytest.raises(ForeignError):
        require_local([("Host", "127.0.0.1:8476"), ("Origin", "http://127.0.0.1:8477")], "GET", "the sandbox")
