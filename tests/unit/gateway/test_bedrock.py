"""A model on Bedrock as a target: what it is sent, what its answers become and cost, and whose fault an error is."""

import functools
import json
from collections.abc import Iterator
from typing import Any

import boto3
import openai
import pytest
from botocore.exceptions import ClientError
from gateway_desk import Desk, open_desk
from gateway_world import HELLO, client
from stub_bedrock import StubBedrock, stub_bedrock
from stub_provider import stub_provider

from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.role_policy import gateway_policy
from scaletozero.gateway.service.converse import as_converse
from scaletozero.gateway.service.errors import RefusedError
from scaletozero.gateway.service.failures import bedrock_failure
from scaletozero.spending.api_models import token_tariff
from scaletozero.spending.money import micros
from scaletozero.spending.token_rates import TokenCount

NOVA, CLAUDE = "amazon.nova-lite-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0"
WEATHER: Any = {
    "type": "function",
    "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}},
}
CALL = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}


def costs(model: str) -> int:
    return micros(token_tariff(f"aws/{model}").usd(TokenCount(12, 7, 4)))


@pytest.fixture
def bedrock() -> Iterator[StubBedrock]:
    with stub_bedrock() as server:
        yield server


@functools.cache
def runtime(url: str) -> Any:
    given = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}
    return boto3.client("bedrock-runtime", endpoint_url=url, **given)  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.fixture
def desk(bedrock: StubBedrock, priced: None, store: DynamoStore) -> Iterator[Desk]:
    models: Any = {"nova": {"bedrock": {"model": NOVA}}, "claude": {"bedrock": {"model": CLAUDE}}}

    def clients(service: str) -> Any:
        return runtime(bedrock.url) if service == "bedrock-runtime" else client(service)

    with stub_provider() as provider, open_desk(clients, provider, models) as desk:
        yield desk


def test_a_chat_is_sent_as_converse_and_paid_by_its_tokens(desk: Desk, bedrock: StubBedrock) -> None:
    bedrock.content = [
        {"text": "It is "},
        {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Bonn"}}},
    ]
    bedrock.stop = "tool_use"
    answer = desk.client().chat.completions.create(
        model="nova",
        messages=HELLO,
        tools=[WEATHER],
        temperature=0.5,
        stop="END",
        max_tokens=50,
    )
    (choice,) = answer.choices
    assert (answer.model, choice.message.content, choice.finish_reason) == ("nova", "It is ", "tool_calls")
    assert [each.model_dump() for each in choice.message.tool_calls or ()] == [CALL]
    ((model, operation, signature, asked),) = bedrock.received
    assert (model, operation) == (NOVA, "converse")
    assert "AWS4-HMAC-SHA256" in signature
    assert "/eu-central-1/bedrock/" in signature
    assert asked["inferenceConfig"] == {"maxTokens": 50, "temperature": 0.5, "stopSequences": ["END"]}
    assert asked["messages"] == [{"role": "user", "content": [{"text": "Hello"}]}]
    assert asked["toolConfig"]["tools"][0]["toolSpec"]["name"] == "weather"
    assert desk.settled().spent == costs(NOVA)
    (record,) = desk.records()
    assert (record["asked"], record["estimated"]) == (f"bedrock/{NOVA}", False)


def test_a_chat_in_parts(desk: Desk, bedrock: StubBedrock) -> None:
    options: Any = {"stream": True, "stream_options": {"include_usage": True}}
    parts: list[Any] = list(desk.client().chat.completions.create(model="nova", messages=HELLO, **options))
    deltas = [choice.delta for part in parts for choice in part.choices]
    assert "".join(each.content or "" for each in deltas) == "part0 part1 part2 "
    calls = [call.function for each in deltas for call in each.tool_calls or ()]
    assert (calls[0].name, "".join(each.arguments for each in calls)) == ("weather", '{"city": "Bonn"}')
    assert parts[-1].usage.prompt_tokens == 12
    assert desk.settled().spent == costs(NOVA)


def test_a_stream_that_breaks_off_is_told_and_paid_for(desk: Desk, bedrock: StubBedrock) -> None:
    bedrock.frames = 3
    with pytest.raises(openai.APIError, match="broke off"):
        list(desk.client().chat.completions.create(model="nova", messages=HELLO, stream=True))
    assert desk.settled().spent > 0
    (record,) = desk.records()
    assert record["estimated"] is True


@pytest.mark.parametrize("stream", [False, True])
def test_a_message_of_anthropics_is_sent_as_it_is(desk: Desk, bedrock: StubBedrock, stream: bool) -> None:
    created: Any = desk.anthropic().messages.create(model="claude", messages=HELLO, max_tokens=50, stream=stream)
    if stream:
        assert [each.type for each in created][-1] == "message_stop"
    else:
        assert created.content[0].text == "Hello there"
    ((model, operation, _, asked),) = bedrock.received
    assert (model, operation.startswith("invoke")) == (CLAUDE, True)
    assert asked == {"messages": HELLO, "max_tokens": 50, "anthropic_version": "bedrock-2023-05-31"}
    assert desk.settled().spent == costs(CLAUDE)


def test_what_has_no_counterpart_is_refused_before_anything_is_sent(desk: Desk, bedrock: StubBedrock) -> None:
    with pytest.raises(openai.BadRequestError, match="seed has no counterpart on Bedrock"):
        desk.client().chat.completions.create(model="nova", messages=HELLO, seed=1)
    with pytest.raises(openai.BadRequestError, match="has no embeddings"):
        desk.client().embeddings.create(model="nova", input="a")
    assert bedrock.received == []


@pytest.mark.parametrize(
    ("code", "text", "kind", "status"),
    [
        ("ThrottlingException", "Too many requests", "throttled", 429),
        ("ThrottlingException", "Too many tokens per day", "capped", 503),
        ("ServiceQuotaExceededException", "", "capped", 503),
        ("ServiceUnavailableException", "", "overloaded", 503),
        ("ModelNotReadyException", "", "overloaded", 503),
        ("throttlingException", "in a stream", "throttled", 429),
        ("ValidationException", "messages: wrong", "refused", 400),
        ("ValidationException", "on-demand throughput isn't supported", "failed", 502),
        ("AccessDeniedException", "arn:of:a:role", "failed", 502),
        ("ModelTimeoutException", "", "failed", 504),
        ("ModelErrorException", "", "failed", 502),
    ],
)
def test_the_class_of_an_error(code: str, text: str, kind: str, status: int) -> None:
    failure = bedrock_failure(ClientError({"Error": {"Code": code, "Message": text}}, "Converse"))
    assert (failure.kind, failure.refusal.status) == (kind, status)
    assert failure.billed is code.startswith("ModelT") or code.startswith("ModelE")
    assert "arn:" not in failure.refusal.message


def test_a_conversation_with_calls_takes_turns() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "t1", "content": "rain"},
        {"role": "user", "content": "And now?"},
    ]
    asked = as_converse({"messages": messages, "max_tokens": 9, "tools": [WEATHER], "tool_choice": "required"})
    assert asked["system"] == [{"text": "Be brief."}]
    assert [each["role"] for each in asked["messages"]] == ["user", "assistant", "user"]
    assert asked["messages"][1]["content"] == [
        {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Bonn"}}}
    ]
    assert asked["messages"][2]["content"][0]["toolResult"] == {"toolUseId": "t1", "content": [{"text": "rain"}]}
    assert asked["toolConfig"]["toolChoice"] == {"any": {}}


def test_the_role_may_ask_a_profile_and_its_models_through_it_alone() -> None:
    logs = "arn:aws:logs:eu-central-1:123456789012:log-group:g"
    asked = gateway_policy("eu-central-1", logs, "ledger", None, [], [], None, models=[NOVA, f"eu.{CLAUDE}"])
    found = {each["Sid"]: each for each in json.loads(asked)["Statement"]}
    profile = f"arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.{CLAUDE}"
    assert found["AskModels"]["Resource"] == [f"arn:aws:bedrock:eu-central-1::foundation-model/{NOVA}", profile]
    behind = found["AskModelsOfProfiles"]
    assert behind["Resource"] == [f"arn:aws:bedrock:*::foundation-model/{CLAUDE}"]
    assert behind["Condition"] == {"ArnLike": {"bedrock:InferenceProfileArn": [profile]}}


WRONG_CHATS: list[tuple[dict[str, Any], str]] = [
    ({"n": 2}, "n must be 1"),
    ({"store": True}, "store"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"tools": [{"type": "custom"}]}, "tools[0] must be of type function"),
    ({"messages": [{"role": "oracle", "content": "x"}]}, "messages[0].role must be"),
    ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}, "tool_calls must be calls of functions"),
    ({"messages": [{"role": "assistant", "tool_calls": [CALL]}]}, "tools is required beside calls"),
]


@pytest.mark.parametrize(("more", "said"), WRONG_CHATS)
def test_what_converse_cannot_do_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedError) as caught:
        as_converse({"messages": HELLO, "max_tokens": 9, **more})
    assert said in caught.value.message
