"""`/v1/messages` with Anthropic's own client: from a provider that has it, and from one that has chats alone."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from gateway_desk import PRICED_AS, Desk, api, open_desk
from gateway_world import COSTS, HELLO, post
from gateway_world import client as aws
from hypothesis import given
from hypothesis import strategies as st
from stub_provider import StubProvider, stub_provider

from model_packaging.validation import parse
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.service.bodies import chat_request
from scaletozero.gateway.service.errors import RefusedError
from scaletozero.gateway.service.messages import messages_request
from scaletozero.settings.gateway_models import Model
from scaletozero.settings.gateway_targets import Provider
from scaletozero.spending.api_models import token_tariff
from scaletozero.spending.money import micros
from scaletozero.spending.token_rates import TokenCount

CLAUDE = "anthropic/claude-haiku-4-5"
NATIVE = micros(token_tariff(CLAUDE).usd(TokenCount(14, 7, 4, 2)))
"""What the stub's usage of a message costs."""

WEATHER: Any = {"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}


@pytest.fixture
def provider() -> Iterator[StubProvider]:
    with stub_provider() as server:
        yield server


@pytest.fixture
def desk(provider: StubProvider, priced: None, store: DynamoStore) -> Iterator[Desk]:
    claude = {"provider": api(provider, model="haiku", price=CLAUDE, speaks=["messages"])}
    both = [{"provider": api(provider, model="haiku", price=CLAUDE, speaks=["messages"])}, {"provider": api(provider)}]
    with open_desk(
        aws, provider, {"claude": claude, "both": {"targets": both}}, poor={"cap_usd_per_month": "0.0001"}
    ) as desk:
        yield desk


def create(desk: Desk, model: str, messages: Any = HELLO, **more: Any) -> Any:
    return desk.anthropic().messages.create(model=model, messages=messages, max_tokens=100, **more)


def test_a_message_of_a_provider_that_has_them(desk: Desk, provider: StubProvider) -> None:
    cached = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    answer = create(desk, "claude", system=cached, thinking={"type": "enabled", "budget_tokens": 50})
    assert (answer.content[0].text, answer.model, answer.stop_reason) == ("Hello there", "claude", "end_turn")
    assert answer._request_id.startswith("req_")
    path, headers, sent = provider.received[0]
    assert (path, sent["model"], sent["max_tokens"], sent["system"]) == ("/v1/messages", "haiku", 100, cached)
    assert headers["x-api-key"] == "sk-provider"
    assert headers["anthropic-version"]
    assert "Authorization" not in headers
    assert desk.settled().spent == NATIVE
    (record,) = desk.records()
    assert (record["input_tokens"], record["cached_tokens"], record["estimated"]) == (14, 4, False)


def test_a_stream_of_a_provider_that_has_them(desk: Desk, provider: StubProvider) -> None:
    with desk.anthropic().messages.stream(model="claude", messages=HELLO, max_tokens=100) as stream:
        assert "".join(stream.text_stream) == "part0 part1 part2 "
        final = stream.get_final_message()
    assert (final.model, final.usage.output_tokens, final.usage.input_tokens) == ("claude", 7, 8)
    assert desk.settled().spent == NATIVE


def test_a_message_of_a_provider_with_chats_alone(desk: Desk, provider: StubProvider) -> None:
    answer = create(
        desk, "small", system="Be brief.", stop_sequences=["."], metadata={"user_id": "u"}, extra_body={"top_k": 3}
    )
    assert (answer.content[0].text, answer.model, answer.stop_reason) == ("Hello there", "small", "end_turn")
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens, answer.usage.output_tokens) == (8, 4, 7)
    path, _, sent = provider.received[0]
    assert path == "/v1/chat/completions"
    assert sent == {
        "model": "luna",
        "max_completion_tokens": 100,
        "messages": [{"role": "system", "content": "Be brief."}, *HELLO],
        "stop": ["."],
        "user": "u",
        "top_k": 3,
    }
    assert desk.settled().spent == COSTS


def test_a_stream_of_a_provider_with_chats_alone(desk: Desk, provider: StubProvider) -> None:
    with desk.anthropic().messages.stream(model="small", messages=HELLO, max_tokens=100) as stream:
        assert "".join(stream.text_stream) == "part0 part1 part2 "
        final = stream.get_final_message()
    assert (final.usage.input_tokens, final.usage.cache_read_input_tokens, final.usage.output_tokens) == (8, 4, 7)
    assert provider.received[0][2]["stream_options"] == {"include_usage": True}
    assert desk.settled().spent == COSTS


def test_tools_go_both_ways(desk: Desk, provider: StubProvider) -> None:
    provider.always = {"message": {"role": "assistant", "content": None, "tool_calls": [CALL]}}
    asked = create(desk, "small", tools=[WEATHER], tool_choice={"type": "any", "disable_parallel_tool_use": True})
    used = asked.content[0]
    assert (used.type, used.id, used.name, used.input) == ("tool_use", "call_1", "weather", {"city": "Bonn"})
    sent = provider.received[0][2]
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ("required", False)
    assert sent["tools"][0]["function"]["parameters"] == WEATHER["input_schema"]
    provider.always = {}
    result = {"type": "tool_result", "tool_use_id": used.id, "content": [{"type": "text", "text": "rain"}]}
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    said = [thought, {"type": "text", "text": "I look."}, used.model_dump(include={"type", "id", "name", "input"})]
    create(desk, "small", [*HELLO, {"role": "assistant", "content": said}, {"role": "user", "content": [result]}])
    _, calling, told = provider.received[1][2]["messages"]
    assert (calling["content"], calling["tool_calls"][0]["id"]) == ("I look.", "call_1")
    assert json.loads(calling["tool_calls"][0]["function"]["arguments"]) == {"city": "Bonn"}
    assert told == {"role": "tool", "tool_call_id": "call_1", "content": "rain"}


def test_tools_in_a_stream(desk: Desk, provider: StubProvider) -> None:
    def call(index: int, **about: Any) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, **about}]}

    named = {"id": "call_1", "function": {"name": "weather", "arguments": ""}}
    provider.always = {
        "deltas": [
            {"content": "I look."},
            call(0, **named),
            call(0, function={"arguments": '{"city": '}),
            call(0, function={"arguments": '"Bonn"}'}),
            call(1, id="call_2", function={"name": "weather", "arguments": "{}"}),
            {"finish_reason": "tool_calls"},
        ]
    }
    with desk.anthropic().messages.stream(model="small", messages=HELLO, max_tokens=100, tools=[WEATHER]) as stream:
        final = stream.get_final_message()
    assert [each.type for each in final.content] == ["text", "tool_use", "tool_use"]
    assert [each.input for each in final.content if each.type == "tool_use"] == [{"city": "Bonn"}, {}]
    assert final.stop_reason == "tool_use"


def test_arguments_that_are_not_an_object(desk: Desk, provider: StubProvider) -> None:
    broken = {**CALL, "function": {"name": "weather", "arguments": "{"}}
    provider.always = {"message": {"role": "assistant", "content": None, "tool_calls": [broken]}}
    with pytest.raises(anthropic.InternalServerError):
        desk.anthropic(max_retries=0).messages.create(model="small", messages=HELLO, max_tokens=100)
    assert desk.settled().spent > 0


@pytest.mark.parametrize("model", ["claude", "small"])
def test_a_stream_that_breaks_off_is_settled_for_what_came(desk: Desk, provider: StubProvider, model: str) -> None:
    provider.always = {"broken": True}
    with (
        pytest.raises(anthropic.APIError, match="broke off"),
        desk.anthropic().messages.stream(model=model, messages=HELLO, max_tokens=100) as stream,
    ):
        stream.get_final_message()
    desk.settled()
    (record,) = desk.records()
    assert record["estimated"] is True
    assert 0 < record["used"] < record["held"]
    # A message tells its input at its beginning; of a chat that broke off nothing is known.
    assert record["output_tokens"] == len("part0 part1 part2 ")
    assert (record["input_tokens"] == 14) == (model == "claude")


def test_an_error_in_the_middle_of_a_message_is_told(desk: Desk, provider: StubProvider) -> None:
    provider.always = {"failing": True}
    with pytest.raises(anthropic.APIError) as caught:
        list(create(desk, "claude", stream=True))
    assert "secret inside" not in str(caught.value)


def test_the_next_target_speaks_another_protocol(desk: Desk, provider: StubProvider) -> None:
    provider.always = {"status": 529}
    with pytest.raises(anthropic.InternalServerError):
        desk.anthropic(max_retries=0).messages.create(model="both", messages=HELLO, max_tokens=100)
    assert [path for path, _, _ in provider.received] == ["/v1/messages"] * 2 + ["/v1/chat/completions"] * 2
    assert desk.settled().spent == 0
    provider.always = {}
    chat = post(desk, "/v1/chat/completions", json.dumps({"model": "both", "messages": HELLO}).encode())
    assert (chat.status_code, provider.received[-1][2]["model"]) == (200, "luna")


def test_errors_have_anthropic_s_form(desk: Desk, provider: StubProvider) -> None:
    with pytest.raises(anthropic.AuthenticationError) as refused:
        desk.anthropic("nobody").messages.create(model="claude", messages=HELLO, max_tokens=1)
    body: Any = refused.value.body
    assert (body["type"], body["error"]["type"]) == ("error", "authentication_error")
    assert body["request_id"] == refused.value.request_id
    with pytest.raises(anthropic.APIStatusError) as capped:
        desk.anthropic("poor").messages.create(model="claude", messages=HELLO, max_tokens=1000)
    body = capped.value.body
    assert (capped.value.status_code, body["error"]["type"]) == (402, "billing_error")
    assert body["error"]["details"] == {"error_code": "month_cap_reached"}
    with pytest.raises(anthropic.NotFoundError):
        create(desk, "none")
    provider.always = {"status": 429, "headers": {"Retry-After": "7"}}
    with pytest.raises(anthropic.RateLimitError) as limited:
        desk.anthropic(max_retries=0).messages.create(model="claude", messages=HELLO, max_tokens=1)
    assert limited.value.response.headers["Retry-After"] == "7"
    assert provider.received[1:] == []
    key = {"Authorization": f"Bearer {desk.keys['acme']}"}
    assert post(desk, "/v1/messages", b"{", **key).json()["error"]["type"] == "invalid_request_error"


API = {"base_url": "https://api.example.com/v1", "model": "there", "secret": "key", "price": PRICED_AS}
MODEL = parse(Model, {"provider": API, "max_output_tokens": 1000, "default_output_tokens": 100})
CHAT = parse(Provider, API)


def message(**fields: Any) -> dict[str, Any]:
    return {"model": "small", "max_tokens": 10, "messages": HELLO, **fields}


def block(**about: Any) -> dict[str, Any]:
    return message(messages=[{"role": "user", "content": [about]}])


@pytest.mark.parametrize(
    "fields, param",
    [
        (message(max_tokens=None), "max_tokens"),
        (message(max_tokens=-1), "max_tokens"),
        (message(max_tokens=10**30), "max_tokens"),
        (message(max_tokens="9"), "max_tokens"),
        (message(model=None), "model"),
        (message(messages=[]), "messages"),
        (message(messages="Hello"), "messages"),
        (message(messages=[{"role": "system", "content": "a"}]), "messages.0"),
        (message(messages=[{"role": "user", "content": 7}]), "messages.0.content"),
        (block(type="image", source={"type": "url", "url": "https://example.com/a.png"}), "messages.0.content.0"),
        (block(type="document", source={"type": "file", "file_id": "f"}), "messages.0.content.0"),
        (block(type="text"), "messages.0.content.0.text"),
        (block(type="tool_use", id="a", name="b", input="c"), "messages.0.content.0"),
        (block(type="tool_result"), "messages.0.content.0.tool_use_id"),
        (block(type="tool_result", tool_use_id="a", content=[{"type": "image"}]), "messages.0.content.0.content.0"),
        (
            block(type="text", text="a", cache_control={"type": "ephemeral", "ttl": "1h"}),
            "messages.0.content.0.cache_control",
        ),
        (message(system=[{"type": "image"}]), "system.0"),
        (message(tools=[{"type": "web_search_20250305", "name": "web_search"}]), "tools.0"),
        (message(tools=7), "tools"),
        (message(tools=[WEATHER], tool_choice={"type": "some"}), "tool_choice"),
        (message(service_tier="auto"), "service_tier"),
        (message(inference_geo="us"), "inference_geo"),
        (message(mcp_servers=[{}]), "mcp_servers"),
        (message(thinking={"type": "enabled", "budget_tokens": 5}), "thinking"),
        (message(stream="yes"), "stream"),
    ],
)
def test_a_message_that_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RefusedError) as caught:
        messages_request(fields).sent(CHAT, MODEL)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_a_provider_without_chats_is_not_asked_for_one() -> None:
    provider = parse(Provider, {**API, "speaks": ["messages"]})
    with pytest.raises(RefusedError, match="has no chat completions"):
        chat_request({"model": "small", "messages": HELLO}).sent(provider, MODEL)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["text", "user", "tool_use"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "role", "content", "name", "id", "input"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["messages", "system", "tools", "tool_choice", "thinking", "metadata"]), values))
def test_any_message_is_accepted_or_refused(fields: dict[str, Any]) -> None:
    try:
        messages_request(message(**fields)).sent(CHAT, MODEL)
    except RefusedError as error:
        assert error.status == 400
