"""The events of an answer in parts, as the caller's protocol has them. Pure."""

from __future__ import annotations

import json
from typing import Any, Protocol

from scaletozero.gateway.service.errors import RefusedError


class Events(Protocol):
    """Makes the events of the caller's stream from those of a provider."""

    def part(self, part: dict[str, Any]) -> list[bytes]:
        """What the caller gets for one event of the provider."""
        ...

    def end(self) -> list[bytes]:
        """What the caller gets when the provider's stream is whole."""
        ...

    def failed(self, refusal: RefusedError) -> list[bytes]:
        """What the caller gets when it broke off."""
        ...


class ChatEvents:
    """A stream of chat completions, from the same.

    Args:
        model: the name that was asked for.
        with_usage: whether the caller asked for the usage, which is always asked of the provider.
    """

    def __init__(self, model: str, *, with_usage: bool) -> None:
        self._model, self._with_usage = model, with_usage

    def part(self, part: dict[str, Any]) -> list[bytes]:
        if self._with_usage:
            return [data({**part, "model": self._model})]
        if part.get("usage") is not None and not part.get("choices"):
            return []
        return [data({key: value for key, value in part.items() if key != "usage"} | {"model": self._model})]

    def end(self) -> list[bytes]:
        return [b"data: [DONE]\n\n"]

    def failed(self, refusal: RefusedError) -> list[bytes]:
        return [data(refusal.content())]


class MessageEvents:
    """A stream of a message, from the same.

    Args:
        model: the name that was asked for.
    """

    def __init__(self, model: str) -> None:
        self._model = model

    def part(self, part: dict[str, Any]) -> list[bytes]:
        message = part.get("message")
        if isinstance(message, dict):
            part = {**part, "message": {**message, "model": self._model}}
        return [named(part)] if isinstance(part.get("type"), str) else []

    def end(self) -> list[bytes]:
        return []

    def failed(self, refusal: RefusedError) -> list[bytes]:
        return [anthropic_failure(refusal)]


class ResponseEvents:
    """A stream of a response, from the same.

    Args:
        model: the name that was asked for.
    """

    def __init__(self, model: str) -> None:
        self._model, self._number = model, 0

    def part(self, part: dict[str, Any]) -> list[bytes]:
        if isinstance(number := part.get("sequence_number"), int):
            self._number = number + 1
        response = part.get("response")
        if isinstance(response, dict):
            part = {**part, "response": {**response, "model": self._model}}
        return [named(part)] if isinstance(part.get("type"), str) else []

    def end(self) -> list[bytes]:
        return []

    def failed(self, refusal: RefusedError) -> list[bytes]:
        return [response_failure(refusal, self._number)]


def response_failure(refusal: RefusedError, number: int) -> bytes:
    """An error in the middle of a response.

    Args:
        number: of the event in its stream, from 0.
    """
    about = {"code": refusal.code, "message": refusal.message, "param": refusal.param}
    # With `error` OpenAI's client raises it (openai 3.57, `_streaming`); without, it is an event that is easily missed.
    return named({"type": "error", "sequence_number": number, **about, **refusal.content()})


def anthropic_failure(refusal: RefusedError) -> bytes:
    """An error in the middle of a message."""
    return named(refusal.anthropic_content())


def data(content: object) -> bytes:
    """An event without a name."""
    return b"data: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n"


def named(content: dict[str, Any]) -> bytes:
    """An event whose name is its type."""
    return b"event: " + content["type"].encode() + b"\n" + data(content)
