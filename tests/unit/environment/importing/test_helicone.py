"""What a program says to Helicone: found by text, taken over where it can be, and reported."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from import_prices import price_of
from imported_rows import row

from model_packaging.findings import FindingsError
from model_packaging.validation import parse
from scaletozero.environment.importing import sources as reading
from scaletozero.environment.importing.helicone import import_helicone
from scaletozero.environment.importing.helicone_mentions import Kind, mentions
from scaletozero.environment.importing.report import Imported, Outcome
from scaletozero.environment.importing.sources import Skipped, Source, sources
from scaletozero.settings.gateway import Gateway

HOST = '"https://oai.helicone.ai/v1"\nmodel="gpt-4o-mini"\n'


def read(text: str, cap: Decimal | None = None) -> Imported:
    imported = import_helicone(mentions("app.py", text), price_of, cap)
    parse(Gateway, imported.gateway)
    return imported


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ('headers = {"Helicone-Cache-Enabled": "true"}', "Helicone-Cache-Enabled", "true"),
        ("{'helicone-cache-enabled' : 'true'}", "helicone-cache-enabled", "true"),
        ('headers["Helicone-User-Id"] = "u1"', "Helicone-User-Id", "u1"),
        ('headers.set("Helicone-User-Id", "u1")', "Helicone-User-Id", "u1"),
        ('{"Helicone-RateLimit-Policy":\n    "10;w=60"}', "Helicone-RateLimit-Policy", "10;w=60"),
        ('-H "Helicone-User-Id: u1"', "Helicone-User-Id", "u1"),
        ('{"Helicone-Fallbacks": \'[{"a": 1}]\'}', "Helicone-Fallbacks", '[{"a": 1}]'),
        ('{"Helicone-Auth": f"Bearer {KEY}"}', "Helicone-Auth", None),
        ('{"Helicone-Auth": "Bearer " + KEY}', "Helicone-Auth", None),
        ('{"Helicone-Auth": "Bearer {}".format(KEY)}', "Helicone-Auth", None),
        ("{'Helicone-Auth': `Bearer ${KEY}`}", "Helicone-Auth", None),
        ("`Helicone-Auth: Bearer ${KEY}`", "Helicone-Auth", None),
        ('{"Helicone-User-Id": user}', "Helicone-User-Id", None),
        ('{f"Helicone-Property-{name}": "x"}', "Helicone-Property-...", None),
        ("{[`Helicone-Property-${name}`]: 'x'}", "Helicone-Property-...", None),
        ('"Helicone-User-Id: never ends', "Helicone-User-Id", None),
    ],
)
def test_a_header_and_its_value(text: str, name: str, value: str | None) -> None:
    (found,) = mentions("a.ts", f"\n{text}")
    assert (found.line, found.kind, found.name, found.value) == (2, Kind.HEADER, name, value)


@pytest.mark.parametrize(
    "text", ["# Helicone-Auth is a header", "import '@helicone/helpers'", "https://oai.helicone.ai.evil.example/v1"]
)
def test_what_is_no_header_and_no_host(text: str) -> None:
    assert mentions("a.py", text) == ()


@pytest.mark.parametrize("host", ["oai.helicone.ai", "oai.hconeai.com", "OAI.helicone.ai", "gateway.helicone.ai"])
def test_a_host(host: str) -> None:
    (found,) = mentions("a.py", f"base_url='https://{host}/v1'")
    assert (found.kind, found.name) == (Kind.HOST, host.lower())


def test_models_of_the_provider_behind_the_host() -> None:
    imported = read(HOST + 'model: "claude-sonnet-4-5"')
    assert imported.gateway == {
        "models": {
            "gpt-4o-mini": {
                "provider": {
                    "base_url": "https://api.openai.com/v1",
                    "model": "gpt-4o-mini",
                    "variable": "OPENAI_API_KEY",
                    "price": "openai/gpt-4o-mini",
                }
            }
        }
    }
    assert row(imported, "app.py:1 oai.helicone.ai").outcome is Outcome.CHANGED
    assert "no price of it at openai" in row(imported, "app.py:3 model claude-sonnet-4-5").reason


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("groq", "https://api.groq.com/openai/v1"),
        ("openrouter", "https://openrouter.ai/api/v1"),
        ("api", ""),
        ("eu", ""),
    ],
)
def test_a_host_of_one_provider(host: str, provider: str) -> None:
    found = row(read(f'"https://{host}.helicone.ai/v1"'), f"app.py:1 {host}.helicone.ai")
    assert (found.outcome, found.here) == (
        (Outcome.CHANGED, f"models.*.provider.base_url: {provider}") if provider else (Outcome.NONE, "")
    )


def test_a_host_of_many_providers_has_the_models_of_all() -> None:
    imported = read('"https://ai-gateway.helicone.ai"\nmodel="claude-sonnet-4-5"\nmodel="openai/gpt-5-mini"')
    models = imported.gateway["models"]
    assert [models[name]["provider"]["model"] for name in models] == ["claude-sonnet-4-5", "gpt-5-mini"]


@pytest.mark.parametrize("header", ["Helicone-Target-URL", "Helicone-OpenAI-Api-Base", "helicone-target-url"])
def test_the_provider_that_a_header_names(header: str) -> None:
    text = (
        f'"https://gateway.helicone.ai/openai/v1"\n"{header}": "https://api.groq.com"\nmodel="llama-3.3-70b-versatile"'
    )
    provider = read(text).gateway["models"]["llama-3.3-70b-versatile"]["provider"]
    assert provider["base_url"] == "https://api.groq.com/openai/v1"


@pytest.mark.parametrize(
    "value", ["url", '"https://10.0.0.1"', '"https://[::1"', '"https://api.groq.com.evil.example"']
)
def test_an_address_that_is_nobody_s_is_important(value: str) -> None:
    imported = read(f'{HOST}"Helicone-Target-URL": {value}')
    assert row(imported, "app.py:3 Helicone-Target-URL") in imported.important


def test_models_in_other_files_are_found_and_nothing_else_of_them_is_reported() -> None:
    found = (*mentions("a.py", HOST), *mentions("b.py", 'model="gpt-5-mini"\nmodel="van"'))
    imported = import_helicone(found, price_of)
    assert [*imported.gateway["models"]] == ["gpt-4o-mini", "gpt-5-mini"]
    assert [each.field for each in imported.rows if each.field.startswith("b.py")] == ["b.py:1 model gpt-5-mini"]


@pytest.mark.parametrize(
    ("policy", "settings"),
    [
        ("60;w=60", {"requests_per_minute": 60}),
        ("1000;w=3600", {"requests_per_minute": 16}),
        ("1;w=86400;u=request", {"requests_per_minute": 1}),
        ("500;w=86400;u=cents", {"cap_usd_per_month": 155, "cap_usd_per_day": 5}),
        ("5000; w=2592000; u=cents", {"cap_usd_per_month": 50}),
    ],
)
def test_a_limit_of_all_callers_is_a_customer_s(policy: str, settings: dict[str, Any]) -> None:
    imported = read(f'{HOST}"Helicone-RateLimit-Policy": "{policy}"', Decimal(1000))
    made = imported.gateway["customers"]["everyone"]
    assert made == {"cap_usd_per_month": 1000, "models": ["gpt-4o-mini"], **settings}
    assert imported.important == ()


def test_the_lowest_of_several_limits_counts() -> None:
    policies = ("900;w=60", "60;w=60", "9000;w=86400;u=cents", "2000;w=2592000;u=cents")
    text = HOST + "\n".join(f'"Helicone-RateLimit-Policy": "{each}"' for each in policies)
    made = read(text).gateway["customers"]["everyone"]
    assert made == {"requests_per_minute": 60, "cap_usd_per_month": 20, "models": ["gpt-4o-mini"]}


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ('"60;w=60;s=user"', "a limit for each user"),
        ('"60;w=60;u=cents;s=team"', "a limit for each team"),
        ('"60;w=0"', "it is no"),
        ('"0;w=60"', "it is no"),
        ('"many"', "it is no"),
        (f'"{"9" * 5000};w=60"', "it is computed"),  # its end is further than a value is looked for
        ("policy", "it is computed"),
        ('"60;w=60"', "a customer needs a cap"),
    ],
)
def test_a_limit_that_is_not_taken_over_is_important(policy: str, said: str) -> None:
    imported = read(f'{HOST}"Helicone-RateLimit-Policy": {policy}')
    found = row(imported, "app.py:3 Helicone-RateLimit-Policy")
    assert said in found.reason
    assert imported.important == (found,)
    assert "customers" not in imported.gateway


def test_retries_are_of_all_models() -> None:
    imported = read(f'{HOST}"helicone-retry-num": "2"\n"helicone-retry-num": "9"\n"helicone-retry-factor": "2"')
    assert imported.gateway["models"]["gpt-4o-mini"]["retries"] == 5
    assert row(imported, "app.py:5 helicone-retry-factor").outcome is Outcome.NONE


def test_no_key_and_no_value_of_a_header_that_is_not_taken_over_is_shown() -> None:
    names = (
        "Auth",
        "User-Id",
        "Property-App",
        "Posthog-Key",
        "Unheard-Of",
        "Target-URL",
        "Cache-Seed",
        "RateLimit-Policy",
    )
    imported = read(HOST + "\n".join(f'"Helicone-{name}": "sk-s3cret"' for name in names))
    assert "s3cret" not in repr(imported)
    assert row(imported, "app.py:7 Helicone-Unheard-Of").outcome is Outcome.UNKNOWN
    assert "never copied" in row(imported, "app.py:3 Helicone-Auth").reason


PIECES = st.sampled_from(
    [
        '"Helicone-',
        "Auth",
        "RateLimit-Policy",
        '": "',
        '"',
        "'",
        "`",
        "${",
        "{",
        "}",
        "\n",
        "60;w=60",
        ";s=user",
        "model=",
        "gpt-4o-mini",
        "https://",
        "oai.helicone.ai",
        "\\",
        "+",
        "f",
        "Target-URL",
        "https://[",
        "\0",
        "\ud800",
        "helicone-retry-num",
    ]
) | st.text(max_size=4)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_whatever_a_file_says_each_mention_is_accounted_for(text: str) -> None:
    found = mentions("a.py", text)
    imported = import_helicone(found, price_of, Decimal(5))
    parse(Gateway, imported.gateway)
    near = [each.field for each in found if each.near]
    assert [each.field for each in imported.rows if each.field in near] == near
    assert all(each.outcome is Outcome.TAKEN or each.reason for each in imported.rows)


def test_only_files_of_the_program_are_read_and_the_others_are_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(reading, "LARGEST", 100)
    for name, content in {
        "b.py": b"x",
        "sub/a.ts": b"y",
        "notes.md": b"z",
        "binary.js": b"a\0b",
        "latin.js": b"\xe9",
        "huge.js": b"x" * 101,
        "node_modules/m.js": b"m",
        ".venv/v.py": b"v",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "link.py").symlink_to("b.py")
    (tmp_path / "round").symlink_to(".")
    found = list(sources(tmp_path))
    assert [each for each in found if isinstance(each, Source)] == [Source("b.py", "x"), Source("sub/a.ts", "y")]
    assert {each.path: each.reason for each in found if isinstance(each, Skipped)} == {
        "binary.js": "binary",
        "latin.js": "not UTF-8",
        "huge.js": "more than 100 bytes",
        "node_modules": "a folder with files of others or of a tool",
        ".venv": "a folder with files of others or of a tool",
        "pipe.py": "no regular file",
        "link.py": "a link",
        "round": "a link",
    }


def test_reading_ends_after_many_files(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(reading, "MOST_FILES", 2)
    for name in "abcd":
        (tmp_path / f"{name}.py").write_text(name)
    assert [type(each) for each in sources(tmp_path)] == [Source, Source, Skipped]


@pytest.mark.parametrize("name", ["nowhere", "file.py", "a\0b"])
def test_what_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.py").write_text("")
    with pytest.raises(FindingsError, match="must be a folder with source files"):
        sources(tmp_path / name)
