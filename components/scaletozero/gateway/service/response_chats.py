"""Responses for a provider that has chats alone: the request as a chat, its answer as a response. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from scaletozero.gateway.service.conversations import Spoken
from scaletozero.gateway.service.errors import RefusedError, wrong
from scaletozero.gateway.service.failures import garbage
from scaletozero.gateway.service.readings import count_of
from scaletozero.gateway.service.streams import named, response_failure

_ROLES = {"developer": "system"}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_SAME = ("temperature", "top_p", "user")
_NO_COUNTERPART = ("top_logprobs", "truncation")


def as_chat(fields: Mapping[str, Any], provider: Spoken, limit: int) -> dict[str, Any]:
    """A validated request for a response, as a chat.

    Args:
        limit: the most tokens of the answer.

    Raises:
        RefusedError: something has no counterpart.
    """
    for name in _NO_COUNTERPART:
        if fields.get(name) not in (None, 0, "disabled"):
            raise _unsupported(name)
    if "message.output_text.logprobs" in (fields.get("include") or ()):
        raise _unsupported("include")
    given, instructions = fields["input"], fields.get("instructions")
    messages = [{"role": "system", "content": instructions}] if instructions else []
    messages += [{"role": "user", "content": given}] if isinstance(given, str) else _messages(given)
    if not messages:
        raise wrong("input must have a message.", "input")
    sent: dict[str, Any] = {"model": provider.model, provider.limit_field: limit, "messages": messages}
    sent |= {name: fields[name] for name in _SAME if fields.get(name) is not None}
    sent |= _form(fields.get("text") or {}) | _effort(fields.get("reasoning") or {})
    if fields.get("tools"):
        sent["tools"] = [_tool(each, f"tools[{index}]") for index, each in enumerate(fields["tools"])]
        if fields.get("tool_choice") is not None:
            sent["tool_choice"] = _choice(fields["tool_choice"])
        if fields.get("parallel_tool_calls") is not None:
            sent["parallel_tool_calls"] = fields["parallel_tool_calls"]
    if fields.get("stream"):
        sent |= {"stream": True, "stream_options": {"include_usage": True}}
    return sent


def _unsupported(name: str) -> RefusedError:
    return wrong(f"{name} is not supported for this model.", name, "unsupported_parameter")


def _messages(items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for index, item in enumerate(items):
        kind = item.get("type", "message")
        if kind.startswith("custom_"):
            raise _unsupported(f"input[{index}]")
        if kind == "message":
            role = _ROLES.get(item["role"], item["role"])
            found.append({"role": role, "content": _text(item["content"])})
        elif kind == "function_call":
            # The calls of one answer are items of their own here, and one message there.
            if not found or found[-1]["role"] != "assistant":
                found.append({"role": "assistant", "content": None})
            function = {"name": item["name"], "arguments": item["arguments"]}
            call = {"id": item["call_id"], "type": "function", "function": function}
            found[-1].setdefault("tool_calls", []).append(call)
        elif kind == "function_call_output":
            found.append({"role": "tool", "tool_call_id": item["call_id"], "content": _text(item["output"])})
        # What another model thought is for that model alone, and is left out.
    return found


def _text(content: str | list[Mapping[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(each["refusal"] if each["type"] == "refusal" else each["text"] for each in content)


def _form(text: Mapping[str, Any]) -> dict[str, Any]:
    found = {"verbosity": text["verbosity"]} if text.get("verbosity") is not None else {}
    form = text.get("format") or {}
    if not isinstance(form, dict):
        raise wrong("text.format must be an object.", "text.format")
    kind = form.get("type")
    if kind == "json_schema":
        schema = {name: form[name] for name in ("name", "description", "schema", "strict") if name in form}
        return {**found, "response_format": {"type": kind, "json_schema": schema}}
    if kind == "json_object":
        return {**found, "response_format": {"type": kind}}
    if kind not in (None, "text"):
        raise wrong("text.format.type must be text, json_object or json_schema.", "text.format")
    return found


def _effort(reasoning: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in reasoning.items():
        if name != "effort" and value is not None:
            raise _unsupported(f"reasoning.{name[:80]}")
    return {} if reasoning.get("effort") is None else {"reasoning_effort": reasoning["effort"]}


def _tool(tool: Mapping[str, Any], at: str) -> dict[str, Any]:
    if tool["type"] != "function":
        raise _unsupported(at)
    names = ("name", "description", "parameters", "strict")
    return {"type": "function", "function": {name: tool[name] for name in names if tool.get(name) is not None}}


def _choice(choice: object) -> object:
    if choice in ("auto", "none", "required"):
        return choice
    if isinstance(choice, dict) and choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    raise wrong("tool_choice must be auto, none, required or a function.", "tool_choice")


def as_response(fields: Mapping[str, Any], chat: Mapping[str, Any]) -> dict[str, Any]:
    """A chat's answer, as a response.

    Args:
        fields: the request.

    Raises:
        FailedError: it is no answer to a chat.
    """
    try:
        choice = chat["choices"][0]
        message = choice["message"]
        output: list[dict[str, Any]] = []
        for name in ("content", "refusal"):
            if said := message.get(name):
                output.append(_message([_part(name, _string(said))]))
        output += [
            _call(each["id"], each["function"]["name"], _string(each["function"]["arguments"]))
            for each in message.get("tool_calls") or ()
        ]
    except (LookupError, TypeError, AttributeError):
        raise garbage("is not what it should be") from None
    made = _response(fields, chat.get("created"))
    return _ended(made, output, choice.get("finish_reason"), chat.get("usage"))


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _message(content: list[dict[str, Any]], status: str = "completed") -> dict[str, Any]:
    about = {"id": f"msg_{secrets.token_hex(12)}", "type": "message", "role": "assistant"}
    return {**about, "status": status, "content": content}


def _part(name: str, text: str) -> dict[str, Any]:
    if name == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call(call_id: object, name: object, arguments: str, status: str = "completed") -> dict[str, Any]:
    about = {"id": f"fc_{secrets.token_hex(12)}", "type": "function_call", "call_id": call_id, "name": name}
    return {**about, "arguments": arguments, "status": status}


def _response(fields: Mapping[str, Any], created: object) -> dict[str, Any]:
    """A response that has just begun."""
    defaults = {
        "instructions": None, "max_output_tokens": None, "metadata": {}, "parallel_tool_calls": True,
        "reasoning": {"effort": None, "summary": None}, "temperature": None, "text": {"format": {"type": "text"}},
        "tool_choice": "auto", "tools": [], "top_p": None, "user": None,
    }  # fmt: skip
    asked = {name: value if fields.get(name) is None else fields[name] for name, value in defaults.items()}
    return {
        "id": f"resp_{secrets.token_hex(12)}",
        "object": "response",
        "created_at": created if isinstance(created, int) else 0,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": fields["model"],
        "output": [],
        "previous_response_id": None,
        "store": False,
        "truncation": "disabled",
        "usage": None,
        **asked,
    }


def _ended(made: Mapping[str, Any], output: list[dict[str, Any]], reason: object, usage: object) -> dict[str, Any]:
    why = _INCOMPLETE.get(reason) if isinstance(reason, str) else None
    ends = {"status": "incomplete" if why else "completed", "incomplete_details": {"reason": why} if why else None}
    return {**made, **ends, "output": output, "usage": _usage(usage)}


def _usage(usage: object) -> dict[str, Any] | None:
    """A chat's usage, as a response has it."""
    count = count_of("/chat/completions", usage)
    if count is None:
        return None
    details = usage.get("completion_tokens_details") if isinstance(usage, Mapping) else None
    thought = details.get("reasoning_tokens") if isinstance(details, Mapping) else None
    return {
        "input_tokens": count.input,
        "input_tokens_details": {"cached_tokens": count.cached, "cache_write_tokens": count.written},
        "output_tokens": count.output,
        "output_tokens_details": {"reasoning_tokens": thought if isinstance(thought, int) else 0},
        "total_tokens": count.input + count.output,
    }


class ChatAsResponse:
    """The events of a response, from those of a chat.

    Args:
        fields: the request.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        self._made: dict[str, Any] = {}
        self._number = 0
        self._output: list[dict[str, Any]] = []
        self._open: object = None
        self._said = ""
        self._reason: object = None
        self._usage: object = None

    def part(self, part: dict[str, Any]) -> list[bytes]:
        return list(self._parts(part))

    def _parts(self, part: Mapping[str, Any]) -> Iterable[bytes]:
        if not self._made:
            self._made = _response(self._fields, part.get("created"))
            yield self._event("response.created", response=self._made)
            yield self._event("response.in_progress", response=self._made)
        if part.get("usage") is not None:
            self._usage = part["usage"]
        choices = part.get("choices")
        for choice in choices[:1] if isinstance(choices, list) else []:
            if isinstance(choice, dict):
                yield from self._chosen(choice)

    def _chosen(self, choice: Mapping[str, Any]) -> Iterable[bytes]:
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        for name in ("content", "refusal"):
            if isinstance(said := delta.get(name), str) and said:
                if self._open != name:
                    yield from self._opened(name, _message([], "in_progress"))
                    yield self._of_part("response.content_part.added", part=_part(name, ""))
                yield self._grown(said)
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else []:
            if not isinstance(call, dict):
                continue
            function = call.get("function") or {}
            if self._open != ("tool", call.get("index")):
                about = call.get("id") or f"call_{secrets.token_hex(12)}", function.get("name") or ""
                yield from self._opened(("tool", call.get("index")), _call(*about, "", "in_progress"))
            if isinstance(given := function.get("arguments"), str) and given:
                yield self._grown(given)
        self._reason = choice.get("finish_reason") or self._reason

    def _opened(self, what: object, item: dict[str, Any]) -> Iterable[bytes]:
        yield from self._closed()
        self._open, self._said = what, ""
        self._output.append(item)
        yield self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)

    def _grown(self, text: str) -> bytes:
        self._said += text
        if self._open == "content":
            return self._of_part("response.output_text.delta", delta=text, logprobs=[])
        if self._open == "refusal":
            return self._of_part("response.refusal.delta", delta=text)
        return self._of_item("response.function_call_arguments.delta", delta=text)

    def _closed(self) -> Iterable[bytes]:
        if self._open is None:
            return
        item = self._output[-1] | {"status": "completed"}
        if self._open in ("content", "refusal"):
            part = _part(str(self._open), self._said)
            item["content"] = [part]
            if self._open == "content":
                yield self._of_part("response.output_text.done", text=self._said, logprobs=[])
            else:
                yield self._of_part("response.refusal.done", refusal=self._said)
            yield self._of_part("response.content_part.done", part=part)
        else:
            item["arguments"] = self._said
            yield self._of_item("response.function_call_arguments.done", name=item["name"], arguments=self._said)
        self._output[-1], self._open = item, None
        yield self._event("response.output_item.done", output_index=len(self._output) - 1, item=item)

    def _of_part(self, kind: str, **about: Any) -> bytes:
        return self._of_item(kind, content_index=0, **about)

    def _of_item(self, kind: str, **about: Any) -> bytes:
        item = self._output[-1]
        return self._event(kind, item_id=item["id"], output_index=len(self._output) - 1, **about)

    def _event(self, kind: str, **about: Any) -> bytes:
        self._number += 1
        return named({"type": kind, "sequence_number": self._number - 1, **about})

    def end(self) -> list[bytes]:
        events = list(self._closed())
        whole = _ended(self._made or _response(self._fields, None), self._output, self._reason, self._usage)
        return [*events, self._event(f"response.{whole['status']}", response=whole)]

    def failed(self, refusal: RefusedError) -> list[bytes]:
        return [response_failure(refusal, self._number)]
