"""The Bedrock Runtime on this machine: `Converse` and `InvokeModel`, in one piece and as an event stream."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from stub_http import StubHandler, listening

USAGE = {"inputTokens": 8, "outputTokens": 7, "totalTokens": 15, "cacheReadInputTokens": 4, "cacheWriteInputTokens": 0}

MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
           "stop_sequence": None, "content": [{"type": "text", "text": "Hello there"}],
           "usage": {"input_tokens": 8, "output_tokens": 7, "cache_read_input_tokens": 4}}  # fmt: skip


def frame(kind: str, content: dict[str, Any], message: str = "event") -> bytes:
    """A message of the encoding `vnd.amazon.eventstream`."""
    named = {f":{message}-type": kind, ":content-type": "application/json", ":message-type": message}
    heads = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in named.items()
    )
    body = json.dumps(content).encode()
    start = struct.pack(">II", 16 + len(heads) + len(body), len(heads))
    start += struct.pack(">I", binascii.crc32(start))
    return start + heads + body + struct.pack(">I", binascii.crc32(start + heads + body))


class Handler(StubHandler, BaseHTTPRequestHandler):
    server: StubBedrock  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _, _, model, operation = self.path.split("/")
        self.server.received.append((unquote(model), operation, self.headers["Authorization"], asked))
        if self.server.fails is not None:
            code, status, text = self.server.fails
            self.send(status, json.dumps({"message": text}).encode(), {"x-amzn-ErrorType": code})
        elif operation == "invoke":
            self.send(200, json.dumps(MESSAGE).encode(), {})
        elif operation == "converse":
            said = {"role": "assistant", "content": self.server.content}
            answer = {
                "output": {"message": said},
                "stopReason": self.server.stop,
                "usage": USAGE,
                "metrics": {"latencyMs": 1},
            }
            self.send(200, json.dumps(answer).encode(), {})
        else:
            frames = self._messages() if operation.startswith("invoke") else self._parts()
            kind = {"Content-Type": "application/vnd.amazon.eventstream"}
            self.send(200, b"".join(frames[: self.server.frames]), kind)

    def _parts(self) -> list[bytes]:
        deltas = [{"contentBlockIndex": 0, "delta": {"text": f"part{number} "}} for number in range(3)]
        call = {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t1", "name": "weather"}}}
        given = {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"city": "Bonn"}'}}}
        return [
            frame("messageStart", {"role": "assistant"}),
            *(frame("contentBlockDelta", each) for each in deltas),
            frame("contentBlockStop", {"contentBlockIndex": 0}),
            frame("contentBlockStart", call),
            frame("contentBlockDelta", given),
            frame("messageStop", {"stopReason": "tool_use"}),
            frame("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}),
        ]

    def _messages(self) -> list[bytes]:
        begun = {
            **MESSAGE,
            "content": [],
            "usage": {"input_tokens": 8, "output_tokens": 1, "cache_read_input_tokens": 4},
        }
        events = [
            {"type": "message_start", "message": begun},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello there"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
            {"type": "message_stop"},
        ]
        return [frame("chunk", {"bytes": base64.b64encode(json.dumps(each).encode()).decode()}) for each in events]


class StubBedrock(ThreadingHTTPServer):
    """The service.

    Attributes:
        received: model, operation, signature and body of each request.
        content, stop: blocks of an answer of `Converse`, and why it ends.
        frames: how many events of a stream are sent; None for all.
        fails: code, status and message of an error in place of an answer.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[tuple[str, str, str, dict[str, Any]]] = []
        self.content: list[dict[str, Any]] = [{"text": "Hello there"}]
        self.stop = "end_turn"
        self.frames: int | None = None
        self.fails: tuple[str, int, str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def stub_bedrock() -> Iterator[StubBedrock]:
    """A service that listens."""
    with listening(StubBedrock()) as server:
        yield server
