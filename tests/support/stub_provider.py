"""A provider that speaks OpenAI's protocol and Anthropic's on this machine, and does what the last message asks for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stub_http import StubHandler, listening

USAGE = {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19, "prompt_tokens_details": {"cached_tokens": 4}}

RESPONSE_USAGE = {"input_tokens": 12, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
                  "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 19}  # fmt: skip

MESSAGE_USAGE = {"input_tokens": 8, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 7}


class Handler(StubHandler, BaseHTTPRequestHandler):
    server: StubProvider  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        self.server.received.append((self.path, dict(self.headers), request))
        if self.path.endswith("/embeddings") and not self.server.always:
            data = [{"object": "embedding", "index": 0, "embedding": [0.25, -1.0]}]
            usage = {"prompt_tokens": 5, "total_tokens": 5}
            self._send(200, {"object": "list", "data": data, "model": request["model"], "usage": usage})
            return
        do = self._asked(request) | self.server.always
        if do.get("later"):
            self.server.waiting.release()
            self.server.released.wait(300)
        if do.get("hang"):
            self.server.released.wait(60)
            self.close_connection = True
            return
        if "raw" in do:
            self.send(do.get("status", 200), do["raw"].encode(), do.get("headers", {}))
            return
        if "status" in do:
            self.send(do["status"], json.dumps({"error": do.get("error", {})}).encode(), do.get("headers", {}))
            return
        if request.get("stream"):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if self.path.endswith("/messages"):
                self._stream_message(request, **do)
                return
            if self.path.endswith("/responses"):
                self._stream_response(request, **do)
                return
            self._stream(request, **do)
            return
        if self.path.endswith("/messages"):
            content = [{"type": "text", "text": "Hello there"}]
            about = {"id": "msg_1", "type": "message", "role": "assistant", "model": request["model"]}
            ends = {"stop_reason": "end_turn", "stop_sequence": None}
            self._send(200, {**about, "content": content, **ends, "usage": do.get("usage", MESSAGE_USAGE)})
            return
        if self.path.endswith("/responses"):
            self._send(200, self._response(request, "Hello there", do.get("usage", RESPONSE_USAGE)))
            return
        message = do.get("message", {"role": "assistant", "content": "Hello there"})
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": request["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": do.get("usage", USAGE),
        }
        self._send(200, {key: value for key, value in answer.items() if value is not None})

    def do_GET(self) -> None:
        self.server.looked.append((self.path, dict(self.headers)))
        if self.server.asleep is not None:
            self.send(*self.server.asleep)
            return
        self.server.awake.wait(60)
        self._send(200, {"object": "list", "data": []})

    def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return json.loads(request["messages"][-1]["content"] if "messages" in request else request["input"])
        except (ValueError, KeyError, TypeError):
            return {}

    def _stream(
        self,
        request: dict[str, Any],
        parts: int = 3,
        broken: bool = False,
        wait: bool = False,
        deltas: list[dict[str, Any]] | None = None,
        usage: object = USAGE,
        **_: Any,
    ) -> None:
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": request["model"]}
        for number, delta in enumerate(deltas or [{"content": f"part{number} "} for number in range(parts)]):
            choice = {"index": 0, "delta": delta, "finish_reason": delta.pop("finish_reason", None)}
            self._chunk({**base, "choices": [choice], "usage": None})
            if wait and number == 0:
                self.server.released.wait(60)
        if broken:
            self.close_connection = True
            return
        if (request.get("stream_options") or {}).get("include_usage"):
            self._chunk({**base, "choices": [], "usage": usage})
        self._write(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")
        self.server.finished.set()

    def _stream_message(
        self, request: dict[str, Any], parts: int = 3, broken: bool = False, failing: bool = False, **_: Any
    ) -> None:
        usage = {**MESSAGE_USAGE, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": request["model"], "content": [],
                   "stop_reason": None, "stop_sequence": None, "usage": usage}  # fmt: skip
        self._event(type="message_start", message=message)
        self._event(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
        self._event(type="ping")
        for number in range(parts):
            self._event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": f"part{number} "})
        if failing:
            self._event(type="error", error={"type": "overloaded_error", "message": "secret inside"})
        if broken or failing:
            self.close_connection = True
            return
        self._event(type="content_block_stop", index=0)
        ends = {"stop_reason": "end_turn", "stop_sequence": None}
        self._event(type="message_delta", delta=ends, usage={"output_tokens": MESSAGE_USAGE["output_tokens"]})
        self._event(type="message_stop")
        self.wfile.write(b"0\r\n\r\n")
        self.server.finished.set()

    def _response(self, request: dict[str, Any], text: str, usage: object, status: str = "completed") -> dict[str, Any]:
        part = {"type": "output_text", "text": text, "annotations": []}
        item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
        about = {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "error": None}
        rest = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "incomplete_details": None}
        return {**about, **rest, "model": request["model"], "output": [item] if text else [], "usage": usage}

    def _stream_response(
        self, request: dict[str, Any], parts: int = 3, broken: bool = False, failing: bool = False, **_: Any
    ) -> None:
        self._event(
            type="response.created", sequence_number=0, response=self._response(request, "", None, "in_progress")
        )
        whole = self._response(request, "".join(f"part{number} " for number in range(parts)), RESPONSE_USAGE)
        (item,) = whole["output"]
        at: dict[str, Any] = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        self._event(type="response.output_item.added", sequence_number=1, output_index=0, item=item | {"content": []})
        self._event(type="response.content_part.added", sequence_number=2, part=item["content"][0] | {"text": ""}, **at)
        for number in range(parts):
            delta = {"delta": f"part{number} ", "logprobs": []}
            self._event(type="response.output_text.delta", sequence_number=3 + number, **delta, **at)
        if failing:
            self._event(type="error", sequence_number=9, code="server_error", message="secret inside", param=None)
        if broken or failing:
            self.close_connection = True
            return
        self._event(type="response.completed", sequence_number=9, response=whole)
        self.wfile.write(b"0\r\n\r\n")
        self.server.finished.set()

    def _event(self, **content: Any) -> None:
        self._write(f"event: {content['type']}\ndata: {json.dumps(content)}\n\n".encode())

    def _chunk(self, content: object) -> None:
        self._write(b"data: " + json.dumps(content).encode() + b"\n\n")

    def _write(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _send(self, status: int, content: object) -> None:
        self.send(status, json.dumps(content).encode(), {})


class StubProvider(ThreadingHTTPServer):
    """The server.

    Attributes:
        received: path, headers and body of each request.
        released: lets what waits go on.
        waiting: is released once for each answer that waits.
        finished: whether a stream was sent to its end.
        looked: path and headers of each request with GET, which is answered once `awake` is set, or at once with
            `asleep`, if that is there.
        always: what it does whatever the message asks for.
    """

    daemon_threads = True
    # The threads that wait for a test are not waited for.
    block_on_close = False
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.always: dict[str, Any] = {}
        self.looked: list[tuple[str, dict[str, str]]] = []
        self.asleep: tuple[int, bytes, dict[str, str]] | None = None
        self.awake = threading.Event()
        self.awake.set()
        self.released, self.finished = threading.Event(), threading.Event()
        self.waiting = threading.Semaphore(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """A gateway that closed the connection is no error here."""


@contextmanager
def stub_provider() -> Iterator[StubProvider]:
    """A provider that listens."""
    with listening(StubProvider()) as server:
        try:
            yield server
        finally:
            server.released.set()
            server.awake.set()
