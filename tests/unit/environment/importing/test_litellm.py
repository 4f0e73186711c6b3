"""LiteLLM's config.yaml: what is taken over, what is not, and that every field is accounted for."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from import_prices import price_of
from imported_rows import paths, row
from litellm_files import CONTENT

from model_packaging.validation import parse
from scaletozero.environment.importing.litellm import import_litellm
from scaletozero.environment.importing.places import PLACES
from scaletozero.environment.importing.report import Imported, Outcome
from scaletozero.environment.yaml_file import parse_yaml
from scaletozero.environment.yaml_text import yaml_text
from scaletozero.settings.gateway import Gateway
from scaletozero.spending.api_models import known_price

OPENAI = {
    "base_url": "https://api.openai.com/v1",
    "model": "gpt-5-mini",
    "variable": "OPENAI_API_KEY",
    "price": "openai/gpt-5-mini",
}


def read(text: str, cap: Decimal | None = None) -> Imported:
    """What a file is read as; valid for this project's own settings, and the same after it was written."""
    content = parse_yaml(text, "config.yaml")
    imported = import_litellm(content, price_of, cap)
    holds(imported, content)
    return imported


def holds(imported: Imported, content: Any) -> None:
    """What holds for every file: the block is valid as it is written, and every field is in the report once."""
    written = parse_yaml(yaml_text({"gateway": imported.gateway}), "gateway.yaml")
    assert written["gateway"] == imported.gateway
    parse(Gateway, written["gateway"])
    assert [each.field for each in imported.rows] == list(paths(content))


def model(params: str, info: str = "{}", more: str = "") -> Imported:
    return read(f"model_list: [{{model_name: m, litellm_params: {{{params}}}, model_info: {info}}}]\n{more}")


def test_a_model_and_where_its_key_is() -> None:
    imported = model("model: openai/gpt-5-mini, api_key: os.environ/OWN_KEY")
    assert imported.gateway == {"models": {"m": {"provider": {**OPENAI, "variable": "OWN_KEY"}}}}
    assert imported.variables == ("OWN_KEY",)
    assert {each.outcome for each in imported.rows if not each.field.endswith("model_info")} == {Outcome.TAKEN}


@pytest.mark.parametrize("key", ["sk-proj-abc123", "os.environ/sk-proj-abc123", "oidc/google/abc123", "12345678"])
def test_a_key_in_the_file_is_not_copied_and_not_shown(key: str) -> None:
    for params in ("model: openai/gpt-5-mini", "model: azure/gpt-4o", "model: 3"):
        imported = model(f"{params}, api_key: {key}", more=f"general_settings: {{master_key: {key}}}")
        assert key not in repr(imported)
        assert key.removeprefix("os.environ/") not in repr(imported)
        found = row(imported, "model_list.0.litellm_params.api_key")
        assert "a key is never copied" in found.reason
        assert row(imported, "general_settings.master_key").outcome is Outcome.NONE
    assert model(f"model: openai/gpt-5-mini, api_key: {key}").variables == ("OPENAI_API_KEY",)


def test_no_value_of_a_field_that_is_not_taken_over_is_shown() -> None:
    imported = model(
        "model: openai/gpt-5-mini, extra_headers: {A: s3cret}, unheard_of: s3cret, aws_access_key_id: s3cret",
        more="environment_variables: {A: s3cret}\nrouter_settings: {redis_password: s3cret}\nother: [s3cret]",
    )
    assert "s3cret" not in repr(imported)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("azure/gpt-4o", "are not OpenAI's"),
        ("bedrock/anthropic.claude-3", "genai-prices has no price of it at aws"),
        ("bedrock/arn:aws:bedrock:us-east-1:123456789012:imported-model/a", "only the id of a model"),
        ("bedrock/amazon.titan-embed-text-v2:0", "no embeddings"),
        ("hosted_vllm/mine", "endpoint of kind `gpu`"),
        ("nowhere/model", "no such provider is known here; known are openai, anthropic"),
        ("gpt-unheard-of", "a name without a provider must be"),
        ("openai/gpt-unheard-of", "genai-prices has no price of it at openai"),
        (f"openai/{'x' * 300}", "no model's name is so long"),
        ('"openai/gpt-5-mini\\ud800"', "no model's name is so long"),
    ],
)
def test_an_entry_that_cannot_be_a_target_is_left_out(name: str, said: str) -> None:
    imported = model(f"model: {name}")
    assert imported.gateway == {}
    found = row(imported, "model_list.0.litellm_params.model")
    assert found.outcome is Outcome.NONE
    assert said in found.reason
    assert row(imported, "model_list.0.model_name").reason == "the model is not written"


@pytest.mark.parametrize(
    ("name", "settings", "outcome"),
    [
        ("bedrock/amazon.nova-lite-v1:0", {"model": "amazon.nova-lite-v1:0"}, Outcome.TAKEN),
        ("bedrock_converse/amazon.nova-lite-v1:0", {"model": "amazon.nova-lite-v1:0"}, Outcome.TAKEN),
        ("bedrock/converse/amazon.nova-lite-v1:0", {"model": "amazon.nova-lite-v1:0"}, Outcome.TAKEN),
        ("bedrock/eu-central-1/amazon.nova-lite-v1:0", {"model": "amazon.nova-lite-v1:0"}, Outcome.CHANGED),
        (
            "bedrock/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            {"model": "eu.anthropic.claude-haiku-4-5-20251001-v1:0", "profile": "eu"},
            Outcome.TAKEN,
        ),
    ],
)
def test_a_model_on_bedrock(name: str, settings: Any, outcome: Outcome) -> None:
    imported = model(f"model: {name}, aws_region_name: eu-central-1, aws_role_name: s3cret, api_key: s3cret")
    assert imported.gateway == {"models": {"m": {"bedrock": settings}}}
    assert imported.variables == ()
    assert row(imported, "model_list.0.litellm_params.model").outcome is outcome
    place = row(imported, "model_list.0.litellm_params.aws_region_name")
    assert (place.outcome, place.important) == (Outcome.NONE, True)
    assert "own role" in row(imported, "model_list.0.litellm_params.aws_role_name").reason
    assert "s3cret" not in repr(imported)


def test_the_price_of_a_model_on_bedrock_may_be_anothers() -> None:
    imported = model("model: bedrock/amazon.own-v1:0", "{base_model: bedrock/amazon.nova-lite-v1:0}")
    made = {"model": "amazon.own-v1:0", "price": "aws/amazon.nova-lite-v1:0"}
    assert imported.gateway["models"]["m"]["bedrock"] == made


def test_no_address_of_bedrock_is_taken_over() -> None:
    imported = model("model: bedrock/amazon.nova-lite-v1:0, aws_bedrock_runtime_endpoint: 'https://a.example.com'")
    assert imported.gateway == {}
    found = row(imported, "model_list.0.litellm_params.aws_bedrock_runtime_endpoint")
    assert "follows from the region" in found.reason


def test_a_model_on_bedrock_falls_back_to_a_provider_and_the_other_way_round() -> None:
    imported = read(
        "model_list:\n"
        "- {model_name: a, litellm_params: {model: bedrock/amazon.nova-lite-v1:0, timeout: 20}}\n"
        "- {model_name: b, litellm_params: {model: openai/gpt-5-mini}}\n"
        "router_settings: {fallbacks: [{a: [b]}, {b: [a]}]}\n"
    )
    nova = {"bedrock": {"model": "amazon.nova-lite-v1:0"}}
    models = imported.gateway["models"]
    assert models["a"]["targets"] == [{**nova, "seconds": 20}, {"provider": OPENAI}]
    assert models["b"]["targets"] == [{"provider": OPENAI}, nova]


def test_a_name_without_a_provider_is_of_the_one_that_has_it() -> None:
    imported = model("model: claude-sonnet-4-5")
    assert imported.gateway["models"]["m"]["provider"]["base_url"] == "https://api.anthropic.com/v1"
    assert row(imported, "model_list.0.litellm_params.model").outcome is Outcome.CHANGED


@pytest.mark.parametrize(
    ("address", "becomes"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://eu.api.openai.com/v1/", "https://eu.api.openai.com/v1"),
        ("https://api.openai.com", "https://api.openai.com/v1"),
    ],
)
def test_an_address_of_a_provider(address: str, becomes: str) -> None:
    imported = model(f"model: openai/gpt-5-mini, api_base: '{address}'")
    assert imported.gateway["models"]["m"]["provider"]["base_url"] == becomes


@pytest.mark.parametrize(
    "address",
    [
        "https://api.openai.com.evil.example/v1",
        "https://evilapi.openai.com@evil.example/v1",
        "http://api.openai.com/v1",
        "https://user:s3cret@api.openai.com/v1",
        "https://api.openai.com/v1?key=s3cret",
        "https://[::1",
        "os.environ/BASE",
        "https://10.0.0.1:8000/v1",
        "https://api.openai.com:x/v1",
    ],
)
def test_an_address_of_nobody_whose_prices_are_known(address: str) -> None:
    imported = model(f"model: openai/gpt-5-mini, api_base: '{address}'")
    assert imported.gateway == {}
    assert row(imported, "model_list.0.litellm_params.api_base").outcome is Outcome.NONE
    assert "s3cret" not in repr(imported)


def test_an_address_decides_over_the_prefix() -> None:
    imported = model("model: openai/llama-3.3-70b-versatile, api_base: 'https://api.groq.com/openai/v1'")
    assert imported.gateway["models"]["m"]["provider"]["price"] == "groq/llama-3.3-70b-versatile"


def test_the_same_price_is_taken_over_and_another_one_counts() -> None:
    imported = model("model: openai/gpt-5-mini", "{input_cost_per_token: 2.5e-7, output_cost_per_token: 1.0e-7}")
    assert row(imported, "model_list.0.model_info.input_cost_per_token").outcome is Outcome.TAKEN
    assert imported.important == (row(imported, "model_list.0.model_info.output_cost_per_token"),)


def test_bounds_of_an_answer() -> None:
    imported = model("model: openai/gpt-5-mini, max_tokens: 8000")
    made = imported.gateway["models"]["m"]
    assert (made["default_output_tokens"], made["max_output_tokens"]) == (8000, 8000)
    made = model("model: openai/gpt-5-mini", "{max_output_tokens: 500, max_tokens: 9}").gateway["models"]["m"]
    assert (made["default_output_tokens"], made["max_output_tokens"]) == (500, 500)


@pytest.mark.parametrize(
    ("params", "router", "seconds", "retries"),
    [
        ("timeout: 30", "", 30, None),
        ("timeout: 0.5, num_retries: 2", "timeout: 60, num_retries: 3", 1, 2),
        ("timeout: 90", "timeout: 60, num_retries: 9", 60, 5),
        ("timeout: soon", "", None, None),
        ("timeout: -1", "timeout: 6000", 600, None),
    ],
)
def test_times_and_retries(params: str, router: str, seconds: int | None, retries: int | None) -> None:
    made = model(f"model: openai/gpt-5-mini, {params}", more=f"router_settings: {{{router}}}").gateway["models"]["m"]
    assert (made.get("seconds"), made.get("retries")) == (seconds, retries)


def several(
    first: str, second: str, more: str = "", models: tuple[str, str] = ("gpt-5-mini", "gpt-4o-mini")
) -> Imported:
    entries = [
        f"  - {{model_name: m, litellm_params: {{model: openai/{name}, {params}}}}}"
        for name, params in zip(models, (first, second), strict=True)
    ]
    return read("\n".join(["model_list:", *entries, more]))


@pytest.mark.parametrize(
    ("first", "second", "weights"),
    [
        ("", "", [1, 1]),
        ("weight: 9", "weight: 1", [9, 1]),
        ("weight: 0.9", "weight: 0.1", [1000, 111]),
        ("weight: 9", "", [9, None]),
        ("rpm: 900", "rpm: 10", [900, 10]),
        ("rpm: 1000000", "rpm: 1", [1000, 1]),
        ("tpm: 10", "tpm: 30", [10, 30]),
        ("order: 2", "order: 1", [1, None]),
        ("order: 1", "", [1, None]),
        ("weight: true", "weight: .5", [None, 1000]),
    ],
)
def test_entries_with_one_name_share_the_requests(first: str, second: str, weights: list[int | None]) -> None:
    targets = several(first, second).gateway["models"]["m"]["targets"]
    assert [each.get("weight") for each in targets] == weights
    names = [each["provider"]["model"] for each in targets]
    assert names == (["gpt-4o-mini", "gpt-5-mini"] if "order: 2" in first else ["gpt-5-mini", "gpt-4o-mini"])


def test_embeddings_have_targets_with_the_same_model_only() -> None:
    same = several("", "", models=("text-embedding-3-small", "text-embedding-3-small")).gateway["models"]["m"]
    assert same["same_vectors"] is True
    mixed = several("", "api_key: s3cret", models=("text-embedding-3-small", "text-embedding-3-large"))
    assert mixed.gateway["models"]["m"]["provider"]["model"] == "text-embedding-3-small"
    assert "cannot be compared" in row(mixed, "model_list.1.litellm_params.model").reason


def test_more_targets_than_a_model_has() -> None:
    entry = "  - {model_name: m, litellm_params: {model: openai/gpt-5-mini}}\n"
    imported = read(f"model_list:\n{entry * 9}")
    assert len(imported.gateway["models"]["m"]["targets"]) == 8
    assert "8 targets at most" in row(imported, "model_list.8.model_name").reason


def test_fallbacks_that_would_be_too_many_targets_are_not_added() -> None:
    own = "  - {model_name: m, litellm_params: {model: openai/gpt-5-mini}}\n" * 8
    other = "  - {model_name: b, litellm_params: {model: anthropic/claude-sonnet-4-5}}\n"
    imported = read(f"model_list:\n{own}{other}router_settings: {{fallbacks: [{{m: [b]}}]}}")
    assert len(imported.gateway["models"]["m"]["targets"]) == 8
    assert "8 targets at most" in row(imported, "router_settings.fallbacks.0.m.0").reason


TWO = """
model_list:
  - {model_name: a, litellm_params: {model: openai/gpt-5-mini, timeout: 20}}
  - {model_name: b, litellm_params: {model: anthropic/claude-sonnet-4-5}}
  - {model_name: e, litellm_params: {model: openai/text-embedding-3-small}}
"""


@pytest.mark.parametrize("section", ["router_settings", "litellm_settings"])
def test_fallbacks_are_targets_without_a_weight(section: str) -> None:
    imported = read(f"{TWO}{section}: {{fallbacks: [{{a: [b, nowhere, 3]}}]}}")
    first, second = imported.gateway["models"]["a"]["targets"]
    assert first == {"provider": OPENAI, "seconds": 20}
    assert second["provider"]["model"] == "claude-sonnet-4-5"
    assert "seconds" not in imported.gateway["models"]["a"]
    assert row(imported, f"{section}.fallbacks.0.a.0").outcome is Outcome.CHANGED
    assert [row(imported, f"{section}.fallbacks.0.a.{at}").outcome for at in (1, 2)] == [Outcome.NONE] * 2


def test_default_fallbacks_are_of_every_model_but_those_with_embeddings() -> None:
    imported = read(f"{TWO}litellm_settings: {{default_fallbacks: [b]}}")
    assert len(imported.gateway["models"]["a"]["targets"]) == 2
    assert "targets" not in imported.gateway["models"]["b"]
    assert "targets" not in imported.gateway["models"]["e"]
    assert "not added to e" in row(imported, "litellm_settings.default_fallbacks.0").reason


@pytest.mark.parametrize(("ttl", "seconds"), [("600", 600), ("600.0", 600), ("9999999", 2_592_000)])
def test_a_cache_of_everything_is_each_model_s(ttl: str, seconds: int) -> None:
    imported = read(
        f"{TWO}litellm_settings: {{cache: true, cache_params: {{type: redis, ttl: {ttl}, password: s3cret}}}}"
    )
    kept = [model["cache"] for model in imported.gateway["models"].values()]
    assert kept == [{"seconds": seconds, "any_temperature": True}] * 3
    assert row(imported, "litellm_settings.cache").outcome is Outcome.CHANGED
    assert "s3cret" not in repr(imported)


@pytest.mark.parametrize(
    "params", ["{}", "{ttl: soon}", "{ttl: 0}", "{ttl: 600, mode: default_off}", "{ttl: 600, type: redis-semantic}"]
)
def test_a_cache_that_is_of_another_kind_is_not_taken_over(params: str) -> None:
    imported = read(f"{TWO}litellm_settings: {{cache: true, cache_params: {params}}}")
    assert not any("cache" in model for model in imported.gateway["models"].values())
    assert row(imported, "litellm_settings.cache").outcome is Outcome.NONE


def test_an_alias_is_a_model_of_its_own() -> None:
    aliases = "{c: a, d: {model: b, hidden: true}, b: a, 'two words': a, x: nowhere}"
    imported = read(f"{TWO}router_settings: {{model_group_alias: {aliases}}}")
    models = imported.gateway["models"]
    assert [*models] == ["a", "b", "e", "c", "d"]
    assert models["c"] == models["a"]
    reasons = [row(imported, f"router_settings.model_group_alias.{each}").reason for each in ("b", "two words", "x")]
    assert [each.partition(",")[0] for each in reasons] == [
        "a model has this name already",
        "`two words` must have 1 to 128 letters",
        "it names no model that is written",
    ]


@pytest.mark.parametrize(
    ("budget", "caps"),
    [
        ("max_budget: 100, budget_duration: 30d", {"cap_usd_per_month": 100}),
        ("max_budget: 100, budget_duration: 1mo", {"cap_usd_per_month": 100}),
        ("max_budget: 100", {"cap_usd_per_month": 100}),
        ("max_budget: 2.5, budget_duration: 24h", {"cap_usd_per_month": 77.5, "cap_usd_per_day": 2.5}),
        ("max_budget: 2, budget_duration: 1h", {"cap_usd_per_month": 62, "cap_usd_per_day": 2}),
        ("max_budget: 70, budget_duration: 7d", {"cap_usd_per_month": 70}),
        ("max_budget: 300, budget_duration: 90d", {"cap_usd_per_month": 100}),
    ],
)
def test_the_budget_of_the_proxy_is_a_customer_s(budget: str, caps: dict[str, Any]) -> None:
    imported = read(f"{TWO}litellm_settings: {{{budget}}}\ngeneral_settings: {{global_max_parallel_requests: 7}}")
    assert imported.gateway["customers"] == {"everyone": {**caps, "models": ["a", "b", "e"], "concurrency": 7}}
    assert row(imported, "litellm_settings.max_budget").outcome is Outcome.CHANGED
    assert imported.important == ()


@pytest.mark.parametrize("budget", ["max_budget: 1.0e-9", "max_budget: 1.0e+12", "max_budget: 5, budget_duration: x"])
def test_a_budget_that_no_customer_can_have_is_important(budget: str) -> None:
    imported = read(f"{TWO}litellm_settings: {{{budget}}}")
    assert "customers" not in imported.gateway
    assert row(imported, "litellm_settings.max_budget") in imported.important


def test_without_a_budget_a_customer_gets_the_cap_that_was_asked_for() -> None:
    text = f"{TWO}general_settings: {{global_max_parallel_requests: 7}}"
    assert read(text, Decimal(50)).gateway["customers"]["everyone"]["cap_usd_per_month"] == 50
    without = read(text)
    assert "customers" not in without.gateway
    assert row(without, "general_settings.global_max_parallel_requests") in without.important


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("model_list: 3", "model_list"),
        ("model_list: {a: 1}", "model_list.a"),
        ("model_list: [3]", "model_list.0"),
        ("model_list: [{model_name: 3, litellm_params: {model: a}}]", "model_list.0.model_name"),
        ("model_list: [{model_name: a, litellm_params: [1]}]", "model_list.0.model_name"),
        ("litellm_settings: [1]", "litellm_settings.0"),
        ("router_settings: {fallbacks: 3}", "router_settings.fallbacks"),
        ("router_settings: {model_group_alias: [1]}", "router_settings.model_group_alias.0"),
        ("litellm_settings: {max_budget: much}", "litellm_settings.max_budget"),
        ("litellm_settings: {request_timeout: [1]}", "litellm_settings.request_timeout.0"),
    ],
)
def test_a_wrong_type_is_unknown_with_a_reason(text: str, field: str) -> None:
    found = row(read(text), field)
    assert found.outcome is Outcome.UNKNOWN
    assert found.reason != "no such field is known here"


def test_a_number_with_thousands_of_digits_is_no_number() -> None:
    digits = 10**5000
    content = {
        "model_list": [
            {"model_name": "m", "litellm_params": {"model": "openai/gpt-5-mini", "timeout": digits, "rpm": digits}}
        ],
        "litellm_settings": {
            "max_budget": digits,
            "num_retries": digits,
            "cache": True,
            "cache_params": {"ttl": 5, "type": digits},
        },
    }
    imported = import_litellm(content, price_of)
    holds(imported, content)
    assert row(imported, "litellm_settings.max_budget").outcome is Outcome.UNKNOWN


def test_a_document_as_deep_as_python_can_make_it() -> None:
    deep: Any = "end"
    for _ in range(5000):
        deep = {"a": deep}
    assert len(import_litellm({"model_list": [deep], "general_settings": deep}, price_of).rows) == 2


def test_every_provider_has_a_price_and_an_address_that_the_settings_accept() -> None:
    of_each = {
        "openai": "gpt-5-mini",
        "anthropic": "claude-haiku-4-5",
        "gemini": "gemini-2.5-flash",
        "groq": "llama-3.3-70b-versatile",
        "mistral": "mistral-large-latest",
        "deepseek": "deepseek-chat",
        "xai": "grok-4",
        "cerebras": "gpt-oss-120b",
        "together_ai": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "fireworks_ai": "accounts/fireworks/models/deepseek-v3p2",
        "openrouter": "anthropic/claude-3.5-sonnet",
    }
    assert [*of_each] == [place.prefix for place in PLACES]
    entries = [{"model_name": key, "litellm_params": {"model": f"{key}/{name}"}} for key, name in of_each.items()]
    imported = import_litellm({"model_list": entries}, known_price)
    assert [*imported.gateway["models"]] == [*of_each]


@given(CONTENT)
def test_whatever_a_file_says_every_field_is_accounted_for_and_the_block_is_valid(content: Mapping[str, Any]) -> None:
    imported = import_litellm(content, price_of)
    holds(imported, content)
    assert all(each.outcome is Outcome.TAKEN or each.reason for each in imported.rows)
