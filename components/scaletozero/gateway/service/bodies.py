"""What a request asks for, validated as far as its price and its bound depend on it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from model_packaging.serving.limits import REQUEST_BYTES
from scaletozero.gateway.service.conversations import Spoken
from scaletozero.gateway.service.errors import wrong
from scaletozero.gateway.service.streams import ChatEvents, Events
from scaletozero.settings.gateway_models import Model
from scaletozero.settings.gateway_targets import Speech

LARGEST_BODY = REQUEST_BYTES
"""Bytes of a request: as many as a serverless endpoint takes."""

MOST_CHOICES = 8
"""Answers to one request (`n`): each is paid for."""

CHAT_FIELDS = frozenset(
    (
        "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens",
        "max_tokens", "messages", "metadata", "min_p", "modalities", "model", "n", "parallel_tool_calls",
        "presence_penalty", "prompt_cache_key", "reasoning_effort", "response_format", "safety_identifier", "seed",
        "service_tier", "stop", "store", "stream", "stream_options", "temperature", "tool_choice", "tools", "top_k",
        "top_logprobs", "top_p", "user", "verbosity",
    )
)  # fmt: skip
"""Fields with which a request costs what its tokens cost. Others could ask for what is billed otherwise (a search,
audio, predicted tokens, another model in place of this one), so that nothing would bound the price."""

EMBEDDING_FIELDS = frozenset(("dimensions", "encoding_format", "input", "model", "user"))


@dataclass(frozen=True)
class ChatRequest:
    """A chat completion.

    Attributes:
        model: the name that was asked for.
        fields: the request, as it came.
        choices: how many answers.
        limit: the most tokens of each, as asked for; None if the request does not say.
        stream: whether the answer is to come in parts.
        with_usage: whether the last part is to have the usage.
        protocol: the one that it came in.
    """

    model: str
    fields: Mapping[str, Any]
    choices: int
    limit: int | None
    stream: bool
    with_usage: bool
    protocol: Speech = "chat"

    def output_tokens(self, model: Model) -> int:
        """The most tokens of one answer.

        Raises:
            RefusedError: more than the model's most.
        """
        if self.limit is None:
            return model.default_output_tokens
        if self.limit > model.max_output_tokens:
            wrong_limit(f"must be at most {model.max_output_tokens} for {self.model}")
        return self.limit

    def sent(self, provider: Spoken, model: Model) -> tuple[str, bytes]:
        """The path and the request as the provider is to get it: with a bound, and with its usage where it is streamed.

        Raises:
            RefusedError: the provider has no chats.
        """
        if "chat" not in provider.protocols:
            raise wrong(f"{self.model} has no chat completions.", "model", "model_not_supported")
        rest = {key: value for key, value in self.fields.items() if key not in ("max_tokens", "max_completion_tokens")}
        sent = {**rest, "model": provider.model, provider.limit_field: self.output_tokens(model)}
        if self.stream:
            sent["stream_options"] = {**(self.fields.get("stream_options") or {}), "include_usage": True}
        return "/chat/completions", dumped(sent)

    def answer(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """A provider's answer, as the caller is to get it."""
        return {**content, "model": self.model}

    def events(self, path: str) -> Events:
        """What makes the events of the caller's stream from those of a provider."""
        return ChatEvents(self.model, with_usage=self.with_usage)


@dataclass(frozen=True)
class EmbeddingRequest:
    """Embeddings of texts.

    Attributes:
        model: the name that was asked for.
        fields: the request, as it came.
        inputs: the texts; None where the request has tokens instead.
        base64: whether they are to come as base64 of little-endian float32.
    """

    model: str
    fields: Mapping[str, Any]
    inputs: tuple[str, ...] | None
    base64: bool

    def sent(self, provider: Spoken) -> bytes:
        """The request as the provider is to get it."""
        return dumped({**self.fields, "model": provider.model})


def read_object(body: bytes) -> dict[str, Any]:
    """The object in a body.

    Raises:
        RefusedError: it is not JSON, or not an object.
    """
    try:
        found = json.loads(body, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise wrong("The body is not valid JSON.") from None
    if not isinstance(found, dict):
        raise wrong("The body must be a JSON object.")
    return found


def dumped(content: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8, in which a text has no fewer bytes than tokens.

    Raises:
        RefusedError: a text has half a character.
    """
    try:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise wrong("A text has half of a surrogate pair, which is not valid Unicode.") from None


def chat_request(fields: dict[str, Any]) -> ChatRequest:
    """Validates the body of `/v1/chat/completions`.

    Raises:
        RefusedError: with the field that is wrong.
    """
    known_fields(fields, CHAT_FIELDS)
    if fields.get("modalities") not in (None, ["text"]):
        raise wrong('modalities must be ["text"].', "modalities", "unsupported_parameter")
    if fields.get("service_tier") not in (None, "default"):
        raise wrong(
            "service_tier must be default: other tiers have other prices.", "service_tier", "unsupported_parameter"
        )
    _messages(fields.get("messages"))
    _tools(fields.get("tools"))
    limits = {name: count_field(fields, name, 1) for name in ("max_tokens", "max_completion_tokens")}
    given = [each for each in limits.values() if each is not None]
    if len(given) > 1:
        raise wrong("Give max_completion_tokens or max_tokens, not both.", "max_tokens")
    choices = count_field(fields, "n", 1) or 1
    if choices > MOST_CHOICES:
        raise wrong(f"n must be at most {MOST_CHOICES}.", "n")
    options = fields.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise wrong("stream_options must be an object.", "stream_options")
    stream = flag_field(fields, "stream")
    with_usage = bool(options) and flag_field(options, "include_usage")
    return ChatRequest(model_field(fields), fields, choices, given[0] if given else None, stream, with_usage)


def embedding_request(fields: dict[str, Any]) -> EmbeddingRequest:
    """Validates the body of `/v1/embeddings`.

    Raises:
        RefusedError: with the field that is wrong.
    """
    known_fields(fields, EMBEDDING_FIELDS)
    form = fields.get("encoding_format", "float")
    if form not in ("float", "base64"):
        raise wrong("encoding_format must be float or base64.", "encoding_format")
    return EmbeddingRequest(model_field(fields), fields, _inputs(fields.get("input")), form == "base64")


def _inputs(given: object) -> tuple[str, ...] | None:
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not listed:
        raise wrong("input must be a text, or a list of texts or of tokens, and not empty.", "input")
    if all(isinstance(each, str) for each in listed):
        return tuple(listed)
    rows = listed if all(isinstance(each, list) for each in listed) else [listed]
    if any(not row or any(not isinstance(token, int) or isinstance(token, bool) for token in row) for row in rows):
        raise wrong("input must be a text, or a list of texts or of tokens, and not empty.", "input")
    return None


def _messages(given: object) -> None:
    if not isinstance(given, list) or not given:
        raise wrong("messages must be a list, and not empty.", "messages")
    for index, message in enumerate(given):
        at = f"messages[{index}]"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise wrong(f"{at} must be an object with a role.", at)
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        if content is not None and not isinstance(content, str | list):
            raise wrong(f"{at}.content must be a text or a list of parts.", f"{at}.content")
        for number, part in enumerate(parts):
            kind = part.get("type") if isinstance(part, dict) else None
            if kind not in ("text", "refusal"):
                # The tokens of an image or a file are not bounded by the bytes of its address.
                raise wrong(f"{at}.content[{number}] must be a part of type text.", f"{at}.content[{number}]")


def _tools(given: object) -> None:
    if given is not None and not isinstance(given, list):
        raise wrong("tools must be a list.", "tools")
    for index, tool in enumerate(given or ()):
        if not isinstance(tool, dict) or tool.get("type") not in ("function", "custom"):
            # A provider's own tools are billed by the call.
            raise wrong(f"tools[{index}] must be of type function or custom.", f"tools[{index}]")


def known_fields(fields: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuses a field that is not known; one that is null is none."""
    for name, value in fields.items():
        if name not in known and value is not None:
            raise wrong(f"{name[:80]} is not supported.", name[:80], "unsupported_parameter")


def model_field(fields: Mapping[str, Any]) -> str:
    """The name of the model that is asked for."""
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        raise wrong("model must be the name of a model.", "model")
    return model


def count_field(fields: Mapping[str, Any], name: str, least: int) -> int | None:
    """A whole number of at least `least`; None if the field is not there."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise wrong(f"{name} must be a whole number of {least} or more.", name)
    return value


def flag_field(fields: Mapping[str, Any], name: str) -> bool:
    """A yes or no, which is no if the field is not there."""
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong(f"{name} must be true or false.", name)
    return bool(value)


def wrong_limit(rule: str) -> NoReturn:
    """Refuses the most tokens that a request asks for."""
    raise wrong(f"The most tokens of an answer {rule}.", "max_completion_tokens")


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
