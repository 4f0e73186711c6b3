"""`scaletozero invoke` and `bench` of an asynchronous endpoint: what is printed, and the exit codes."""

import json
from dataclasses import replace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from scaletozero.cli import app, benching, querying
from scaletozero.cli.querying import Target, ask_asynchronously
from scaletozero.sandbox.daemon import Sandbox

ELSEWHERE = Target("a", "eu-central-1", None)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def refused(monkeypatch: pytest.MonkeyPatch, target: Target, *arguments: str) -> str:
    for module in (querying, benching):
        monkeypatch.setattr(module, "find_target", lambda *_: target)
    outcome = run(*arguments)
    assert outcome.exit_code == 2
    return outcome.stderr


def test_an_answer_a_models_error_and_none_in_time(world: Any, capsys: pytest.CaptureFixture[str]) -> None:
    world.asynchronous("a")
    sandbox = Sandbox(0, world.servers.aws_url, world.servers.runtime_url, world.servers.credentials)
    target = Target("a", "eu-central-1", sandbox, "s3://calls/requests")

    def ask(of: Target = target, timeout: float = 300, **request: Any) -> bytes:
        return ask_asynchronously(of, "s3://calls/requests", json.dumps(request).encode(), timeout)

    def failed(code: int, **request: Any) -> str:
        with pytest.raises(typer.Exit) as caught:
            ask(**request)
        assert caught.value.exit_code == code
        return capsys.readouterr().err

    assert json.loads(ask(echo=1))["echo"] == 1
    assert "the result will be at s3://calls/answers/" in capsys.readouterr().err
    assert 'ModelError: {"error": "as asked"}' in failed(1, status=400)
    assert "no result after 0.1 s" in failed(1, timeout=0.1, sleep=60)
    assert "ValidationError: Endpoint nobody of account" in failed(2, of=replace(target, name="nobody"))
    world.servers.stop()
    assert "no response" in failed(1, timeout=1, echo=1)


def test_only_an_asynchronous_endpoint_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(monkeypatch, ELSEWHERE, "invoke", "a", "{}", "--timeout", "5")
    assert "--timeout: is for asynchronous endpoints, got 5" in said


def test_only_a_serverless_endpoint_has_the_limit_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    much = json.dumps("x" * 4 * 1024 * 1024)
    assert "may have at most 4194304 bytes" in refused(monkeypatch, ELSEWHERE, "invoke", "a", much)
    assert "may have at most 4194304 bytes" in refused(monkeypatch, ELSEWHERE, "bench", "a", "--payload", much)
    asked: list[int] = []
    monkeypatch.setattr(querying, "ask_asynchronously", lambda _t, _r, payload, _s: asked.append(len(payload)) or b"{}")
    monkeypatch.setattr(querying, "find_target", lambda *_: replace(ELSEWHERE, requests="s3://b/requests"))
    outcome = run("invoke", "a", much)
    assert (outcome.exit_code, outcome.stdout, asked) == (0, "{}\n", [len(much)])


def test_the_time_in_a_queue_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(monkeypatch, replace(ELSEWHERE, requests="s3://b/requests"), "bench", "a")
    assert "must be synchronous" in said
