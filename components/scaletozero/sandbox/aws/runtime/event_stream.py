"""Messages of AWS's event streams (`application/vnd.amazon.eventstream`), which botocore reads and does not write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_STRING = 7
"""The type of a header whose value is text."""


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message: lengths and their checksum, headers, payload, and a checksum of all."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", len(head) + len(payload) + 16, len(head))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return body + struct.pack("!I", zlib.crc32(body))


def event(kind: str, payload: bytes, content_type: str = "application/octet-stream") -> bytes:
    """An event of a stream, such as `PayloadPart`."""
    return message({":message-type": "event", ":event-type": kind, ":content-type": content_type}, payload)


def failure(kind: str, payload: bytes) -> bytes:
    """An error after which the stream ends, such as `ModelStreamError`; the payload is its members as JSON."""
    headers = {":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"}
    return message(headers, payload)


def _header(name: str, value: str) -> bytes:
    said = value.encode()
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(said)) + said
