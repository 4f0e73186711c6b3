"""`close gateway` and `reopen gateway`: what they mean, and where there is nothing to close."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from service_clients import Clients, refused
from typer.testing import CliRunner

from scaletozero.cli import app, gateway_closing
from scaletozero.sandbox import daemon

FILE = """\
config:
  demo:environment:
    region: us-east-1
    sandbox: {}
    endpoints:
      ENDPOINT: {artifact: artifacts/a, image: "123456789012.dkr.ecr.us-east-1.amazonaws.com/serve:1"}
    gateway:
      models: {m: {endpoint: ENDPOINT}}
      customers: {acme: {cap_usd_per_month: 5, models: [m]}}
      function: {concurrency: 7}
"""
GATEWAY = "urn:pulumi:dev::demo::scaletozero:index:InferenceGateway::gateway"
DEPLOYED: list[dict[str, Any]] = [
    {"urn": GATEWAY, "type": "scaletozero:index:InferenceGateway"},
    {
        "urn": "f",
        "type": "aws:lambda/function:Function",
        "parent": GATEWAY,
        "inputs": {"reservedConcurrentExecutions": 7},
        "outputs": {"name": "demo-gateway"},
    },
]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    (tmp_path / "Pulumi.local.yaml").write_text(FILE.replace("ENDPOINT", "sentences"))
    return tmp_path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def deployed(monkeypatch: pytest.MonkeyPatch, resources: list[dict[str, Any]], clients: Clients) -> None:
    stack = SimpleNamespace(resources=lambda: resources, client=lambda service, region: clients(service))
    monkeypatch.setattr(daemon, "running", lambda path: object())
    monkeypatch.setattr(gateway_closing, "find_engine", lambda say: None)
    monkeypatch.setattr(gateway_closing, "EnvironmentStack", lambda *given: stack)


@pytest.mark.parametrize("command", ["close", "reopen"])
def test_without_a_running_sandbox_nothing_is_changed(command: str) -> None:
    found = run(command, "gateway")
    assert found.exit_code == 2
    assert "no running embedded AWS" in found.stderr


def test_one_that_is_declared_only(monkeypatch: pytest.MonkeyPatch) -> None:
    deployed(monkeypatch, [], clients := Clients({}))
    found = run("close", "gateway")
    assert (found.exit_code, clients.calls) == (2, [])
    assert "gateway.function: must be deployed, got a function that is declared only" in found.stderr


def test_what_aws_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = refused("PutFunctionConcurrency", "AccessDeniedException")
    deployed(monkeypatch, DEPLOYED, Clients({"put_function_concurrency": denied}))
    found = run("close", "gateway")
    assert found.exit_code == 1
    assert "the gateway is not closed: " in found.stderr
    assert "AccessDenied" in found.stderr


def test_it_gets_back_what_was_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = {"ReservedConcurrentExecutions": 0}
    deployed(monkeypatch, DEPLOYED, clients := Clients({"get_function_concurrency": closed}))
    assert "up to 7 requests" in run("reopen", "gateway").stderr
    assert clients.of("put_function_concurrency")[0]["ReservedConcurrentExecutions"] == 7


def test_an_endpoint_with_the_name_is_meant_and_not_the_gateway(project: Path) -> None:
    assert gateway_closing.is_gateway("gateway", "local")
    (project / "Pulumi.local.yaml").write_text(FILE.replace("ENDPOINT", "gateway"))
    assert not gateway_closing.is_gateway("gateway", "local")
