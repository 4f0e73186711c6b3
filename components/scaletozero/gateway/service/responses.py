"""Requests for `/v1/responses`, validated as far as their price and their bound depend on it. Pure.

Nothing is kept between requests: what came before is sent again, because the tokens of what a provider remembers are
not bounded by the bytes of a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scaletozero.gateway.service.bodies import count_field, dumped, flag_field, known_fields, model_field
from scaletozero.gateway.service.conversations import Spoken
from scaletozero.gateway.service.errors import wrong
from scaletozero.gateway.service.response_chats import ChatAsResponse, as_chat, as_response
from scaletozero.gateway.service.streams import Events, ResponseEvents
from scaletozero.settings.gateway_models import Model
from scaletozero.settings.gateway_targets import Speech

RESPONSE_FIELDS = frozenset(
    (
        "include", "input", "instructions", "max_output_tokens", "metadata", "model", "parallel_tool_calls",
        "prompt_cache_key", "reasoning", "safety_identifier", "service_tier", "store", "stream", "stream_options",
        "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
    )
)  # fmt: skip
"""Fields with which a request costs what its tokens cost. Others bring tokens that nobody sent
(`previous_response_id`, `conversation`, `prompt`), or are answered later (`background`)."""

INCLUDED = ("message.output_text.logprobs", "reasoning.encrypted_content")

ITEMS = (
    "message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning",
)  # fmt: skip
"""Types of input whose tokens are bounded by their bytes."""

_ROLES = ("user", "assistant", "system", "developer")
_PARTS = ("input_text", "output_text", "refusal")


@dataclass(frozen=True)
class ResponsesRequest:
    """A request for a response.

    Attributes:
        model: the name that was asked for.
        fields: the request, as it came.
        limit: the most tokens of the answer, as asked for; None if the request does not say.
        stream: whether it is to come in parts.
        choices: how many answers.
        protocol: the one that it came in.
    """

    model: str
    fields: Mapping[str, Any]
    limit: int | None
    stream: bool
    choices: int = 1
    protocol: Speech = "responses"

    def output_tokens(self, model: Model) -> int:
        """The most tokens of the answer.

        Raises:
            RefusedError: more than the model's most.
        """
        if self.limit is None:
            return model.default_output_tokens
        if self.limit > model.max_output_tokens:
            rule = f"max_output_tokens must be at most {model.max_output_tokens} for {self.model}."
            raise wrong(rule, "max_output_tokens")
        return self.limit

    def sent(self, provider: Spoken, model: Model) -> tuple[str, bytes]:
        """The path and the request as the provider is to get it: with a bound where the provider has responses, as a
        chat where it has chats alone.

        Raises:
            RefusedError: what is asked for has no counterpart in a chat.
        """
        limit = self.output_tokens(model)
        if "responses" in provider.protocols:
            # A response that is stored could be asked for by its name alone, which the gateway has no route for.
            fields = {"store": False, **{key: value for key, value in self.fields.items() if value is not None}}
            return "/responses", dumped({**fields, "model": provider.model, "max_output_tokens": limit})
        if "chat" not in provider.protocols:
            raise wrong(f"{self.model} has no responses.", "model", "model_not_supported")
        return "/chat/completions", dumped(as_chat(self.fields, provider, limit))

    def answer(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """A provider's answer, as the caller is to get it; raises FailedError if it cannot be one."""
        return {**content, "model": self.model} if path == "/responses" else as_response(self.fields, content)

    def events(self, path: str) -> Events:
        """What makes the events of the caller's stream from those of a provider."""
        return ResponseEvents(self.model) if path == "/responses" else ChatAsResponse(self.fields)


def responses_request(fields: dict[str, Any]) -> ResponsesRequest:
    """Validates the body of `/v1/responses`.

    Raises:
        RefusedError: with the field that is wrong.
    """
    known_fields(fields, RESPONSE_FIELDS)
    if fields.get("service_tier") not in (None, "default"):
        rule = "service_tier must be default: other tiers have other prices."
        raise wrong(rule, "service_tier", "unsupported_parameter")
    if fields.get("instructions") is not None and not isinstance(fields["instructions"], str):
        raise wrong("instructions must be a text.", "instructions")
    for name in ("metadata", "reasoning", "stream_options", "text"):
        if fields.get(name) is not None and not isinstance(fields[name], dict):
            raise wrong(f"{name} must be an object.", name)
    include = fields.get("include") or []
    if not isinstance(include, list) or any(each not in INCLUDED for each in include):
        raise wrong(f"include must be a list of {', '.join(INCLUDED)}.", "include")
    for name in ("store", "parallel_tool_calls"):
        flag_field(fields, name)
    _input(fields.get("input"))
    _tools(fields.get("tools"))
    limit = count_field(fields, "max_output_tokens", 1)
    return ResponsesRequest(model_field(fields), fields, limit, flag_field(fields, "stream"))


def _input(given: object) -> None:
    if isinstance(given, str) and given:
        return
    if not isinstance(given, list) or not given:
        raise wrong("input must be a text or a list of items, and not empty.", "input")
    for index, item in enumerate(given):
        at = f"input[{index}]"
        kind = item.get("type", "message") if isinstance(item, dict) else None
        if kind not in ITEMS:
            # A reference brings tokens that nobody sent; those of an image are not bounded by its address.
            raise wrong(f"{at} must be an item of type {', '.join(ITEMS)}.", at)
        if kind == "message":
            if item.get("role") not in _ROLES:
                raise wrong(f"{at}.role must be {', '.join(_ROLES)}.", f"{at}.role")
            _content(item.get("content"), f"{at}.content")
        elif kind.endswith("_output"):
            _texts(item, at, "call_id")
            _content(item.get("output"), f"{at}.output")
        elif kind != "reasoning":
            _texts(item, at, "call_id", "name", "arguments" if kind == "function_call" else "input")


def _texts(item: Mapping[str, Any], at: str, *names: str) -> None:
    for name in names:
        if not isinstance(item.get(name), str):
            raise wrong(f"{at}.{name} must be a text.", f"{at}.{name}")


def _content(given: object, at: str) -> None:
    if isinstance(given, str):
        return
    if not isinstance(given, list):
        raise wrong(f"{at} must be a text or a list of parts.", at)
    for index, part in enumerate(given):
        here = f"{at}[{index}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in _PARTS:
            raise wrong(f"{here} must be a part of type {', '.join(_PARTS)}.", here)
        _texts(part, here, "refusal" if kind == "refusal" else "text")


def _tools(given: object) -> None:
    if given is not None and not isinstance(given, list):
        raise wrong("tools must be a list.", "tools")
    for index, tool in enumerate(given or ()):
        if (
            not isinstance(tool, dict)
            or tool.get("type") not in ("function", "custom")
            or not isinstance(tool.get("name"), str)
        ):
            # A provider's own tools are billed by the call, or bring tokens that nobody sent.
            raise wrong(f"tools[{index}] must be of type function or custom, with a name.", f"tools[{index}]")
