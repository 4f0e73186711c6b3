"""SageMaker's container contract over HTTP: `GET /ping`, `POST /invocations`."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from model_packaging.serving.request import JSON, MAX_PAYLOAD, BadRequestError, media_of

if TYPE_CHECKING:
    from model_packaging.serving.runtime import Runtime

IDLE_SECONDS = 60.0  # seconds for which a connection may have no request
LONGEST_LENGTH = 20  # maximum digits of a Content-Length: int() raises at thousands


class State:
    """The handlers' shared state: the runtime once it is ready, and the number of requests in progress."""

    def __init__(self) -> None:
        self.runtime: Runtime | None = None
        self.phases: dict[str, float] = {}
        self.draining = False
        self._busy = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._busy += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def wait_idle(self, seconds: float) -> bool:
        """Waits until no request is being served, at most `seconds`; returns whether that happened."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, seconds)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "scaletozero"
    sys_version = ""
    timeout = IDLE_SECONDS
    state: State
    _expects = False

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/ping":
            self._refuse(404, f"no such path: {self.path}; there are GET /ping and POST /invocations")
            return
        if self.headers.get_all("Content-Length", ["0"]) != ["0"] or "Transfer-Encoding" in self.headers:
            self._refuse_and_close("GET takes no body")
            return
        state = self.state
        ready = state.runtime is not None and not state.draining
        status = "ready" if ready else "draining" if state.draining else "loading"
        self._send(200 if ready else 503, {"status": status, "phases": state.phases})

    def handle_expect_100(self) -> bool:
        """Tells the client to go on only when its request counts: a server that drains waits for those that do."""
        self._expects = True
        return True

    def do_POST(self) -> None:
        with self.state:
            expects, self._expects = self._expects, False
            self._invoke(expects)

    def _invoke(self, expects: bool) -> None:
        lengths = self.headers.get_all("Content-Length", [""])
        if len(lengths) > 1 or (lengths[0] and "Transfer-Encoding" in self.headers):
            self._refuse_and_close("the length of a request must be given once, by Content-Length")
            return
        length = lengths[0]
        if not (length.isascii() and length.isdigit()):
            self._refuse(411, "Content-Length is required")
            return
        if len(length) > LONGEST_LENGTH or int(length) > MAX_PAYLOAD:
            self._refuse(413, f"a request may have at most {MAX_PAYLOAD} bytes, got {length[:LONGEST_LENGTH]}")
            return
        if expects:
            self.send_response_only(100)
            self.end_headers()
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return
        if self.path.partition("?")[0] != "/invocations":
            self._refuse(404, f"no such path: {self.path}; there are GET /ping and POST /invocations")
            return
        runtime = self.state.runtime
        if runtime is None:
            self._refuse(503, "the model is loading")
            return
        takes, gives = runtime.task.takes, runtime.task.gives
        media = self.headers.get_content_type() if "Content-Type" in self.headers else JSON
        if media not in takes:
            self._refuse(415, f"Content-Type must be {' or '.join(takes)}, got {media}")
            return
        wanted = media_of(self.headers.get("Accept", ""), gives)
        if wanted is None:
            self._refuse(406, f"Accept must allow {' or '.join(gives)}, got {self.headers['Accept']}")
            return
        try:
            answer = runtime.respond(body, media, wanted)
        except BadRequestError as error:
            self._refuse(400, str(error))
        except Exception as error:  # noqa: BLE001 - whatever the model raises, the process stays up and says so
            self.log_error("inference failed: %r", error)
            self._refuse(500, f"the inference failed: {error}")
        else:
            self._send_bytes(200, answer, wanted)

    def _refuse_and_close(self, reason: str) -> None:
        """Refuses a request whose end is unknown and closes the connection: the rest could be read as a request."""
        self.close_connection = True
        self._refuse(400, reason)

    def _refuse(self, code: int, reason: str) -> None:
        self.close_connection = self.close_connection or code in (404, 411, 413)
        self._send(code, {"error": reason})

    def _send(self, code: int, content: dict[str, Any]) -> None:
        self._send_bytes(code, json.dumps(content).encode(), JSON)

    def _send_bytes(self, code: int, body: bytes, media: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Logs only refusals, because CloudWatch bills each line, and SageMaker pings every few seconds."""
        if isinstance(code, int) and code >= 400 and code != 503:
            super().log_request(code, size)


class Server(ThreadingHTTPServer):
    """Serves the connections of a socket that listens already, and never waits for an idle one."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, handler: type[Handler]) -> None:
        # Not bound here: HTTPServer looks up the name of its host, which can take seconds in a container.
        super().__init__(listening.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_name, self.server_port = listening.getsockname()[:2]


def listen(listening: socket.socket, state: State) -> Server:
    """Answers the connections of a socket on a thread of its own, from now on."""
    server = Server(listening, type("BoundHandler", (Handler,), {"state": state}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server
