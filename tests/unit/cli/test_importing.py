"""`scaletozero import`: what it writes, where, what it says last, and what it refuses."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from import_prices import price_of
from typer.testing import CliRunner

from model_packaging.extras import NotInstalledError
from model_packaging.findings import Finding
from model_packaging.validation import parse
from scaletozero.cli import app, importing
from scaletozero.environment.yaml_file import parse_yaml, read_yaml
from scaletozero.settings.gateway import Gateway

CONFIG = """
model_list:
  - model_name: small
    litellm_params: {model: openai/gpt-5-mini, api_key: os.environ/OPENAI_API_KEY}
litellm_settings: {max_budget: 100, budget_duration: 30d}
"""
PROGRAM = """
client = OpenAI(base_url="https://oai.helicone.ai/v1", default_headers={
    "Helicone-RateLimit-Policy": "500;w=86400;u=cents",
})
client.responses.create(model="gpt-4o-mini")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importing, "known_price", price_of)
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text(PROGRAM)
    return tmp_path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["import", *arguments])


@pytest.mark.parametrize("arguments", [("litellm", "config.yaml"), ("helicone", "src")])
def test_the_block_is_on_stdout_and_the_report_on_stderr(arguments: tuple[str, str]) -> None:
    done = run(*arguments)
    assert done.exit_code == 0
    assert parse(Gateway, parse_yaml(done.stdout, "x")["gateway"]).customers["everyone"].keys == ()
    assert "taken over" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last == (
        "1 model, 1 customer. Next: put the block under `scaletozero:environment`; set OPENAI_API_KEY;"
        " make keys with `scaletozero customers key everyone`."
    )


def test_a_file_is_written_and_never_replaced_without_force(folder: Path) -> None:
    done = run("litellm", "config.yaml", "--output", "gateway.yaml")
    assert done.exit_code == 0
    written = (folder / "gateway.yaml").read_text()
    parse(Gateway, read_yaml(folder / "gateway.yaml")["gateway"])
    assert "model_list.0.model_name" in done.stdout
    (folder / "gateway.yaml").write_text("mine")
    again = run("litellm", "config.yaml", "-o", "gateway.yaml")
    assert again.exit_code == 2
    assert (
        "--output: must not exist yet, got gateway.yaml; it would be replaced. Fix: take another name" in again.stderr
    )
    assert (folder / "gateway.yaml").read_text() == "mine"
    assert run("litellm", "config.yaml", "-o", "gateway.yaml", "--force").exit_code == 0
    assert (folder / "gateway.yaml").read_text() == written


def test_a_link_to_nothing_is_not_written_through(folder: Path) -> None:
    (folder / "link.yaml").symlink_to("elsewhere.yaml")
    assert run("litellm", "config.yaml", "-o", "link.yaml").exit_code == 2
    assert not (folder / "elsewhere.yaml").exists()


def test_json_has_the_block_only_where_no_file_has_it(folder: Path) -> None:
    report = json.loads(run("litellm", "config.yaml", "--json").stdout)
    assert report["counts"] == {"taken over": 3, "changed": 2, "without counterpart": 0, "unknown": 0}
    assert report["fields"][2] == {
        "field": "model_list.0.litellm_params.api_key",
        "outcome": "taken over",
        "was": "",
        "here": "models.small.provider.variable: OPENAI_API_KEY",
        "reason": "",
        "important": False,
    }
    assert report["variables"] == ["OPENAI_API_KEY"]
    parse(Gateway, report["gateway"])
    (folder / "src" / "b.js").write_bytes(b"\0")
    beside = json.loads(run("helicone", "src", "--json", "-o", "gateway.yaml").stdout)
    assert "gateway" not in beside
    assert beside["skipped"] == [{"path": "b.js", "reason": "binary"}]


def test_what_changes_safety_or_money_fails_and_is_marked(folder: Path) -> None:
    (folder / "config.yaml").write_text(f"{CONFIG}guardrails: [{{guardrail_name: a}}]\nunheard_of: 1\n")
    done = run("litellm", "config.yaml")
    assert done.exit_code == 1
    assert "without counterpart !" in done.stderr
    assert "look at what is unknown. But first: what is marked with !" in done.stderr.splitlines()[-1]
    parse(Gateway, parse_yaml(done.stdout, "x")["gateway"])


def test_without_a_budget_the_last_line_asks_for_customers_unless_a_cap_is_given(folder: Path) -> None:
    (folder / "config.yaml").write_text(CONFIG.partition("litellm_settings")[0])
    assert "declare customers with caps" in run("litellm", "config.yaml").stderr
    capped = run("litellm", "config.yaml", "--cap-usd-per-month", "50")
    assert parse_yaml(capped.stdout, "x")["gateway"]["customers"]["everyone"]["cap_usd_per_month"] == 50


@pytest.mark.parametrize("cap", ["0", "-1", "many", "NaN", "1e400", "9" * 5000, "10000001"])
def test_a_cap_that_is_none_is_refused(cap: str) -> None:
    done = run("litellm", "config.yaml", f"--cap-usd-per-month={cap}")
    assert done.exit_code == 2
    assert "--cap-usd-per-month: must be a number of USD" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "config.yaml:1: must be YAML"),
        ("- a", "config.yaml: must be a mapping, got a list"),
        ("a: 1\na: 2", "must have every key once, got a"),
        ("a: &x [*x]", "config.yaml: may be nested at most 100 levels deep"),
        ("[" * 5000, "config.yaml: may be nested at most 100 levels deep"),
        ("a: !!python/object/apply:os.system [ls]", "has no meaning here"),
        ("x" * 1_000_001, "may have at most 1,000,000 bytes"),
        ("\udcff", "must be a readable text file"),
    ],
)
def test_a_file_that_is_no_configuration(folder: Path, content: str, said: str) -> None:
    (folder / "config.yaml").write_bytes(content.encode(errors="surrogateescape"))
    done = run("litellm", "config.yaml")
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_what_is_no_file_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe.yaml")
    for name, said in (("pipe.yaml", "a named pipe"), ("src", "a folder"), ("nowhere.yaml", "No such file")):
        done = run("litellm", name)
        assert done.exit_code == 2
        assert said in done.stderr


def test_a_folder_without_helicone_is_refused(folder: Path) -> None:
    (folder / "src" / "app.py").write_text("model='gpt-4o-mini'")
    done = run("helicone", "src")
    assert done.exit_code == 2
    assert "src: must have a source file that names a host or a header of Helicone, got none in 1 files" in done.stderr


@pytest.mark.parametrize("model", ["nowhere/model", "azure/gpt-4o"])
def test_nothing_is_written_where_no_model_can_be(folder: Path, model: str) -> None:
    (folder / "config.yaml").write_text(f"model_list: [{{model_name: a, litellm_params: {{model: {model}}}}}]")
    done = run("litellm", "config.yaml", "-o", "gateway.yaml")
    assert done.exit_code == 1
    assert "Nothing was written" in done.stderr.splitlines()[-1]
    assert not (folder / "gateway.yaml").exists()


def test_a_key_in_the_file_is_nowhere_in_what_is_said_or_written(folder: Path) -> None:
    (folder / "config.yaml").write_text(CONFIG.replace("os.environ/OPENAI_API_KEY", "sk-proj-s3cret"))
    for more in ((), ("--json",), ("-o", "gateway.yaml")):
        done = run("litellm", "config.yaml", *more)
        assert "s3cret" not in done.output
        assert "a key is never copied" in done.output
    assert "s3cret" not in (folder / "gateway.yaml").read_text()


def test_without_the_prices_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> None:
        raise NotInstalledError([Finding("genai_prices", "must be installed")])

    monkeypatch.setattr(importing, "known_price", absent)
    done = run("litellm", "config.yaml")
    assert done.exit_code == 2
    assert "must be installed" in done.stderr


def test_keys_become_customers(folder: Path) -> None:
    key = {"key_alias": "acme", "key_name": "sk-...abcd", "max_budget": 5, "budget_duration": "30d", "models": []}
    (folder / "keys.json").write_text(json.dumps({"keys": [key]}))
    done = run("litellm", "config.yaml", "--keys", "keys.json")
    customers = parse(Gateway, parse_yaml(done.stdout, "x")["gateway"]).customers
    assert {name: each.cap_usd_per_month for name, each in customers.items()} == {"acme": 5}
    assert done.exit_code == 1  # the budget of the whole proxy is not taken over
    assert "make keys with `scaletozero customers key NAME`" in done.stderr.splitlines()[-1]
    assert "abcd" not in done.output


def test_a_list_of_keys_that_is_none(folder: Path) -> None:
    (folder / "keys.json").write_text("[1]")
    assert run("litellm", "config.yaml", "--keys", "keys.json").exit_code == 2
