"""The page's server: who gets the page, and what goes out with it."""

import http.client
import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from model_packaging.extras import NotInstalledError
from model_packaging.findings import FindingsError
from scaletozero.page import server as module
from scaletozero.page.server import HEADERS, PageServer, page_files


@pytest.fixture
def server() -> Iterator[PageServer]:
    made = PageServer(0, lambda: {"environment": "local"}, page_files())
    thread = Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def ask(
    server: PageServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    try:
        connection.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("name", "kind", "part"),
    [
        ("", "text/html", b"<!doctype html>"),
        ("page.js", "text/javascript", b"snapshot.json"),
        ("page.css", "text/css", b".panel"),
        ("plotly.min.js", "text/javascript", b"plotly.js v"),
        ("snapshot.json", "application/json", b'{"environment": "local"}'),
    ],
)
def test_every_file_of_the_page_has_the_policy(server: PageServer, name: str, kind: str, part: bytes) -> None:
    status, headers, body = ask(server, f"/{server.token}/{name}")
    assert status == 200
    assert headers["Content-Type"].startswith(kind)
    assert part in body
    assert {key: headers[key] for key in HEADERS} == HEADERS
    assert "http" not in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path", ["/", "/snapshot.json", "/wrong/snapshot.json", "/{token}", "/{token}/../{token}/", "/{token}/../../etc"]
)
def test_nothing_is_served_without_the_whole_address(server: PageServer, path: str) -> None:
    status, headers, body = ask(server, path.format(token=server.token))
    assert status == 404
    assert server.token.encode() not in body
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80", "Origin": "http://evil.example:80"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_page_of_another_host_gets_nothing(server: PageServer, headers: dict[str, str]) -> None:
    status, _, body = ask(server, f"/{server.token}/snapshot.json", **headers)
    assert status == 403
    assert b"environment" not in body


def test_only_reading_is_possible(server: PageServer) -> None:
    assert ask(server, f"/{server.token}/snapshot.json", "POST")[0] == 501
    assert ask(server, f"/{server.token}/snapshot.json", "OPTIONS")[0] == 501


def test_each_address_is_another(server: PageServer) -> None:
    other = PageServer(0, dict, {})
    other.server_close()
    assert len(other.token) >= 32
    assert other.token != server.token


def test_it_listens_on_the_loopback_alone(server: PageServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_a_port_in_use_is_a_finding() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        with pytest.raises(FindingsError, match="--port: must be a port that nothing else uses"):
            PageServer(held.getsockname()[1], dict, {})


def test_without_the_library_for_plots_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(NotInstalledError, match=r"scaletozero\[dashboard\]"):
        page_files()


def test_a_page_that_is_closed_in_a_response_is_no_error(
    server: PageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", server.server_address[1])) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(f"GET /{server.token}/plotly.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert ask(server, f"/{server.token}/")[0] == 200
    assert capsys.readouterr().err == ""
