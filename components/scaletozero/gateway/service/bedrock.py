"""A model on Amazon Bedrock, in the gateway's Region. botocore signs the requests with the credentials of its role."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, TypeVar

import anyio
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from scaletozero.gateway.service.bodies import dumped
from scaletozero.gateway.service.conversations import Spoken, SpokenAs
from scaletozero.gateway.service.converse import ConverseParts, as_chat, as_converse
from scaletozero.gateway.service.failures import (
    bedrock_failure,
    garbage,
    late,
    read_answer,
    unreachable,
)
from scaletozero.gateway.service.readings import Meter
from scaletozero.settings.gateway_targets import Bedrock

ANTHROPIC_VERSION = "bedrock-2023-05-31"
"""Of messages as Anthropic's models take them on Bedrock (Bedrock user guide, Anthropic Claude Messages API)."""

_NOT_SENT = frozenset(("metadata", "model", "service_tier", "stream"))

AT_ONCE = 64
"""Calls at a time, each of which has a thread."""

T = TypeVar("T")
_END = object()


class BedrockTarget:
    """A model on Bedrock.

    Args:
        declared: what was declared of it.
        region: where it is asked.
        runtime: a boto3 client of the Bedrock Runtime, which tries once.
        meter: its price.
    """

    def __init__(self, declared: Bedrock, region: str, runtime: Any, meter: Meter) -> None:
        self.declared, self.meter = declared, meter
        self._region, self._runtime = region, runtime
        self._threads = anyio.CapacityLimiter(AT_ONCE)
        self.spoken: Spoken = SpokenAs(declared.model, declared.protocols)

    @property
    def label(self) -> str:
        """What a record calls it."""
        return f"bedrock/{self.declared.model}"

    @property
    def identity(self) -> list[str]:
        """What its answers depend on."""
        return ["bedrock", self._region, self.declared.model]

    def prepared(self, path: str, body: bytes) -> bytes:
        """A request as it is sent, from one as a provider would get it.

        Raises:
            RefusedError: it has no counterpart.
        """
        asked = json.loads(body)
        if path == "/messages":
            kept = {name: value for name, value in asked.items() if name not in _NOT_SENT}
            return dumped({**kept, "anthropic_version": ANTHROPIC_VERSION})
        return dumped(as_converse(asked))

    async def ask(self, path: str, body: bytes, seconds: float) -> dict[str, Any]:
        """An answer in one piece, as the protocol of the path has it.

        Raises:
            FailedError: there is none.
        """
        if path == "/messages":
            return await self._call(seconds, self._invoked, body)
        answer = await self._call(seconds, self._conversed, body)
        return as_chat(answer, _made(), int(time.time()), self.declared.model)

    async def stream(self, path: str, body: bytes, seconds: float) -> AsyncGenerator[dict[str, Any]]:
        """The parts of an answer. It ends only where the model said that it is whole.

        Raises:
            FailedError: there is none, or it broke off.
        """
        end = time.monotonic() + seconds
        begin = self._messages if path == "/messages" else self._chats
        stream, parts = await self._call(seconds, begin, body)
        try:
            while (part := await self._call(max(0.001, end - time.monotonic()), next, parts, _END)) is not _END:
                yield part
        finally:
            stream.close()  # also ends a thread that still waits for a part

    def _invoked(self, body: bytes) -> dict[str, Any]:
        answer = self._runtime.invoke_model(
            modelId=self.declared.model, body=body, contentType="application/json", accept="application/json"
        )
        return read_answer(answer["body"].read(), "is not what it should be")

    def _conversed(self, body: bytes) -> dict[str, Any]:
        return self._runtime.converse(modelId=self.declared.model, **json.loads(body))

    def _chats(self, body: bytes) -> tuple[Any, Iterator[dict[str, Any]]]:
        stream = self._runtime.converse_stream(modelId=self.declared.model, **json.loads(body))["stream"]
        return stream, _parts(stream, ConverseParts(_made(), int(time.time()), self.declared.model))

    def _messages(self, body: bytes) -> tuple[Any, Iterator[dict[str, Any]]]:
        stream = self._runtime.invoke_model_with_response_stream(
            modelId=self.declared.model, body=body, contentType="application/json", accept="application/json"
        )["body"]
        return stream, _events(stream)

    async def _call(self, seconds: float, call: Callable[..., Any], *args: Any) -> Any:
        try:
            with anyio.fail_after(seconds):
                return await anyio.to_thread.run_sync(call, *args, limiter=self._threads, abandon_on_cancel=True)
        except TimeoutError:
            raise late() from None
        except ClientError as error:
            raise bedrock_failure(error) from error
        except (ConnectTimeoutError, EndpointConnectionError) as error:
            raise unreachable(502) from error
        except BotoCoreError as error:
            # After the request was sent nobody knows whether it was worked on.
            raise garbage("did not come") from error


def _parts(stream: Any, parts: ConverseParts) -> Iterator[dict[str, Any]]:
    for event in stream:
        part = parts.part(event)
        if part is not None:
            yield part
    if not parts.whole:
        raise garbage("broke off")


def _events(stream: Any) -> Iterator[dict[str, Any]]:
    for event in stream:
        found = read_answer(event["chunk"]["bytes"], "broke off") if "chunk" in event else {}
        if found:
            yield found
        if found.get("type") == "message_stop":
            return
    raise garbage("broke off")


def _made() -> str:
    return f"chatcmpl-{secrets.token_hex(12)}"
