"""Which requests are the same, what a request allows of keeping, and what may be declared of a cache."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.gateway.cache.control import CLOSED, Directions, directions
from scaletozero.gateway.service.bodies import chat_request, embedding_request
from scaletozero.gateway.service.endpoints import EndpointTarget
from scaletozero.gateway.service.messages import messages_request
from scaletozero.gateway.service.providers import ProviderTarget
from scaletozero.gateway.service.questions import Question, conversation_question, embedding_question
from scaletozero.gateway.service.ways import ModelRoute, Way
from scaletozero.settings.gateway_models import Model

API = {"base_url": "https://api.example.com/v1", "model": "there", "secret": "key", "price": "openai/gpt-5-mini"}
ANY = Directions()
HELLO = [{"role": "user", "content": "Hello"}]
SAME_CHATS: list[dict[str, Any]] = [
    {"temperature": 0.0},
    {"max_tokens": 1024},
    {"max_completion_tokens": 1024},
    {"n": 1},
    {"stream": False},
    {"stream_options": {"include_usage": True}},
    {"user": "someone"},
    {"metadata": {"a": "b"}},
    {"safety_identifier": "x"},
    {"prompt_cache_key": "x"},
    {"service_tier": "default"},
    {"store": False},
    {"seed": None},
    {"messages": [{"content": "Hello", "role": "user"}]},
]
OTHER_CHATS: list[dict[str, Any]] = [
    {"max_tokens": 1023},
    {"n": 2},
    {"stream": True},
    {"seed": 1},
    {"top_p": 0.5},
    {"stop": ["a"]},
    {"tools": [{"type": "function", "function": {"name": "f"}}]},
    {"response_format": {"type": "json_object"}},
    {"reasoning_effort": "low"},
    {"messages": [{"role": "user", "content": "hello"}]},
    {"messages": [{"role": "system", "content": "Hello"}]},
    {"messages": [*HELLO, *HELLO]},
]


def route(
    api: dict[str, Any] | None = None, name: str = "small", cache: dict[str, Any] | None = None, digest: str = ""
) -> ModelRoute:
    kept = {"cache": {"seconds": 60, **(cache or {})}}
    if digest:
        model = parse(Model, {"endpoint": "own", **kept}, "model")
        target: Any = EndpointTarget("own", None, None, digest)  # pyright: ignore[reportArgumentType]
    else:
        model = parse(Model, {"provider": {**API, **(api or {})}, **kept}, "model")
        target = ProviderTarget(model.provider, "", None, None)  # pyright: ignore[reportArgumentType]
    return ModelRoute(name, model, (Way(target),))


def chat(of: ModelRoute | None = None, customer: str = "acme", allowed: Directions = ANY, **fields: Any) -> Question:
    asked = chat_request({"model": "small", "messages": HELLO, "temperature": 0, **fields})
    found = conversation_question(of or route(), asked, customer, allowed)
    assert found
    return found


def embedding(of: ModelRoute, **fields: Any) -> str:
    found = embedding_question(of, embedding_request({"model": "small", "input": "a", **fields}), "acme", ANY)
    assert found
    return found.key


@pytest.mark.parametrize("fields", SAME_CHATS)
def test_what_does_not_change_an_answer_is_left_out(fields: dict[str, Any]) -> None:
    assert chat(**fields).key == chat().key


def test_every_field_that_changes_an_answer_makes_another_question() -> None:
    keys = [chat(**fields).key for fields in ({}, *OTHER_CHATS)]
    assert len(set(keys)) == len(keys)
    with_usage = chat(stream=True, stream_options={"include_usage": True}).key
    assert with_usage not in keys


def test_a_changed_model_customer_or_protocol_makes_another_question() -> None:
    message = messages_request({"model": "small", "messages": HELLO, "temperature": 0, "max_tokens": 1024})
    asked = conversation_question(route(), message, "acme", ANY)
    assert asked
    keys = [
        chat().key,
        chat(customer="globex").key,
        chat(route(name="other")).key,
        chat(route({"model": "newer"})).key,
        chat(route({"base_url": "https://eu.api.example.com/v1"})).key,
        chat(route(cache={"shared": True})).key,
        asked.key,
        embedding(route()),
        embedding(route(digest="sha256:a")),
        embedding(route(digest="sha256:b")),
    ]
    assert len(set(keys)) == len(keys)


def test_customers_are_told_apart_unless_they_share() -> None:
    shared = route(cache={"shared": True})
    assert chat(shared, "acme").key == chat(shared, "globex").key


def test_prices_and_times_of_a_cache_are_no_part_of_a_question() -> None:
    assert chat(route(cache={"seconds": 5, "usd_per_hit": "0.1"})).key == chat().key


def test_embeddings_in_one_form_are_one_question() -> None:
    of = route()
    assert embedding(of, input=["a"]) == embedding(of, encoding_format="float") == embedding(of, user="x")
    others = [{}, {"encoding_format": "base64"}, {"dimensions": 5}, {"input": [1]}, {"input": ["a", "a"]}]
    assert len({embedding(of, **each) for each in others}) == len(others)


def test_half_a_character_has_a_question_too() -> None:
    assert chat(messages=[{"role": "user", "content": "\ud800"}]).key != chat().key


@pytest.mark.parametrize(
    "fields", [{"temperature": 0.1}, {"temperature": None}, {"temperature": False}, {"store": True}]
)
def test_what_is_not_kept(fields: dict[str, Any]) -> None:
    assert chat(**fields).directions == CLOSED
    open_ = chat(route(cache={"any_temperature": True}), **fields).directions
    assert open_ == (CLOSED if "store" in fields else ANY)


def test_a_model_without_a_cache_has_no_questions() -> None:
    of = ModelRoute("small", parse(Model, {"provider": API}, "model"), route().ways)
    assert conversation_question(of, chat_request({"model": "small", "messages": HELLO}), "acme", ANY) is None
    assert embedding_question(of, embedding_request({"model": "small", "input": "a"}), "acme", ANY) is None


@given(st.dictionaries(st.sampled_from(("seed", "top_p", "stop", "user")), st.integers(0, 3), min_size=2))
def test_the_order_of_fields_says_nothing(fields: dict[str, Any]) -> None:
    assert chat(**fields).key == chat(**dict(reversed(fields.items()))).key


@pytest.mark.parametrize(
    "headers, read, write, oldest",
    [
        ([], True, True, None),
        ([""], True, True, None),
        (["no-store"], False, False, None),
        (["no-cache"], False, True, None),
        (["No-Cache"], False, True, None),
        (["max-age=60"], True, True, 60),
        (['max-age="60"'], True, True, 60),
        (["max-age=60, no-store"], False, False, 60),
        (["max-age=60", "max-age=5"], True, True, 5),
        (["max-age=0"], True, True, 0),
        (["max-age"], True, True, 0),
        (["max-age=-1"], True, True, 0),
        (["max-age=soon"], True, True, 0),
        (["max-age=²"], True, True, 0),
        (["max-age=" + "9" * 5000], True, True, 10**18 - 1),
        (["min-fresh=5, no-transform, max-stale, x=y"], True, True, None),
        (["no-cached"], True, True, None),
    ],
)
def test_what_the_header_says(headers: list[str], read: bool, write: bool, oldest: int | None) -> None:
    assert directions(headers) == Directions(read, write, oldest)


@pytest.mark.parametrize(
    "cache, message",
    [
        ({}, "cache.seconds: is required"),
        ({"seconds": 0}, "cache.seconds: must be from 1 to 2,592,000 seconds"),
        ({"seconds": 2_592_001}, "must be from 1 to 2,592,000 seconds"),
        ({"seconds": "60"}, "must be a whole number"),
        ({"seconds": 60, "usd_per_hit": -1}, "cache.usd_per_hit: must be from 0 to 1 USD"),
        ({"seconds": 60, "usd_per_hit": 2}, "must be from 0 to 1 USD"),
        ({"seconds": 60, "usd_per_hit": "nan"}, "must be from 0 to 1 USD"),
        ({"seconds": 60, "usd_per_hit": "much"}, "must be a number of USD"),
        ({"seconds": 60, "usd_per_hit": True}, "must be a number of USD"),
        ({"seconds": 60, "usd_per_hit": []}, "must be a number of USD"),
        ({"seconds": 60, "share": True}, "shared"),
    ],
)
def test_what_cannot_be_declared(cache: dict[str, Any], message: str) -> None:
    with pytest.raises(FindingsError) as caught:
        parse(Model, {"provider": API, "cache": cache}, "model")
    assert message in str(caught.value)


def test_an_encoder_has_no_temperature() -> None:
    model = {"endpoint": "own", "cache": {"seconds": 60, "any_temperature": True}}
    found = list(parse(Model, {**model, "cache": {"seconds": 60}}, "model").conflicts())
    assert found == []
    (finding,) = Model.model_validate(model).conflicts()
    assert (finding.path, finding.rule) == ("cache.any_temperature", "is a setting of a model behind a provider")


def test_a_price_is_exact() -> None:
    model = parse(Model, {"provider": API, "cache": {"seconds": 60, "usd_per_hit": 0.0001}}, "model")
    assert model.cache
    assert model.cache.usd_per_hit == Decimal("0.0001")
