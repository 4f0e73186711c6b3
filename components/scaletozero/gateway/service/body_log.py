"""Keeps the bodies of requests and answers, of models for which that is declared. No request fails by it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import anyio
from botocore.exceptions import BotoCoreError, ClientError

from scaletozero.gateway.ledger.bodies import BodyStore
from scaletozero.gateway.service.redaction import Redactor
from scaletozero.settings.gateway_bodies import Bodies

MOST_BYTES = 2**20
"""Of an answer's parts that are remembered."""

log = logging.getLogger("scaletozero.gateway")


@dataclass
class Noted:
    """What is to be kept of a request.

    Attributes:
        policy: how.
        model: that was asked for.
        asked: the request's body.
        parts: the answer's, or its events.
    """

    policy: Bodies
    model: str
    asked: bytes
    parts: list[bytes] = field(default_factory=list)
    _size: int = 0

    def add(self, *parts: bytes) -> None:
        """Notes parts of the answer."""
        if self._size <= MOST_BYTES:
            self.parts += parts
            self._size += sum(map(len, parts))


class BodyLog:
    """Keeps bodies.

    Args:
        store: where.
        policies: of the models, so that what they need is there before a request.
        clock: seconds since 1970.

    Raises:
        NotInstalledError: a model's bodies are to be redacted, and the library is not installed.
    """

    def __init__(self, store: BodyStore, policies: Iterable[Bodies], *, clock: Callable[[], float] = time.time) -> None:
        self._store, self._clock = store, clock
        self._redactors = {each.patterns: Redactor(each.patterns) for each in policies if each.keep == "redacted"}
        self._threads = anyio.CapacityLimiter(8)

    async def write(self, customer: str, request: str, noted: Noted) -> None:
        """Keeps a request's bodies. One that cannot be kept is said in the log, without content."""
        try:
            await anyio.to_thread.run_sync(self._write, customer, request, noted, limiter=self._threads)
        except (ClientError, BotoCoreError) as error:
            line = {"event": "bodies not kept", "request": request, "error": type(error).__name__}
            log.error(json.dumps(line))

    def _write(self, customer: str, request: str, noted: Noted) -> None:
        at, policy = int(self._clock()), noted.policy
        content: dict[str, Any] = {"model": noted.model, "asked": _read(noted.asked)}
        if noted.parts:
            content["answered"] = _read(b"".join(noted.parts))
        if policy.keep == "redacted":
            content = self._redactors[policy.patterns].value(content)
        self._store.put(customer, request, at, at + 86_400 * policy.days, content)


def _read(body: bytes) -> Any:
    """A body as it is looked through: JSON as values, because in its text a letter before a secret may belong to an
    escape; a stream as the text that its parts make together, because a secret may be in two of them."""
    text = body.decode("utf-8", "replace")
    if text.startswith(("data:", "event:")):
        return _spoken(text)
    try:
        return json.loads(text)
    except ValueError:
        return text


def _spoken(stream: str) -> str:
    """What was said in a stream of a chat, a message or a response; of several choices one after another."""
    said: dict[Any, list[str]] = {}
    for line in stream.splitlines():
        name, _, data = line.partition(":")
        if name != "data" or data.strip() == "[DONE]":
            continue
        event = json.loads(data)
        for choice in event.get("choices") or ():
            _add(said.setdefault(choice.get("index"), []), choice.get("delta"))
        if "choices" not in event:
            _add(said.setdefault(event.get("output_index", event.get("index")), []), event.get("delta"))
    return "\n".join("".join(each) for each in said.values() if each)


def _add(said: list[str], delta: Any) -> None:
    """The texts of a part, wherever they are in it."""
    if isinstance(delta, str):
        said.append(delta)
    elif isinstance(delta, dict):
        for name, each in delta.items():
            if name not in ("role", "type", "id", "index"):
                _add(said, each)
    elif isinstance(delta, list):
        for each in delta:
            _add(said, each)
