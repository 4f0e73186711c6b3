"""LiteLLM's keys: which customers they become, that no key is shown, and that every field is accounted for."""

from decimal import Decimal
from typing import Any

import pytest
from import_prices import price_of
from imported_rows import paths, row

from model_packaging.validation import parse
from scaletozero.environment.importing.litellm import import_litellm
from scaletozero.environment.importing.report import Imported, Outcome
from scaletozero.settings.gateway import Gateway

CONFIG = {
    "model_list": [
        {"model_name": name, "litellm_params": {"model": "openai/gpt-5-mini"}} for name in ("small", "large")
    ],
    "litellm_settings": {"max_budget": 100, "budget_duration": "30d"},
    "general_settings": {"global_max_parallel_requests": 5},
}
FULL = {
    "token": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
    "key_name": "sk-...abcd",
    "key_alias": "acme",
    "spend": 3.5,
    "max_budget": 20.0,
    "budget_duration": "1d",
    "models": ["small", "unheard-of"],
    "rpm_limit": 60,
    "tpm_limit": 1000,
    "max_parallel_requests": 4,
    "expires": "2027-01-01T00:00:00Z",
    "blocked": False,
    "user_id": "ann@example.com",
    "team_id": None,
    "metadata": {},
    "unheard_of": 1,
}


def read(*keys: Any, cap: Decimal | None = None, **more: Any) -> Imported:
    content = {"keys": [*keys], **more}
    imported = import_litellm(CONFIG, price_of, cap, content)
    parse(Gateway, imported.gateway)
    assert [each.field for each in imported.rows] == [*paths(CONFIG), *paths(content)]
    return imported


def test_a_key_becomes_a_customer() -> None:
    imported = read(FULL, total_count=1, current_page=1, total_pages=1)
    assert imported.gateway["customers"] == {
        "acme": {
            "cap_usd_per_month": 620,
            "cap_usd_per_day": 20,
            "models": ["small"],
            "requests_per_minute": 60,
            "concurrency": 4,
            "expires": "2026-12-31",
        }
    }
    assert {each.field for each in imported.important} == {
        "litellm_settings.max_budget",
        "general_settings.global_max_parallel_requests",
        "keys.0.spend",
        "keys.0.tpm_limit",
    }
    assert row(imported, "keys.0.unheard_of").outcome is Outcome.UNKNOWN
    assert row(imported, "keys.0.models.1").outcome is Outcome.NONE


def test_no_key_and_no_person_is_shown() -> None:
    imported = read(FULL, {**FULL, "key_alias": "sk-proj-abc123"}, "sk-proj-abc123", cap=Decimal(5))
    for secret in (FULL["token"], "abcd", "ann@", "abc123"):
        assert str(secret) not in repr(imported)
    assert [*imported.gateway["customers"]] == ["acme", "key-2"]
    assert "return_full_object" in row(imported, "keys.2").reason


@pytest.mark.parametrize(
    ("alias", "name"),
    [("Acme Corp. (EU)", "acme-corp-eu"), ("42", "key-42"), (None, "key-1"), ("--", "key-1"), ("x" * 90, "x" * 50)],
)
def test_its_name_is_one_that_a_customer_may_have(alias: Any, name: str) -> None:
    assert [*read({**FULL, "key_alias": alias}).gateway["customers"]] == [name]


def test_two_keys_of_one_name_are_two_customers() -> None:
    assert [*read(FULL, FULL).gateway["customers"]] == ["acme", "acme-2"]


@pytest.mark.parametrize("models", [[], ["all-proxy-models"], None])
def test_without_a_list_all_models_may_be_asked_for(models: Any) -> None:
    assert read({**FULL, "models": models}).gateway["customers"]["acme"]["models"] == ["small", "large"]


@pytest.mark.parametrize("models", [["unheard-of"], ["no-default-models"], "small", [3]])
def test_a_key_without_a_model_becomes_no_customer(models: Any) -> None:
    imported = read({**FULL, "models": models})
    assert "customers" not in imported.gateway
    assert row(imported, "keys.0.key_alias").important


def test_a_key_without_a_budget_needs_a_cap() -> None:
    unbound = {**FULL, "max_budget": None}
    assert "customers" not in read(unbound).gateway
    assert "--cap-usd-per-month" in row(read(unbound), "keys.0.key_alias").reason
    assert read(unbound, cap=Decimal(7)).gateway["customers"]["acme"]["cap_usd_per_month"] == 7


@pytest.mark.parametrize("change", [{"max_budget": 0}, {"max_budget": "20"}, {"budget_duration": "soon"}])
def test_a_budget_that_cannot_be_read_becomes_no_customer(change: dict[str, Any]) -> None:
    assert "customers" not in read({**FULL, **change}, cap=Decimal(5)).gateway


@pytest.mark.parametrize(
    ("change", "disabled"),
    [
        ({"blocked": True}, True),
        ({"expires": "one day"}, True),
        ({"expires": "0001-01-01"}, True),
        ({"expires": None}, False),
    ],
)
def test_what_is_blocked_stays_so(change: dict[str, Any], disabled: bool) -> None:
    assert read({**FULL, **change}).gateway["customers"]["acme"].get("disabled", False) is disabled


@pytest.mark.parametrize(
    ("written", "last"),
    [
        ("2027-03-01T12:00:00", "2027-02-28"),
        ("2027-03-01T01:00:00+05:00", "2027-02-27"),
        ("2027-03-01", "2027-02-28"),
    ],
)
def test_no_key_is_accepted_longer_than_before(written: str, last: str) -> None:
    assert read({**FULL, "expires": written}).gateway["customers"]["acme"]["expires"] == last


def test_limits_of_a_team_are_not_forgotten() -> None:
    assert row(read({**FULL, "team_id": "t"}), "keys.0.team_id").important


def test_further_pages_are_not_forgotten() -> None:
    assert row(read(FULL, total_pages=2), "total_pages").important


@pytest.mark.parametrize("keys", ["all", {"a": 1}, 3])
def test_what_is_no_list_of_keys(keys: Any) -> None:
    imported = import_litellm(CONFIG, price_of, None, {"keys": keys})
    assert "customers" not in imported.gateway
    assert imported.rows[-1].outcome is Outcome.UNKNOWN
