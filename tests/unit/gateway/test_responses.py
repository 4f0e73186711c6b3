"""`/v1/responses` with OpenAI's own client: from a provider that has it, and from one that has chats alone."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from gateway_desk import PRICED_AS, Desk, api, open_desk
from gateway_world import COSTS
from gateway_world import client as aws
from sandbox_world import wait_for
from stub_provider import StubProvider, stub_provider

from model_packaging.validation import parse
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.service.errors import RefusedError
from scaletozero.gateway.service.failures import FailedError
from scaletozero.gateway.service.messages import messages_request
from scaletozero.gateway.service.readings import count_of
from scaletozero.gateway.service.response_chats import as_response
from scaletozero.gateway.service.responses import responses_request
from scaletozero.settings.gateway_models import Model
from scaletozero.settings.gateway_targets import Provider
from scaletozero.spending.token_rates import TokenCount

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "d",
    "parameters": {"type": "object"},
    "strict": False,
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}
TEXT = "part0 part1 part2 "
API = {"base_url": "https://api.example.com/v1", "model": "there", "secret": "key", "price": PRICED_AS}
MODEL = parse(Model, {"provider": API, "max_output_tokens": 1000, "default_output_tokens": 100}, "model")
CHAT = parse(Provider, API, "provider")


@pytest.fixture
def provider() -> Iterator[StubProvider]:
    with stub_provider() as server:
        yield server


@pytest.fixture
def desk(provider: StubProvider, priced: None, store: DynamoStore) -> Iterator[Desk]:
    native = {"provider": api(provider, speaks=["responses"]), "default_output_tokens": 100}
    both = {"targets": [{"provider": native["provider"]}, {"provider": api(provider)}]}
    with open_desk(
        aws, provider, {"native": native, "both": both, "kept": {**native, "cache": {"seconds": 60}}}
    ) as desk:
        yield desk


def create(desk: Desk, model: str, given: Any = "Hello", **more: Any) -> Any:
    return desk.client(max_retries=0).responses.create(model=model, input=given, **more)


def test_a_response_of_a_provider_that_has_them(desk: Desk, provider: StubProvider) -> None:
    answer = create(desk, "native", instructions="Be brief.", tools=[{"type": "custom", "name": "own"}])
    assert (answer.output_text, answer.model, answer.status) == ("Hello there", "native", "completed")
    assert answer._request_id.startswith("req_")
    path, headers, sent = provider.received[0]
    assert (path, headers["Authorization"]) == ("/v1/responses", "Bearer sk-provider")
    assert (sent["model"], sent["max_output_tokens"], sent["store"]) == ("luna", 100, False)
    assert (sent["input"], sent["instructions"], sent["tools"][0]["type"]) == ("Hello", "Be brief.", "custom")
    assert desk.settled().spent == COSTS
    (record,) = desk.records()
    assert (record["input_tokens"], record["cached_tokens"], record["estimated"]) == (12, 4, False)


def test_what_a_caller_wants_stored_is(desk: Desk, provider: StubProvider) -> None:
    create(desk, "native", store=True)
    assert provider.received[0][2]["store"] is True


@pytest.mark.parametrize("model", ["native", "small"])
def test_a_stream(desk: Desk, provider: StubProvider, model: str) -> None:
    with desk.client().responses.stream(model=model, input="Hello") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert "".join(each.delta for each in events if each.type == "response.output_text.delta") == TEXT
    assert (final.output_text, final.model, final.status) == (TEXT, model, "completed")
    assert final.usage
    assert (final.usage.input_tokens, final.usage.input_tokens_details.cached_tokens) == (12, 4)
    assert (final.usage.output_tokens, final.usage.total_tokens) == (7, 19)
    assert desk.settled().spent == COSTS


def test_the_events_of_a_translated_stream_are_in_order(desk: Desk, provider: StubProvider) -> None:
    events = list(create(desk, "small", stream=True))
    assert [each.type for each in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * 3,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [each.sequence_number for each in events] == list(range(len(events)))
    assert events[-1].response.output[0].content[0].text == TEXT


def test_a_response_of_a_provider_with_chats_alone(desk: Desk, provider: StubProvider) -> None:
    schema = {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": True}
    answer = create(
        desk,
        "small",
        [
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        ],
        instructions="Be brief.",
        temperature=0,
        user="u",
        text={"format": schema, "verbosity": "low"},
        reasoning={"effort": "low"},
        metadata={"a": "b"},
    )
    assert (answer.output_text, answer.model, answer.status) == ("Hello there", "small", "completed")
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.metadata) == (12, 7, {"a": "b"})
    path, _, sent = provider.received[0]
    assert path == "/v1/chat/completions"
    assert sent == {
        "model": "luna",
        "max_completion_tokens": 100,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hello"},
        ],
        "temperature": 0,
        "user": "u",
        "verbosity": "low",
        "reasoning_effort": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {key: schema[key] for key in ("name", "schema", "strict")},
        },
    }
    assert desk.settled().spent == COSTS


def test_tools_go_both_ways(desk: Desk, provider: StubProvider) -> None:
    provider.always = {
        "message": {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "call_2"}]}
    }
    choice = {"type": "function", "name": "weather"}
    asked = create(desk, "small", tools=[WEATHER], tool_choice=choice, parallel_tool_calls=False)
    first, second = asked.output
    assert (first.type, first.call_id, first.name, first.arguments) == (
        "function_call",
        "call_1",
        "weather",
        '{"city": "Bonn"}',
    )
    sent = provider.received[0][2]
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == (
        {"type": "function", "function": {"name": "weather"}},
        False,
    )
    assert sent["tools"][0]["function"] == {
        key: WEATHER[key] for key in ("name", "description", "parameters", "strict")
    }
    provider.always = {}
    told = [{"type": "function_call_output", "call_id": each.call_id, "output": "rain"} for each in asked.output]
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    calls = [each.model_dump(exclude_none=True) for each in (first, second)]
    create(desk, "small", [{"role": "user", "content": "Hello"}, thought, *calls, *told], tools=[WEATHER])
    user, calling, *results = provider.received[1][2]["messages"]
    assert user == {"role": "user", "content": "Hello"}
    assert (calling["role"], calling["content"]) == ("assistant", None)
    assert [each["id"] for each in calling["tool_calls"]] == ["call_1", "call_2"]
    assert results == [{"role": "tool", "tool_call_id": name, "content": "rain"} for name in ("call_1", "call_2")]


def test_tools_in_a_stream(desk: Desk, provider: StubProvider) -> None:
    def call(index: int, **about: Any) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, **about}]}

    provider.always = {
        "deltas": [
            {"content": "I look."},
            call(0, id="call_1", function={"name": "weather", "arguments": ""}),
            call(0, function={"arguments": '{"city": '}),
            call(0, function={"arguments": '"Bonn"}'}),
            call(1, id="call_2", function={"name": "weather", "arguments": "{}"}),
            {"finish_reason": "tool_calls"},
        ]
    }
    with desk.client().responses.stream(model="small", input="Hello", tools=[WEATHER]) as stream:
        final = stream.get_final_response()
    assert [each.type for each in final.output] == ["message", "function_call", "function_call"]
    assert [each.arguments for each in final.output if each.type == "function_call"] == ['{"city": "Bonn"}', "{}"]
    assert final.output_text == "I look."


def test_an_answer_that_was_cut_and_one_that_was_refused() -> None:
    chat = {"choices": [{"message": {"content": "a"}, "finish_reason": "length"}], "created": 7}
    cut = as_response({"model": "small"}, chat)
    assert (cut["status"], cut["incomplete_details"], cut["created_at"], cut["usage"]) == (
        "incomplete",
        {"reason": "max_output_tokens"},
        7,
        None,
    )
    refused = as_response({"model": "small"}, {"choices": [{"message": {"refusal": "no"}}]})
    assert refused["output"][0]["content"] == [{"type": "refusal", "refusal": "no"}]


@pytest.mark.parametrize(
    "chat",
    [
        {},
        {"choices": []},
        {"choices": [{"message": {"content": ["a"]}}]},
        {"choices": [{"message": {"tool_calls": [{"id": "a", "function": {"name": "b", "arguments": {}}}]}}]},
        {"choices": [{"message": {"tool_calls": [7]}}]},
    ],
)
def test_an_answer_that_is_none(chat: dict[str, Any]) -> None:
    with pytest.raises(FailedError):
        as_response({"model": "small"}, chat)


@pytest.mark.parametrize("model", ["native", "small"])
def test_a_stream_that_breaks_off_is_settled_for_what_came(desk: Desk, provider: StubProvider, model: str) -> None:
    provider.always = {"broken": True}
    with pytest.raises(openai.APIError, match="broke off"):
        list(create(desk, model, stream=True))
    desk.settled()
    (record,) = desk.records()
    assert record["estimated"] is True
    assert 0 < record["used"] < record["held"]
    assert record["output_tokens"] == len(TEXT)


def test_an_error_in_the_middle_of_a_response_is_told(desk: Desk, provider: StubProvider) -> None:
    provider.always = {"failing": True}
    with pytest.raises(openai.APIError) as caught:
        list(create(desk, "native", stream=True))
    assert "broke off" in str(caught.value)
    assert "secret inside" not in str(caught.value)


def test_the_next_target_speaks_another_protocol(desk: Desk, provider: StubProvider) -> None:
    provider.always = {"status": 500}
    with pytest.raises(openai.InternalServerError):
        create(desk, "both")
    assert [path for path, _, _ in provider.received] == ["/v1/responses", "/v1/chat/completions"]
    assert desk.settled().spent == 0


def test_a_provider_of_responses_alone_has_nothing_else() -> None:
    only = parse(Provider, {**API, "speaks": ["responses"]}, "provider")
    with pytest.raises(RefusedError) as caught:
        messages_request({"model": "small", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]}).sent(
            only, MODEL
        )
    assert caught.value.code == "model_not_supported"
    messages = parse(Provider, {**API, "speaks": ["messages"]}, "provider")
    with pytest.raises(RefusedError) as caught:
        responses_request({"model": "small", "input": "a"}).sent(messages, MODEL)
    assert caught.value.code == "model_not_supported"


@pytest.mark.parametrize(
    "host, speaks",
    [("api.openai.com", True), ("eu.api.openai.com", True), ("notapi.openai.com", False), ("api.example.com", False)],
)
def test_which_hosts_have_responses(host: str, speaks: bool) -> None:
    found = parse(Provider, {**API, "base_url": f"https://{host}/v1"}, "provider")
    assert ("responses" in found.protocols) == speaks


def test_a_response_is_kept_like_every_answer(desk: Desk, provider: StubProvider) -> None:
    for state in ("miss", "hit"):
        found = desk.client().responses.with_raw_response.create(model="kept", input="Hello", temperature=0)
        assert (found.headers["x-scaletozero-cache"], found.parse().output_text) == (state, "Hello there")
        wait_for(lambda: desk.ended)
    assert len(provider.received) == 1


def test_counts_that_cannot_be_true_are_none() -> None:
    usage = {"input_tokens": 12, "output_tokens": 7, "input_tokens_details": {"cached_tokens": 4}}
    assert count_of("/responses", usage) == TokenCount(12, 7, 4)
    assert count_of("/responses", {**usage, "input_tokens": 3}) is None
    assert count_of("/responses", {"prompt_tokens": 3}) is None


def item(**about: Any) -> dict[str, Any]:
    return {"input": [about]}


@pytest.mark.parametrize(
    "fields, param",
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"model": None}, "model"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": 1001}, "max_output_tokens"),
        ({"max_output_tokens": "9"}, "max_output_tokens"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"instructions": ["a"]}, "instructions"),
        ({"reasoning": "low"}, "reasoning"),
        ({"text": "json"}, "text"),
        ({"include": ["web_search_call.results"]}, "include"),
        ({"include": 7}, "include"),
        ({"store": "yes"}, "store"),
        ({"stream": "yes"}, "stream"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tools": 7}, "tools"),
        (item(type="item_reference", id="msg_1"), "input[0]"),
        (item(type="file_search_call"), "input[0]"),
        ({"input": ["a"]}, "input[0]"),
        (item(role="tool", content="a"), "input[0].role"),
        (item(role="user"), "input[0].content"),
        (
            item(role="user", content=[{"type": "input_image", "image_url": "https://example.com/a.png"}]),
            "input[0].content[0]",
        ),
        (item(role="user", content=[{"type": "input_file", "file_id": "f"}]), "input[0].content[0]"),
        (item(role="user", content=[{"type": "input_text"}]), "input[0].content[0].text"),
        (item(type="function_call", call_id="a", name="b"), "input[0].arguments"),
        (item(type="function_call_output", output="a"), "input[0].call_id"),
        (item(type="function_call_output", call_id="a"), "input[0].output"),
        # What has no counterpart in a chat:
        (item(type="custom_tool_call", call_id="a", name="b", input="c"), "input[0]"),
        (item(type="reasoning", summary=[]), "input"),
        ({"tools": [{"type": "custom", "name": "a"}]}, "tools[0]"),
        ({"tools": [WEATHER], "tool_choice": "some"}, "tool_choice"),
        ({"truncation": "auto"}, "truncation"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
        ({"reasoning": {"summary": "auto"}}, "reasoning.summary"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format"),
        ({"text": {"format": "json"}}, "text.format"),
    ],
)
def test_a_response_that_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RefusedError) as caught:
        responses_request({"model": "small", "input": "Hello", **fields}).sent(CHAT, MODEL)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_what_is_sent_is_json() -> None:
    path, body = responses_request({"model": "small", "input": "Hello"}).sent(CHAT, MODEL)
    assert (path, json.loads(body)["max_completion_tokens"]) == ("/chat/completions", 100)
