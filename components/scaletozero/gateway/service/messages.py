"""Requests for `/v1/messages`, as Anthropic has it, validated as far as their price and bound depend on it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scaletozero.gateway.service.bodies import count_field, dumped, flag_field, known_fields, model_field
from scaletozero.gateway.service.conversations import Spoken
from scaletozero.gateway.service.errors import wrong
from scaletozero.gateway.service.message_chats import ChatAsMessage, as_chat, as_message
from scaletozero.gateway.service.streams import Events, MessageEvents
from scaletozero.settings.gateway_models import Model
from scaletozero.settings.gateway_targets import Speech

MESSAGE_FIELDS = frozenset(
    (
        "max_tokens", "messages", "metadata", "model", "service_tier", "stop_sequences", "stream", "system",
        "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p",
    )
)  # fmt: skip
"""Fields with which a request costs what its tokens cost; others (`inference_geo`, `speed`, `container`) change it."""

_BLOCKS = ("text", "tool_use", "tool_result", "thinking", "redacted_thinking")


@dataclass(frozen=True)
class MessagesRequest:
    """A request for a message.

    Attributes:
        model: the name that was asked for.
        fields: the request, as it came.
        limit: the most tokens of the answer.
        stream: whether it is to come in parts.
        choices: how many answers.
        protocol: the one that it came in.
    """

    model: str
    fields: Mapping[str, Any]
    limit: int
    stream: bool
    choices: int = 1
    protocol: Speech = "messages"

    def output_tokens(self, model: Model) -> int:
        """The most tokens of the answer.

        Raises:
            RefusedError: more than the model's most.
        """
        if self.limit > model.max_output_tokens:
            raise wrong(f"max_tokens must be at most {model.max_output_tokens} for {self.model}.", "max_tokens")
        return self.limit

    def sent(self, provider: Spoken, model: Model) -> tuple[str, bytes]:
        """The path and the request as the provider is to get it: as it is where the provider has messages, as a chat
        where it has chats alone.

        Raises:
            RefusedError: what is asked for has no counterpart in a chat.
        """
        self.output_tokens(model)
        if "messages" in provider.protocols:
            return "/messages", dumped({**self.fields, "model": provider.model})
        if "chat" not in provider.protocols:
            raise wrong(f"{self.model} has no messages.", "model", "model_not_supported")
        return "/chat/completions", dumped(as_chat(self.fields, provider))

    def answer(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """A provider's answer, as the caller is to get it; raises FailedError if it cannot be one."""
        return {**content, "model": self.model} if path == "/messages" else as_message(self.model, content)

    def events(self, path: str) -> Events:
        """What makes the events of the caller's stream from those of a provider."""
        return MessageEvents(self.model) if path == "/messages" else ChatAsMessage(self.model)


def messages_request(fields: dict[str, Any]) -> MessagesRequest:
    """Validates the body of `/v1/messages`.

    Raises:
        RefusedError: with the field that is wrong.
    """
    known_fields(fields, MESSAGE_FIELDS)
    if fields.get("service_tier") not in (None, "standard_only"):
        raise wrong("service_tier must be standard_only: the other has another price.", "service_tier")
    limit = count_field(fields, "max_tokens", 1)
    if limit is None:
        raise wrong("max_tokens is required.", "max_tokens")
    system = fields.get("system")
    if system is not None:
        _content(system, "system", ("text",))
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        raise wrong("messages must be a list, and not empty.", "messages")
    for index, message in enumerate(messages):
        at = f"messages.{index}"
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
            raise wrong(f"{at} must be an object with the role user or assistant.", at)
        _content(message.get("content"), f"{at}.content", _BLOCKS)
    _message_tools(fields.get("tools"))
    for name in ("thinking", "tool_choice", "metadata"):
        if fields.get(name) is not None and not isinstance(fields[name], dict):
            raise wrong(f"{name} must be an object.", name)
    return MessagesRequest(model_field(fields), fields, limit, flag_field(fields, "stream"))


def _content(given: object, at: str, kinds: tuple[str, ...]) -> None:
    if isinstance(given, str):
        return
    if not isinstance(given, list) or not given:
        raise wrong(f"{at} must be a text or a list of blocks, and not empty.", at)
    for index, block in enumerate(given):
        here = f"{at}.{index}"
        kind = block.get("type") if isinstance(block, dict) else None
        if kind not in kinds:
            # The tokens of an image or a document are not bounded by the bytes of its address.
            raise wrong(f"{here} must be a block of type {', '.join(kinds)}.", here)
        _cached(block, here)
        text = block.get("text")
        if kind == "text" and not isinstance(text, str):
            raise wrong(f"{here}.text must be a text.", f"{here}.text")
        if kind == "tool_use" and not (
            isinstance(block.get("id"), str)
            and isinstance(block.get("name"), str)
            and isinstance(block.get("input"), dict)
        ):
            raise wrong(f"{here} must have an id, a name and an input.", here)
        if kind == "tool_result":
            if not isinstance(block.get("tool_use_id"), str):
                raise wrong(f"{here}.tool_use_id must be a text.", f"{here}.tool_use_id")
            if block.get("content"):
                _content(block["content"], f"{here}.content", ("text",))


def _message_tools(given: object) -> None:
    if given is not None and not isinstance(given, list):
        raise wrong("tools must be a list.", "tools")
    for index, tool in enumerate(given or ()):
        at = f"tools.{index}"
        if (
            not isinstance(tool, dict)
            or tool.get("type") not in (None, "custom")
            or not isinstance(tool.get("name"), str)
        ):
            # A provider's own tools are billed by the call, or bring tokens that nobody sent.
            raise wrong(f"{at} must be of type custom, with a name.", at)
        _cached(tool, at)


def _cached(block: Mapping[str, Any], at: str) -> None:
    control = block.get("cache_control")
    if control is None:
        return
    if not isinstance(control, dict) or control.get("ttl") not in (None, "5m"):
        raise wrong(f"{at}.cache_control.ttl must be 5m: others have other prices.", f"{at}.cache_control")
