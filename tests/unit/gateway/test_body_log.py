"""Bodies of requests and answers: kept as declared, without secrets, for their time, and deleted with the customer."""

import json
import time
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from gateway_desk import Desk, api, open_desk
from gateway_world import asking
from gateway_world import client as aws
from stub_provider import StubProvider, stub_provider

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.gateway.ledger.bodies import CUT_TO, BodyStore
from scaletozero.gateway.ledger.dynamo import DynamoStore
from scaletozero.gateway.service.body_log import BodyLog, Noted
from scaletozero.gateway.service.redaction import TAKEN_OUT, Redactor
from scaletozero.settings.gateway_bodies import Bodies

CLEAN = parse(Bodies, {"keep": "redacted", "patterns": [r"ACME-\d+"]}, "bodies")
SECRETS = {
    "openai": "sk-proj-" + "Abc123_-" * 8,
    "anthropic": "sk-ant-api03-" + "x" * 40,
    "own": "stz-" + "a" * 43,
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "github": "ghp_" + "a1B2" * 9,
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "pem": "-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\ndef==\n-----END RSA PRIVATE KEY-----",
    "mail": "jane.doe@example.com",
    "card": "4111 1111 1111 1111",
    "hook": "ACME-4711",
}


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor(CLEAN.patterns)


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_taken_out_whole_and_the_words_around_it_stay(redactor: Redactor, kind: str) -> None:
    secret = SECRETS[kind]
    for before, after in (("use ", " now"), ("line\n", "\nnext"), ("(", ")"), ("", "")):
        assert redactor.text(f"{before}{secret}{after}") == f"{before}{TAKEN_OUT}{after}"
    assert redactor.text(f"{'word ' * 700}{secret} end") == f"{'word ' * 700}{TAKEN_OUT} end"


@pytest.mark.parametrize(
    "text", ["What is the weather like?", "order 4111 1111 1111 1112", "version 1.2.3", "the AC unit", "a@b", ""]
)
def test_what_is_no_secret_stays(redactor: Redactor, text: str) -> None:
    assert redactor.text(text) == text


def test_names_and_numbers_of_json_are_looked_through_too(redactor: Redactor) -> None:
    found = redactor.value({SECRETS["mail"]: [4111111111111111, 12, True, None, 0.5, {"a": SECRETS["aws"]}]})
    assert found == {TAKEN_OUT: [TAKEN_OUT, 12, True, None, 0.5, {"a": TAKEN_OUT}]}


@pytest.mark.parametrize("text", ["sk-", "eyJ", "://", "a@", "1 ", "-----BEGIN PRIVATE KEY-----"])
def test_no_text_of_a_caller_makes_it_take_long(redactor: Redactor, text: str) -> None:
    began = time.process_time()
    redactor.text((text * 100_000)[:100_000])
    assert time.process_time() - began < 20  # the square of its length would be minutes


def logged(store: DynamoStore, policy: Bodies, asked: bytes, *parts: bytes, at: float = 1000.0) -> dict[str, Any]:
    noted = Noted(policy, "small", asked)
    noted.add(*parts)
    log = BodyLog(store.bodies(), [policy], clock=lambda: at)
    anyio.run(log.write, "acme", "1" * 32, noted)
    (found,) = store.bodies().read("acme", 0, int(at))
    return found


def event(text: str) -> bytes:
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': text}}]})}\n\n".encode()


def test_a_secret_in_two_parts_of_a_stream_is_found(store: DynamoStore) -> None:
    half = len(SECRETS["aws"]) // 2
    parts = [event(SECRETS["aws"][:half]), event(SECRETS["aws"][half:]), b"data: [DONE]\n\n"]
    assert logged(store, CLEAN, b"{}", *parts)["answered"] == TAKEN_OUT


def test_what_is_full_is_as_it_was_and_what_is_no_json_is_text(store: DynamoStore) -> None:
    full = parse(Bodies, {"keep": "full"}, "bodies")
    found = logged(store, full, b"\xffno json", b'{"a": "jane@example.com"}')
    assert (found["asked"], found["answered"]) == ("\ufffdno json", {"a": "jane@example.com"})


def test_it_ends_after_its_days_also_before_it_is_deleted(store: DynamoStore) -> None:
    logged(store, parse(Bodies, {"keep": "full", "days": 2}, "bodies"), b"{}")
    read = store.bodies().read
    assert len(list(read("acme", 0, 1000 + 2 * 86_400 - 1))) == 1
    assert list(read("acme", 0, 1000 + 2 * 86_400)) == []
    assert list(read("acme", 1001, 1001)) == []


def test_what_does_not_fit_is_cut(store: DynamoStore) -> None:
    drawn = "".join(chr(32 + (index * index * 7919 + index * 31) % 0x2FFF) for index in range(400_000))
    found = logged(store, parse(Bodies, {"keep": "full"}, "bodies"), json.dumps({"a": drawn}).encode())
    assert found["cut"]
    assert len(found["asked"]) == CUT_TO


def test_a_store_that_fails_fails_no_request_and_shows_no_content(
    store: DynamoStore, caplog: pytest.LogCaptureFixture
) -> None:
    log = BodyLog(BodyStore(store._client, "no-such-table"), [CLEAN])
    anyio.run(log.write, "acme", "1" * 32, Noted(CLEAN, "small", b"secret words"))
    assert "bodies not kept" in caplog.text
    assert "secret words" not in caplog.text


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"keep": "all"}, "bodies.keep: must be 'redacted' or 'full'"),
        ({"keep": "full", "days": 0}, "bodies.days: must be from 1 to 365 days"),
        ({"keep": "full", "days": 366}, "bodies.days: must be from 1 to 365 days"),
        ({"keep": "redacted", "patterns": ["("]}, "bodies.patterns.0: must be a regular expression"),
        ({"keep": "redacted", "patterns": ["a*"]}, "bodies.patterns.0: must not match nothing"),
        ({}, "bodies.keep: is required"),
    ],
)
def test_what_cannot_be_is_refused(declared: Any, said: str) -> None:
    with pytest.raises(FindingsError) as error:
        parse(Bodies, declared, "bodies")
    assert said in str(error.value)


@pytest.fixture
def provider() -> Iterator[StubProvider]:
    with stub_provider() as found:
        yield found


@pytest.mark.usefixtures("priced")
def test_the_door_keeps_them_beside_the_record_and_only_where_it_is_declared(
    store: DynamoStore, provider: StubProvider
) -> None:
    models = {"noted": {"provider": api(provider), "bodies": {"keep": "redacted"}}}
    with open_desk(aws, provider, models) as desk:
        client = desk.client()
        prompt: Any = [{"role": "user", "content": f"my key is\n{SECRETS['aws']}, do not tell"}]
        for model in ("small", "noted"):
            client.chat.completions.create(model=model, messages=prompt, max_tokens=5)
        list(client.chat.completions.create(model="noted", messages=asking(parts=2), max_tokens=5, stream=True))
        desk.settled()
        found = _kept(desk, 2)
        answered, streamed = sorted(found, key=lambda each: isinstance(each["answered"], str))
        assert answered["asked"]["messages"][0]["content"] == f"my key is\n{TAKEN_OUT}, do not tell"
        assert answered["answered"]["choices"][0]["message"]["content"] == "Hello there"
        assert streamed["answered"] == "part0 part1 "
        assert {each["id"] for each in found} < {each["sk"] for each in desk.records()}
        assert desk.store.bodies().forget("globex") == 0
        assert desk.store.bodies().forget("acme") == 2
        assert _kept(desk, 0) == []


def _kept(desk: Desk, count: int) -> list[dict[str, Any]]:
    """What is kept; it is written after the answer."""
    deadline = time.monotonic() + 60  # no measure, only an end
    while len(found := list(desk.store.bodies().read("acme", 0, int(time.time())))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found
