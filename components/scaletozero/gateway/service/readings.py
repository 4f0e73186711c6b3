"""What a provider's answer says that it used, by the protocol of the answer. Pure.

OpenAI's counts of input tokens include those read from a cache and written to one, Anthropic's do not. A stream of
messages tells its input at its beginning and its output so far in each `message_delta`; the others tell all at the end,
that of a response inside of the response.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from scaletozero.gateway.service.answers import text_bytes
from scaletozero.gateway.service.places import said_place
from scaletozero.gateway.tariffs import ADDED_TOKENS, Cost
from scaletozero.spending.token_rates import TokenCount

_SAID = {"/messages": "content", "/responses": "output"}
_CHAT_NAMES = "prompt_tokens_details", "prompt_tokens", "completion_tokens"
_RESPONSE_NAMES = "input_tokens_details", "input_tokens", "output_tokens"


class Meter(Protocol):
    """The price of what answers in words."""

    def most(self, body_bytes: int, output_tokens: int) -> int:
        """The most that a request can cost, in millionths of a dollar."""
        ...

    def settled(self, count: TokenCount, *, most: int, estimated: bool, seconds: float) -> Cost:
        """What a request cost that took so many seconds."""
        ...


class Reading:
    """What is known of the usage of one answer.

    Args:
        path: to which the request was sent.
    """

    def __init__(self, path: str) -> None:
        self._path, self._began = path, time.monotonic()
        self._count: TokenCount | None = None
        self._whole = False
        self._said = 0
        self._usage: dict[str, Any] = {}
        self._place: str | None = None

    @property
    def whole(self) -> bool:
        """Whether all tokens were counted, with which an answer is certainly whole."""
        return self._whole and self._count is not None

    def answer(self, content: Mapping[str, Any]) -> None:
        """Reads an answer in one piece."""
        said = content.get(_SAID.get(self._path, "choices"))
        self._said = text_bytes(said)
        self._count = count_of(self._path, content.get("usage"))
        self._whole = self._count is not None
        self._place = said_place(content.get("usage"))

    def part(self, event: Mapping[str, Any]) -> None:
        """Reads one event of a stream."""
        if self._path == "/messages":
            self._message_part(event)
            return
        if self._path == "/responses":
            self._response_part(event)
            return
        choices = event.get("choices")
        listed = choices if isinstance(choices, list) else []
        self._said += text_bytes([each.get("delta") for each in listed if isinstance(each, Mapping)])
        usage = event.get("usage")
        if usage is not None:
            self._count = count_of(self._path, usage)
            self._whole = self._count is not None

    def _message_part(self, event: Mapping[str, Any]) -> None:
        message = event.get("message")
        usage = message.get("usage") if isinstance(message, Mapping) else event.get("usage")
        for name in ("delta", "content_block"):
            said = event.get(name)
            if isinstance(said, Mapping) and event.get("type") != "message_delta":
                self._said += text_bytes([value for key, value in said.items() if key not in ("type", "id")])
        if isinstance(usage, Mapping):
            self._usage |= {key: value for key, value in usage.items() if value is not None}
            self._place = said_place(self._usage)
            self._count = count_of(self._path, self._usage)
            self._whole = event.get("type") == "message_delta" and self._count is not None

    def _response_part(self, event: Mapping[str, Any]) -> None:
        if isinstance(delta := event.get("delta"), str):
            self._said += text_bytes(delta)
        response = event.get("response")
        if isinstance(response, Mapping) and response.get("usage") is not None:
            self._count = count_of(self._path, response["usage"])
            self._whole = self._count is not None

    def cost(self, meter: Meter, body_bytes: int, most: int) -> Cost:
        """What the answer cost, as far as it has come.

        Args:
            meter: the price.
            body_bytes: the bytes of the request, which bound the tokens that nobody counted.
            most: above which nothing is estimated.
        """
        cost = self._cost(meter, body_bytes, most)
        return cost if self._place is None else replace(cost, about={**cost.about, "ran_in": self._place})

    def _cost(self, meter: Meter, body_bytes: int, most: int) -> Cost:
        seconds = time.monotonic() - self._began
        if self._whole and self._count is not None:
            return meter.settled(self._count, most=most, estimated=False, seconds=seconds)
        told = self._count or TokenCount(body_bytes + ADDED_TOKENS, 0)
        known = TokenCount(told.input, max(told.output, self._said), told.cached, told.written)
        return meter.settled(known, most=most, estimated=True, seconds=seconds)


def count_of(path: str, usage: object) -> TokenCount | None:
    """The counts in an answer's `usage`; None if it has none that can be true.

    Args:
        path: to which the request was sent.
    """
    if not isinstance(usage, Mapping):
        return None
    if path == "/messages":
        cached, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
        found = _counts(usage.get("input_tokens"), usage.get("output_tokens", 0), cached, written)
        if found is None:
            return None
        read, said, cached, written = found
        return TokenCount(read + cached + written, said, cached, written)
    names = _RESPONSE_NAMES if path == "/responses" else _CHAT_NAMES
    details = usage.get(names[0])
    cache: Mapping[str, Any] = details if isinstance(details, Mapping) else {}
    cached, written = cache.get("cached_tokens") or 0, cache.get("cache_write_tokens") or 0
    total = usage.get("total_tokens") or 0
    found = _counts(usage.get(names[1]), usage.get(names[2], 0), cached, written, total)
    if found is None or found[2] + found[3] > found[0]:
        return None
    read, said, cached, written, total = found
    # Google's tokens of thought are in the total alone, and are billed as output.
    return TokenCount(read, max(said, total - read), cached, written)


def _counts(*numbers: object) -> list[int] | None:
    found = [each for each in numbers if isinstance(each, int) and not isinstance(each, bool) and 0 <= each < 2**40]
    return found if len(found) == len(numbers) else None
