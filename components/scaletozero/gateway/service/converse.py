"""Chats as Bedrock's `Converse` has them, and its answers as those of a chat. Pure.

Source: Bedrock's API reference, Converse and ConverseStream (botocore 1.44.8, its service model).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scaletozero.gateway.service.errors import wrong
from scaletozero.gateway.service.failures import garbage

_SAME = {"temperature": "temperature", "top_p": "topP"}
_NO_MATTER = frozenset(
    (
        "max_tokens", "messages", "metadata", "model", "n", "parallel_tool_calls", "prompt_cache_key",
        "safety_identifier", "service_tier", "stop", "store", "stream", "stream_options", "temperature",
        "tool_choice", "tools", "top_p", "user", "modalities",
    )
)  # fmt: skip
"""Fields that are translated, or change no answer."""

_ENDS = {
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""Why an answer ended, where that is not `stop`."""


def as_converse(chat: Mapping[str, Any]) -> dict[str, Any]:
    """A chat as the arguments of `Converse`, without the model's id.

    Raises:
        RefusedError: what is asked for has no counterpart there.
    """
    for name, value in chat.items():
        neutral = value is None or value is False or value == 0 or value == {} or value == {"type": "text"}
        if name not in _NO_MATTER and not neutral:
            raise wrong(f"{name} has no counterpart on Bedrock.", name, "unsupported_parameter")
    if (chat.get("n") or 1) != 1:
        raise wrong("n must be 1 on Bedrock.", "n", "unsupported_parameter")
    if chat.get("store"):
        raise wrong("store has no counterpart on Bedrock.", "store", "unsupported_parameter")
    if chat.get("parallel_tool_calls") is False:
        raise wrong("parallel_tool_calls must be true on Bedrock.", "parallel_tool_calls", "unsupported_parameter")
    system: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    for index, message in enumerate(chat["messages"]):
        role, blocks = _blocks(message, f"messages[{index}]")
        if role == "system":
            system += blocks
        elif messages and messages[-1]["role"] == role:  # roles take turns there
            messages[-1]["content"] += blocks
        elif blocks:
            messages.append({"role": role, "content": blocks})
    limits: dict[str, Any] = {"maxTokens": chat["max_tokens"]}
    limits |= {theirs: chat[ours] for ours, theirs in _SAME.items() if chat.get(ours) is not None}
    if stop := chat.get("stop"):
        limits["stopSequences"] = [stop] if isinstance(stop, str) else stop
    found: dict[str, Any] = {"messages": messages, "inferenceConfig": limits}
    if system:
        found["system"] = system
    if tools := _tools(chat, messages):
        found["toolConfig"] = tools
    return found


def _blocks(message: Mapping[str, Any], at: str) -> tuple[str, list[dict[str, Any]]]:
    role, content = message["role"], message.get("content")
    parts = (
        [content] if isinstance(content, str) else [part.get("text") or part.get("refusal") for part in content or ()]
    )
    texts: list[dict[str, Any]] = [{"text": each} for each in parts if isinstance(each, str) and each.strip()]
    if role in ("system", "developer"):
        return "system", texts
    if role == "user":
        return "user", texts
    if role == "tool":
        said = {"toolUseId": str(message.get("tool_call_id")), "content": texts or [{"text": "(nothing)"}]}
        return "user", [{"toolResult": said}]
    if role != "assistant":
        raise wrong(f"{at}.role must be system, developer, user, assistant or tool.", f"{at}.role")
    return "assistant", texts + [{"toolUse": _call(each, at)} for each in message.get("tool_calls") or ()]


def _call(call: Any, at: str) -> dict[str, Any]:
    try:
        function = call["function"]
        given = json.loads(function["arguments"] or "{}")
        if not isinstance(given, dict):
            raise ValueError(given)
        return {"toolUseId": str(call["id"]), "name": str(function["name"]), "input": given}
    except (KeyError, TypeError, ValueError):
        rule = "must be calls of functions, whose arguments are objects in JSON"
        raise wrong(f"{at}.tool_calls {rule}.", f"{at}.tool_calls") from None


def _tools(chat: Mapping[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any] | None:
    choice, given = chat.get("tool_choice"), chat.get("tools") or []
    called = any("toolUse" in block or "toolResult" in block for each in messages for block in each["content"])
    if choice == "none" and not called:
        given = []
    if not given:
        if called:
            raise wrong("tools is required beside calls of tools, on Bedrock.", "tools")
        return None
    if choice == "none":
        raise wrong("tool_choice must not be none after a call of a tool, on Bedrock.", "tool_choice")
    specs = [{"toolSpec": _spec(each, f"tools[{index}]")} for index, each in enumerate(given)]
    named = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    chosen = {"tool": {"name": named}} if named else {"any": {}} if choice == "required" else {"auto": {}}
    return {"tools": specs, "toolChoice": chosen}


def _spec(tool: Mapping[str, Any], at: str) -> dict[str, Any]:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise wrong(f"{at} must be of type function, with a name, on Bedrock.", at, "unsupported_parameter")
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    about = {"description": function["description"]} if function.get("description") else {}
    return {"name": function["name"], **about, "inputSchema": {"json": schema}}


def as_chat(answer: Mapping[str, Any], made: str, at: int, model: str) -> dict[str, Any]:
    """An answer of `Converse` as a chat completion.

    Args:
        made: its id.
        at: when it was made, in seconds since 1970.
        model: the model's name.

    Raises:
        FailedError: it is none.
    """
    try:
        blocks = answer["output"]["message"]["content"]
        text = "".join(each["text"] for each in blocks if "text" in each)
        calls = [_called(each["toolUse"]) for each in blocks if "toolUse" in each]
    except (KeyError, TypeError):
        raise garbage("is not what it should be") from None
    message = {"role": "assistant", "content": text or None, **({"tool_calls": calls} if calls else {})}
    choice = {"index": 0, "message": message, "finish_reason": _ENDS.get(str(answer.get("stopReason")), "stop")}
    return {
        "id": made,
        "object": "chat.completion",
        "created": at,
        "model": model,
        "choices": [choice],
        "usage": _usage(answer.get("usage")),
    }


def _called(use: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(use["input"], ensure_ascii=False)
    return {"id": use["toolUseId"], "type": "function", "function": {"name": use["name"], "arguments": arguments}}


def _usage(said: Any) -> dict[str, Any] | None:
    """OpenAI's counts, whose input includes what was read from a cache and written to one."""
    if not isinstance(said, Mapping):
        return None
    read, written = said.get("cacheReadInputTokens") or 0, said.get("cacheWriteInputTokens") or 0
    counted, told = said.get("inputTokens"), said.get("outputTokens")
    if not isinstance(counted, int) or not isinstance(told, int):
        return None
    taken = counted + read + written
    details = {"cached_tokens": read, "cache_write_tokens": written}
    return {
        "prompt_tokens": taken,
        "completion_tokens": told,
        "total_tokens": taken + told,
        "prompt_tokens_details": details,
    }


class ConverseParts:
    """The parts of a chat completion from the events of `ConverseStream`.

    Args:
        made, at, model: as of `as_chat`.
    """

    def __init__(self, made: str, at: int, model: str) -> None:
        self._base = {"id": made, "object": "chat.completion.chunk", "created": at, "model": model}
        self._calls: dict[int, int] = {}
        self.whole = False

    def part(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        """The part for an event; None where it says nothing."""
        if "messageStart" in event:
            return self._chunk({"role": "assistant", "content": ""})
        if start := event.get("contentBlockStart"):
            use = start.get("start", {}).get("toolUse")
            if use is None:
                return None
            number = self._calls[start["contentBlockIndex"]] = len(self._calls)
            function = {"name": use["name"], "arguments": ""}
            call = {"index": number, "id": use["toolUseId"], "type": "function", "function": function}
            return self._chunk({"tool_calls": [call]})
        if block := event.get("contentBlockDelta"):
            said = block.get("delta", {})
            if "text" in said:
                return self._chunk({"content": said["text"]})
            if "toolUse" in said:
                number = self._calls.get(block["contentBlockIndex"], 0)
                return self._chunk(
                    {"tool_calls": [{"index": number, "function": {"arguments": said["toolUse"]["input"]}}]}
                )
            return None
        if stop := event.get("messageStop"):
            return self._chunk({}, _ENDS.get(stop.get("stopReason"), "stop"))
        if metadata := event.get("metadata"):
            self.whole = True
            return {**self._base, "choices": [], "usage": _usage(metadata.get("usage"))}
        return None

    def _chunk(self, delta: dict[str, Any], ends: str | None = None) -> dict[str, Any]:
        return {**self._base, "choices": [{"index": 0, "delta": delta, "finish_reason": ends}], "usage": None}
