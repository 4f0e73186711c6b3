"""What may be declared of the gateway, and what is said of the rest; keys; what requests cost."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.environment.residency import residency_findings
from scaletozero.environment.settings import Environment
from scaletozero.gateway.keys import KeyRing, RefusedKeyError, key_hash, new_key
from scaletozero.gateway.service.readings import count_of
from scaletozero.gateway.tariffs import ADDED_TOKENS, ByTokens
from scaletozero.settings.gateway import Customer
from scaletozero.settings.gateway_targets import Provider
from scaletozero.spending.api_models import token_tariff
from scaletozero.spending.money import MICRO, micros, of_micros
from scaletozero.spending.token_rates import TokenCount

IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/serve:1"
API = {"base_url": "https://api.example.com/v1", "model": "there", "secret": "key", "price": "openai/gpt-5-mini"}
OTHER = {key: value for key, value in API.items() if key != "secret"}
HASH = key_hash("stz-a")


def environment(gateway: dict[str, Any], **more: Any) -> Environment:
    whole = {
        "region": "eu-central-1",
        "sandbox": {},
        "endpoints": {"sentences": {"artifact": "a", "image": IMAGE}},
        "gateway": gateway,
        **more,
    }
    return parse(Environment, {key: value for key, value in whole.items() if value is not None}, "environment")


def gateway(model: dict[str, Any] | None = None, customer: dict[str, Any] | None = None) -> dict[str, Any]:
    paid = {"cap_usd_per_month": 5, "models": ["small"], **(customer or {})}
    return {"models": {"small": {"provider": API} if model is None else model}, "customers": {"acme": paid}}


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        gateway({}),
        "models.small.endpoint: or `provider`, `bedrock` or `targets` is required, and only one of them, got neither",
    ),
    (gateway({"endpoint": "sentences", "provider": API}), "only one of them, got endpoint and provider"),
    (gateway({"endpoint": "sentence"}), "gateway.models.small.endpoint: must be an endpoint of the environment"),
    (gateway({"endpoint": "sentences", "max_output_tokens": 4096}), "is a setting of a model behind a provider"),
    (gateway({"provider": API, "default_output_tokens": 5000}), "must be at most `max_output_tokens`, 4096"),
    (gateway({"provider": API, "max_output_tokens": 0}), "must be from 1 to 1,000,000 tokens"),
    (gateway({"provider": {**API, "base_url": "http://api.example.com"}}), "must begin with https://"),
    (gateway({"provider": {**API, "base_url": "https://user:word@api.example.com"}}), "must be without a user"),
    (gateway({"provider": {**API, "base_url": "https://api.example.com/?key=1"}}), "without query"),
    (gateway({"provider": {**API, "base_url": "https://api.example.com:x"}}), "without query"),
    (gateway({"provider": {**API, "base_url": "api.example.com"}}), "must be a URL"),
    (gateway({"provider": {**API, "price": "gpt-5-mini"}}), "must be `provider/model`"),
    (gateway({"provider": {**API, "secret": "a key"}}), "must be the name of a secret"),
    (gateway(customer={"models": ["smal"]}), "write `small`"),
    (gateway(customer={"models": []}), "gateway.customers.acme.models: or `endpoints` is required"),
    (gateway(customer={"models": ["small", "small"]}), "must be there once"),
    (gateway(customer={"endpoints": ["none"]}), "gateway.customers.acme.endpoints.0: must be an endpoint"),
    (gateway(customer={"cap_usd_per_day": 6}), "must be at most `cap_usd_per_month`, 5"),
    (gateway(customer={"cap_usd_per_month": 0}), "must be more than 0"),
    (gateway(customer={"cap_usd_per_month": "0.0000001"}), "must be at least 0.000001 USD"),
    (gateway(customer={"cap_usd_per_month": "$5"}), "must be a number of USD"),
    (gateway(customer={"keys": ["stz-" + "a" * 43]}), "must be the hash of a key, not the key"),
    (gateway(customer={"keys": [HASH, HASH]}), "must be there once"),
    (gateway(customer={"expires": "soon"}), "customers.acme.expires: must be a date"),
    (gateway(customer={"expires": 2027}), "must be a date"),
    (gateway(customer={"requests_per_minute": 0}), "must be from 1 to 1,000,000"),
    (gateway(customer={"concurrency": -1}), "must be from 1 to 1,000,000"),
    ({"customers": {"Acme": {"cap_usd_per_month": 5, "models": []}}}, "must begin with a lower-case letter"),
    ({"models": {"a b": {"provider": API}}}, "must have 1 to 128 letters"),
    ({"port": 70000}, "must be from 0"),
    (gateway({"provider": OTHER}), "or `variable` is required"),
    (
        gateway({"provider": {**API, "variable": "KEY"}}),
        "provider.secret: or `variable` is required, and only one of them, got both",
    ),
    (gateway({"provider": {**API, "secret": "sk-proj-word@"}}), "must be the name of a secret, not a key"),
    (gateway({"provider": {**OTHER, "variable": "sk-word@"}}), "must be the name of an environment variable"),
    (gateway({"provider": {**API, "speaks": ["smtp"]}}), "gateway.models.small.provider.speaks.0"),
    (gateway({"provider": API, "on_cold": "reject"}), "on_cold: is a setting of a model with an `endpoint`"),
    (gateway({"endpoint": "sentences", "on_cold": "fallback"}), "must have a second target to fall back to"),
    (
        gateway({"endpoint": "sentences", "cold_after_seconds": 5}),
        "is a setting beside `on_cold: fallback` or `reject`",
    ),
    (gateway({"provider": API, "same_vectors": True}), "is a setting of a model with several `targets`"),
    (gateway({"provider": API, "seconds": 601}), "must be from 1 to 600 seconds"),
    (gateway({"provider": API, "retries": 6}), "must be from 0 to 5"),
    (gateway({"targets": [{"provider": API}], "provider": API}), "got provider and targets"),
    (gateway({"targets": [{"provider": API, "weight": 0}]}), "targets.0.weight: must be from 1 to 1,000"),
    (
        gateway({"targets": [{"weight": 1}]}),
        "small.targets.0.endpoint: or `provider` or `bedrock` is required",
    ),
    (gateway({"targets": [{"endpoint": "sentence"}]}), "gateway.models.small.targets.0.endpoint: must be an endpoint"),
    (
        gateway({"targets": [{"provider": API}, {"endpoint": "sentences"}]}),
        "must be beside targets with the same vectors",
    ),
    (gateway({"targets": [{"provider": API}] * 9}), "targets: must be 8 at most"),
    (
        gateway({"targets": [{"provider": API, "seconds": 9}, {"provider": API}], "seconds": 8}),
        "must be at most the model's `seconds`, 8",
    ),
]


@pytest.mark.parametrize("written, rule", WRONG, ids=[rule for _, rule in WRONG])
def test_what_is_refused(written: dict[str, Any], rule: str) -> None:
    with pytest.raises(FindingsError) as caught:
        environment(written)
    assert rule in str(caught.value)
    assert "stz-" not in str(caught.value)
    assert "word@" not in str(caught.value)


def test_a_key_belongs_to_one_customer() -> None:
    written = gateway(customer={"keys": [HASH]})
    written["customers"]["globex"] = written["customers"]["acme"]
    with pytest.raises(
        FindingsError, match=r"customers\.globex\.keys\.0: must be a key of one customer, and is acme's"
    ):
        environment(written)


def test_it_runs_in_the_sandbox_only() -> None:
    with pytest.raises(FindingsError, match="gateway: requires `function`, `cluster` or `sandbox`"):
        environment(gateway(), sandbox=None)


QUEUED = {"kind": "asynchronous", "artifact": "a", "image": IMAGE, "instance_type": "ml.g5.xlarge"}
LLM = {"kind": "gpu", "artifact": "a", "image": IMAGE, "scaling": {"max": 2}}
CLUSTER = {"cluster": {"name": "c"}, "namespace": "models"}
MIXED: dict[str, Any] = {"endpoints": {"sentences": QUEUED, "llm": LLM}, "kubernetes": CLUSTER}


def test_endpoints_of_every_kind_may_be_targets() -> None:
    both = gateway(
        {"targets": [{"endpoint": "llm", "speaks": ["chat"]}, {"provider": API}]}, {"endpoints": ["sentences"]}
    )
    assert environment(both, **MIXED).gateway
    assert environment(gateway({"endpoint": "sentences"}), **MIXED).gateway


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"endpoint": "llm"}, "endpoint: requires `speaks` beside it, got llm, of kind gpu"),
        ({"targets": [{"endpoint": "sentences", "speaks": ["chat"]}]}, "targets.0.speaks: is a setting of an endpoint"),
        ({"targets": [{"endpoint": "llm", "speaks": ["speech"]}]}, "targets.0.speaks.0"),
        ({"targets": [{"endpoint": "llm", "url": "https://a.example"}]}, "speaks: is required beside `url`"),
        (
            {"targets": [{"endpoint": "llm", "speaks": ["chat"], "url": "http://a.example.com"}]},
            "must begin with https://",
        ),
        ({"targets": [{"endpoint": "llm", "speaks": ["chat"], "url": "https://u:w@a.example"}]}, "without a user"),
        ({"targets": [{"endpoint": "llm", "speaks": ["chat"], "secret": "key"}]}, "is a setting beside `url`"),
        ({"targets": [{"provider": API, "speaks": ["chat"]}]}, "speaks: is a setting of an endpoint of kind `gpu`"),
        ({"targets": [{"provider": API, "concurrency": 4}]}, "concurrency: must have a further target after it"),
        ({"targets": [{"provider": API, "concurrency": 0}, {"provider": API}]}, "must be from 1 to 100,000 requests"),
        ({"bedrock": {"model": "nova"}}, "bedrock.model: must be the id of a model"),
        (
            {"bedrock": {"model": "eu.amazon.nova-lite-v1:0"}},
            "bedrock.profile: must be `eu` beside an inference profile's id, got nothing",
        ),
        ({"bedrock": {"model": "eu.amazon.nova-lite-v1:0", "profile": "us"}}, "got us"),
        (
            {"bedrock": {"model": "amazon.nova-lite-v1:0", "profile": "eu"}},
            "profile: is a setting of an inference profile",
        ),
        ({"bedrock": {"model": "amazon.nova-lite-v1:0"}, "provider": API}, "got provider and bedrock"),
    ],
)
def test_a_target_that_would_not_work_is_refused(model: dict[str, Any], said: str) -> None:
    with pytest.raises(FindingsError) as caught:
        environment(gateway(model), **MIXED)
    assert said in str(caught.value)
    assert "u:w@" not in str(caught.value)


def test_an_endpoint_on_a_cluster_has_no_invocations() -> None:
    with pytest.raises(FindingsError, match=r"acme\.endpoints\.0: must be an endpoint of kind `serverless` or"):
        environment(gateway(customer={"endpoints": ["llm"]}), **MIXED)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ({"bedrock": {"model": "us.amazon.nova-lite-v1:0", "profile": "us"}}, "bedrock.model"),
        ({"bedrock": {"model": "global.amazon.nova-2-lite-v1:0", "profile": "global"}}, "bedrock.model"),
        ({"targets": [{"endpoint": "llm", "speaks": ["chat"], "url": "https://gpu.example.com"}]}, "targets.0.url"),
    ],
)
def test_a_target_outside_the_residency_is_refused(model: dict[str, Any], path: str) -> None:
    inside = environment(gateway(model), **MIXED, residency={"regions": ["eu-central-1"]})
    (found,) = [each for each in residency_findings(inside, date(2026, 11, 29)) if "gateway" in each.path]
    assert found.path == f"environment.gateway.models.small.{path}"


def test_a_model_on_bedrock_in_the_region_stays_inside() -> None:
    inside = environment(
        gateway({"bedrock": {"model": "amazon.nova-lite-v1:0"}}), residency={"regions": ["eu-central-1"]}
    )
    assert residency_findings(inside, date(2026, 11, 29)) == []


OUTSIDE = {**API, "base_url": "https://api.openai.com/v1"}


@pytest.mark.parametrize(
    "model, path",
    [
        ({"provider": OUTSIDE}, "provider"),
        (
            {"targets": [{"provider": {**API, "base_url": "http://localhost/v1"}}, {"provider": OUTSIDE}]},
            "targets.1.provider",
        ),
    ],
)
def test_a_provider_outside_the_residency_is_refused(model: dict[str, Any], path: str) -> None:
    inside = environment(gateway(model), residency={"regions": ["eu-central-1"]})
    (found,) = [each for each in residency_findings(inside, date(2026, 11, 28)) if "gateway" in each.path]
    assert found.path == f"environment.gateway.models.small.{path}.base_url"


def test_a_key_is_its_customer_s_as_long_as_that_is_accepted() -> None:
    key, other = new_key(), new_key()
    assert key != other
    assert len(key) == 47
    declared = {"cap_usd_per_month": 5, "models": ["a"], "keys": [key_hash(key)], "expires": date(2026, 11, 28)}
    ring = KeyRing({"acme": parse(Customer, declared)})
    assert ring.customer(key, date(2026, 11, 28)) == "acme"
    with pytest.raises(RefusedKeyError, match="expired on 2026-11-28"):
        ring.customer(key, date(2026, 11, 29))
    for wrong in (other, None, "", key[:-1], f"{key}x", key.upper(), "stz-é" + "a" * 42, key_hash(key)):
        with pytest.raises(RefusedKeyError):
            ring.customer(wrong, date(2026, 11, 28))


@given(st.decimals(0, 10**6, places=12))
def test_amounts_are_never_rounded_down(amount: Decimal) -> None:
    assert amount <= of_micros(micros(amount)) < amount + MICRO


METER = ByTokens(token_tariff("openai/gpt-5.6-luna"))


@given(st.integers(0, 500_000), st.integers(0, 5000), st.data())
def test_nothing_costs_more_than_its_bound(body_bytes: int, limit: int, data: st.DataObject) -> None:
    read = data.draw(st.integers(0, body_bytes + ADDED_TOKENS))
    cached, written = (data.draw(st.integers(0, read // 2)) for _ in range(2))
    usage = {
        "prompt_tokens": read,
        "completion_tokens": data.draw(st.integers(0, limit)),
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
    }
    most = METER.most(body_bytes, limit)
    count = count_of("/chat/completions", usage)
    assert count
    cost = METER.settled(count, most=most, estimated=False)
    assert (cost.micros <= most, cost.estimated) == (True, False)


def test_long_requests_are_held_at_the_price_of_their_tier() -> None:
    tariff = token_tariff("openai/gpt-5.6-luna")
    assert tariff.usd(TokenCount(300_000, 0)) == Decimal("0.12")
    assert tariff.usd(TokenCount(200_000, 0)) == Decimal("0.04")
    assert tariff.most_usd(200_000, 0) == Decimal("0.05")
    for wrong in (TokenCount(-1, 0), TokenCount(1, 0, 2)):
        with pytest.raises(ValueError, match="tokens"):
            tariff.usd(wrong)


@pytest.mark.parametrize(
    ("host", "declared", "percent"),
    [
        ("api.openai.com", None, 0),
        ("eu.api.openai.com", None, 10),
        ("eu.api.openai.com", 0, 0),
        ("notapi.openai.com", None, 0),
        ("api.anthropic.com", 10, 10),
    ],
)
def test_a_host_of_a_region_costs_more(host: str, declared: int | None, percent: int) -> None:
    written = {"base_url": f"https://{host}/v1", "model": "m", "secret": "s", "price": "openai/gpt-5.6-luna"}
    more = {} if declared is None else {"surcharge_percent": declared}
    assert parse(Provider, {**written, **more}, "provider").surcharge == percent


def test_a_surcharge_is_held_and_settled() -> None:
    dearer, count = ByTokens(token_tariff("openai/gpt-5.6-luna"), 10), TokenCount(1_000_000, 1_000_000)
    assert dearer.most(10**6, 1000) == pytest.approx(METER.most(10**6, 1000) * 1.1, abs=1)
    cost = dearer.settled(count, most=0, estimated=False)
    assert cost.micros == METER.settled(count, most=0, estimated=False).micros * 11 // 10
    assert cost.about["surcharge_percent"] == 10


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_surcharge_that_is_another_price(percent: int) -> None:
    written = {"base_url": "https://a.example.com", "model": "m", "secret": "s", "price": "openai/gpt-5.6-luna"}
    with pytest.raises(FindingsError, match="surcharge_percent"):
        parse(Provider, {**written, "surcharge_percent": percent}, "provider")


@given(st.recursive(st.none() | st.integers() | st.text() | st.booleans(), lambda each: st.lists(each, max_size=3)))
def test_counts_that_are_none(value: Any) -> None:
    for path, name in (
        ("/chat/completions", "prompt_tokens"),
        ("/messages", "input_tokens"),
    ):
        assert count_of(path, value) is None
        assert count_of(path, {name: json.dumps(value)}) is None
