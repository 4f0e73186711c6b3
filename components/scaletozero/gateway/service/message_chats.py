"""Messages for a provider that has chats alone: the request as a chat, its answer as a message. Pure."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from scaletozero.gateway.service.conversations import Spoken
from scaletozero.gateway.service.errors import RefusedError, wrong
from scaletozero.gateway.service.failures import garbage
from scaletozero.gateway.service.readings import count_of
from scaletozero.gateway.service.streams import anthropic_failure, named

_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def as_chat(fields: Mapping[str, Any], provider: Spoken) -> dict[str, Any]:
    """A validated request for a message, as a chat.

    Raises:
        RefusedError: something has no counterpart.
    """
    thinking = fields.get("thinking") or {}
    if thinking.get("type", "disabled") != "disabled":
        raise wrong("thinking is not supported for this model.", "thinking", "unsupported_parameter")
    system = _text(fields.get("system"))
    messages = [{"role": "system", "content": system}] if system else []
    for message in fields["messages"]:
        messages += _chat_messages(message["role"], message["content"])
    sent: dict[str, Any] = {"model": provider.model, provider.limit_field: fields["max_tokens"], "messages": messages}
    sent |= {name: fields[name] for name in ("temperature", "top_p", "top_k") if fields.get(name) is not None}
    if fields.get("stop_sequences"):
        sent["stop"] = fields["stop_sequences"]
    if fields.get("tools"):
        sent["tools"] = [_chat_tool(each) for each in fields["tools"]]
        sent |= _chat_choice(fields.get("tool_choice") or {})
    if isinstance(user := (fields.get("metadata") or {}).get("user_id"), str):
        sent["user"] = user
    if fields.get("stream"):
        sent |= {"stream": True, "stream_options": {"include_usage": True}}
    return sent


def _chat_messages(role: str, content: object) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    assert isinstance(content, list)
    # What another model thought is for that model alone, and is left out.
    said = "\n".join(each["text"] for each in content if each["type"] == "text")
    calls = [each for each in content if each["type"] == "tool_use"]
    results = [
        {"role": "tool", "tool_call_id": each["tool_use_id"], "content": _text(each.get("content"))}
        for each in content
        if each["type"] == "tool_result"
    ]
    rest: dict[str, Any] = {"role": role, "content": said or None}
    if calls:
        rest["tool_calls"] = [
            {
                "id": each["id"],
                "type": "function",
                "function": {"name": each["name"], "arguments": json.dumps(each["input"], ensure_ascii=False)},
            }
            for each in calls
        ]
    return results + ([rest] if said or calls else [])


def _text(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(each["text"] for each in content)
    return content if isinstance(content, str) else ""


def _chat_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    about = {"name": tool["name"], "parameters": tool.get("input_schema") or {"type": "object"}}
    if tool.get("description"):
        about["description"] = tool["description"]
    return {"type": "function", "function": about}


def _chat_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if choice.get("type") == "tool":
        found["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
    elif choice.get("type") in _CHOICES:
        found["tool_choice"] = _CHOICES[choice["type"]]
    elif choice:
        raise wrong("tool_choice.type must be auto, any, tool or none.", "tool_choice")
    if choice.get("disable_parallel_tool_use"):
        found["parallel_tool_calls"] = False
    return found


def as_message(model: str, chat: Mapping[str, Any]) -> dict[str, Any]:
    """A chat's answer, as a message.

    Args:
        model: the name that was asked for.

    Raises:
        FailedError: it is no answer to a chat.
    """
    try:
        choice = chat["choices"][0]
        message = choice["message"]
        said = message.get("content") or message.get("refusal")
        content: list[dict[str, Any]] = [{"type": "text", "text": said}] if said else []
        content += [_tool_use(each) for each in message.get("tool_calls") or ()]
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        raise garbage("is not what it should be") from None
    return {
        **_message(model),
        "content": content,
        "stop_reason": _STOPS.get(choice.get("finish_reason"), "end_turn"),
        "usage": message_usage(chat.get("usage")),
    }


def _tool_use(call: Mapping[str, Any]) -> dict[str, Any]:
    given = json.loads(call["function"]["arguments"] or "{}")
    if not isinstance(given, dict):
        raise ValueError("arguments are an object")
    return {"type": "tool_use", "id": call["id"], "name": call["function"]["name"], "input": given}


def _message(model: str) -> dict[str, Any]:
    ends: dict[str, Any] = {"stop_reason": None, "stop_sequence": None}
    about = {"id": f"msg_{secrets.token_hex(12)}", "type": "message", "role": "assistant", "model": model}
    return {**about, "content": [], **ends, "usage": message_usage(None)}


def message_usage(usage: object) -> dict[str, int]:
    """A chat's usage, as a message has it: the tokens of the cache are not among the others."""
    count = count_of("/chat/completions", usage)
    if count is None:
        return {"input_tokens": 0, "output_tokens": 0}
    return {
        "input_tokens": count.input - count.cached - count.written,
        "cache_read_input_tokens": count.cached,
        "cache_creation_input_tokens": count.written,
        "output_tokens": count.output,
    }


class ChatAsMessage:
    """The events of a message, from those of a chat.

    Args:
        model: the name that was asked for.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._begun, self._index = False, -1
        self._open: object = None
        self._stop, self._usage = "end_turn", message_usage(None)

    def part(self, part: dict[str, Any]) -> list[bytes]:
        events = [] if self._begun else [named({"type": "message_start", "message": _message(self._model)})]
        self._begun = True
        if part.get("usage") is not None:
            self._usage = message_usage(part["usage"])
        choices = part.get("choices")
        for choice in choices[:1] if isinstance(choices, list) else []:
            events += self._chosen(choice if isinstance(choice, dict) else {})
        return events

    def _chosen(self, choice: Mapping[str, Any]) -> Iterable[bytes]:
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        said = delta.get("content") or delta.get("refusal")
        if isinstance(said, str):
            if self._open != "text":
                yield from self._opened("text", {"type": "text", "text": ""})
            yield self._delta({"type": "text_delta", "text": said})
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else []:
            function = call.get("function") or {}
            if self._open != ("tool", call.get("index")):
                about = {"id": call.get("id") or f"toolu_{secrets.token_hex(12)}", "name": function.get("name") or ""}
                yield from self._opened(("tool", call.get("index")), {"type": "tool_use", **about, "input": {}})
            if isinstance(given := function.get("arguments"), str) and given:
                yield self._delta({"type": "input_json_delta", "partial_json": given})
        if isinstance(reason := choice.get("finish_reason"), str):
            self._stop = _STOPS.get(reason, "end_turn")

    def _opened(self, what: object, block: dict[str, Any]) -> Iterable[bytes]:
        yield from self._closed()
        self._open, self._index = what, self._index + 1
        yield named({"type": "content_block_start", "index": self._index, "content_block": block})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return named({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _closed(self) -> Iterable[bytes]:
        if self._open is not None:
            yield named({"type": "content_block_stop", "index": self._index})
        self._open = None

    def end(self) -> list[bytes]:
        delta = {"stop_reason": self._stop, "stop_sequence": None}
        ends = ({"type": "message_delta", "delta": delta, "usage": self._usage}, {"type": "message_stop"})
        return [*self._closed(), *(named(each) for each in ends)]

    def failed(self, refusal: RefusedError) -> list[bytes]:
        return [anthropic_failure(refusal)]
