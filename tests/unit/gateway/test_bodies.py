"""What a request may ask for, by its body: what would have no bound of its price is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.validation import parse
from scaletozero.gateway.service.bodies import chat_request, embedding_request, read_object
from scaletozero.gateway.service.errors import RefusedError
from scaletozero.settings.gateway_models import Model
from scaletozero.settings.gateway_targets import Provider

HELLO: Any = [{"role": "user", "content": "Hello"}]
API = {"base_url": "https://api.example.com/v1", "model": "there", "secret": "key", "price": "openai/gpt-5-mini"}
MODEL = parse(Model, {"provider": API, "max_output_tokens": 1000, "default_output_tokens": 100})
PROVIDER = parse(Provider, API)


def chat(**fields: Any) -> bytes:
    return json.dumps({"model": "small", "messages": HELLO, **fields}).encode()


@pytest.mark.parametrize(
    "body, param",
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b"null", None),
        (b'{"a": NaN}', None),
        (b"[" * 100_000, None),
        (b"\xff\xfe", None),
        (b'{"model": "small"}', "messages"),
        (chat(model=None), "model"),
        (chat(model=7), "model"),
        (chat(messages="Hello"), "messages"),
        (chat(messages=[]), "messages"),
        (chat(messages=[{"content": "a"}]), "messages[0]"),
        (chat(messages=[{"role": "user", "content": 7}]), "messages[0].content"),
        (chat(messages=[{"role": "user", "content": [{"type": "image_url"}]}]), "messages[0].content[0]"),
        (chat(max_tokens=-1), "max_tokens"),
        (chat(max_tokens=0), "max_tokens"),
        (chat(max_tokens=1.5), "max_tokens"),
        (chat(max_tokens=True), "max_tokens"),
        (chat(max_tokens="9"), "max_tokens"),
        (chat(max_tokens=10**30), "max_completion_tokens"),
        (chat(max_completion_tokens=1001), "max_completion_tokens"),
        (chat(max_tokens=1, max_completion_tokens=1), "max_tokens"),
        (chat(n=0), "n"),
        (chat(n=9), "n"),
        (chat(stream="yes"), "stream"),
        (chat(stream=True, stream_options=7), "stream_options"),
        (chat(service_tier="priority"), "service_tier"),
        (chat(modalities=["text", "audio"]), "modalities"),
        (chat(web_search_options={}), "web_search_options"),
        (chat(prediction={"type": "content", "content": "a"}), "prediction"),
        (chat(models=["dearer"]), "models"),
        (chat(tools=[{"type": "web_search"}]), "tools[0]"),
        (chat(tools=7), "tools"),
        (b'{"model": "small", "messages": [{"role": "user", "content": "\\ud800"}]}', None),
    ],
)
def test_a_chat_that_is_refused(body: bytes, param: str | None) -> None:
    with pytest.raises(RefusedError) as caught:
        chat_request(read_object(body)).sent(PROVIDER, MODEL)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    "fields",
    [
        {"input": []},
        {},
        {"input": 7},
        {"input": [1.5]},
        {"input": ["a", 1]},
        {"input": [[]]},
        {"input": "a", "encoding_format": "hex"},
        {"input": "a", "other": 1},
    ],
)
def test_embeddings_that_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RefusedError) as caught:
        embedding_request({"model": "vectors", **fields})
    assert caught.value.status == 400


@pytest.mark.parametrize("asked, sent", [({}, 100), ({"max_tokens": 7}, 7), ({"max_completion_tokens": 1000}, 1000)])
@pytest.mark.parametrize("field", ["max_completion_tokens", "max_tokens"])
def test_every_request_has_a_bound_in_the_field_of_its_provider(asked: dict[str, int], sent: int, field: str) -> None:
    provider = parse(Provider, {**API, "limit_field": field})
    path, body = chat_request(read_object(chat(**asked, user="u"))).sent(provider, MODEL)
    request = json.loads(body)
    assert path == "/chat/completions"
    limits = {key: value for key, value in request.items() if key.startswith("max_")}
    assert (limits, request["model"], request["user"]) == ({field: sent}, "there", "u")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["model", "messages", "max_tokens", "n", "stream", "tools", "stop"]), json_values)
)
def test_any_object_is_accepted_or_refused(fields: dict[str, Any]) -> None:
    for read in (chat_request, embedding_request):
        try:
            read(dict(fields))
        except RefusedError as error:
            assert error.status == 400
