"""Encodes messages of AWS's event streams (`application/vnd.amazon.eventstream`); botocore can only decode them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_STRING = 7
"""The type code of a header whose value is a string."""


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Encodes a message: lengths and their checksum, headers, payload, and a checksum of everything."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", len(head) + len(payload) + 16, len(head))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return body + struct.pack("!I", zlib.crc32(body))


def event(kind: str, payload: bytes, content_type: str = "application/octet-stream") -> bytes:
    """Encodes an event of a stream, such as `PayloadPart`."""
    return message({":message-type": "event", ":event-type": kind, ":content-type": content_type}, payload)


def failure(kind: str, payload: bytes) -> bytes:
    """Encodes an error that ends the stream, such as `ModelStreamError`; the payload is its members as JSON."""
    headers = {":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"}
    return message(headers, payload)


def _header(name: str, value: str) -> bytes:
    said = value.encode()
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(said)) + said
