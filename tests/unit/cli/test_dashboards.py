"""`dashboard`: what it prints, how it ends, and what it refuses."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from botocore.exceptions import NoCredentialsError
from live_page import DEPLOYED, cloudwatch, environment, put

from scaletozero.cli import dashboards


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with cloudwatch() as made:
        stack = SimpleNamespace(client=lambda service, region, config: made, sandbox=None)
        project = SimpleNamespace(name="acme")
        found = SimpleNamespace(settings=environment(), endpoints=dict(DEPLOYED), stack=stack, project=project)
        monkeypatch.setattr(dashboards, "running", lambda name, what: found)
        yield made


def test_one_reading_as_json(client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    put(client, "Invocations", 1, 1)
    dashboards.dashboard("local", as_json=True)
    found = json.loads(capsys.readouterr().out)
    requests = found["endpoints"][0]["panels"][0]
    assert (requests["title"], requests["series"][0]["values"]) == ("Requests", [2])


def test_one_reading_as_a_picture(client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(client, "Invocations", 1, 1)
    picture = tmp_path / "dashboard.svg"
    dashboards.dashboard("local", svg=picture)
    assert f"dashboard: {picture}" in capsys.readouterr().err
    assert ">acme, local</text>" in picture.read_text()


def test_a_picture_that_cannot_be_written_is_refused(
    client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught:
        dashboards.dashboard("local", svg=tmp_path)
    assert caught.value.exit_code == 2
    assert "--svg" in capsys.readouterr().err


def test_a_picture_of_endpoints_on_a_cluster_alone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with cloudwatch() as made:
        stack = SimpleNamespace(client=lambda service, region, config: made, sandbox=None)
        project = SimpleNamespace(name="acme")
        found = SimpleNamespace(
            settings=environment(), endpoints={"llm": DEPLOYED["llm"]}, stack=stack, project=project
        )
        monkeypatch.setattr(dashboards, "running", lambda name, what: found)
        with pytest.raises(typer.Exit) as caught:
            dashboards.dashboard("local", svg=tmp_path / "a.svg")
    assert caught.value.exit_code == 2
    assert "--svg: is for endpoints on SageMaker" in capsys.readouterr().err


def test_a_reading_without_credentials_exits_with_one(
    client: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: Any) -> None:
        raise NoCredentialsError

    monkeypatch.setattr(client, "get_paginator", none)
    with pytest.raises(typer.Exit) as caught:
        dashboards.dashboard("local", as_json=True)
    shown = capsys.readouterr()
    assert caught.value.exit_code == 1
    assert "No AWS credentials were found" in shown.err
    assert json.loads(shown.out)["endpoints"][0]["panels"][0]["error"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"port": -1}, "--port: must be from 0"),
        ({"port": 65536}, "--port: must be from 0"),
        ({"minutes": 9}, "--minutes: must be from 10 to 1440"),
        ({"minutes": 1441}, "--minutes: must be from 10 to 1440"),
    ],
)
def test_numbers_out_of_range(given: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught:
        dashboards.dashboard("local", **given)
    assert caught.value.exit_code == 2
    assert said in capsys.readouterr().err


def test_a_port_in_use(client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        with pytest.raises(typer.Exit) as caught:
            dashboards.dashboard("local", port=held.getsockname()[1])
    assert caught.value.exit_code == 2
    assert "--port: must be a port that nothing else uses" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"), [("nowhere", "must be one of"), ("local", "must be deployed")], ids=["unknown", "not deployed"]
)
def test_an_environment_that_is_not_there(
    name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: acme\nruntime: python\n")
    declared = {"region": "us-east-1", "endpoints": {}, "sandbox": {"aws_port": 0, "runtime_port": 0}}
    (tmp_path / "Pulumi.local.yaml").write_text(json.dumps({"config": {"acme:environment": declared}}))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(typer.Exit) as caught:
        dashboards.dashboard(name)
    assert caught.value.exit_code == 2
    assert said in capsys.readouterr().err


PAGE = """
import signal
from types import SimpleNamespace
from live_page import DEPLOYED, cloudwatch, environment
from scaletozero import cli
from scaletozero.cli import dashboards
# A shell starts what it runs in the background, these tests perhaps, with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
with cloudwatch() as client:
    stack = SimpleNamespace(client=lambda *_: client, sandbox=None)
    project = SimpleNamespace(name="acme")
    found = SimpleNamespace(settings=environment(), endpoints=DEPLOYED, stack=stack, project=project)
    dashboards.running = lambda name, what: found
    cli.main()
"""


def test_the_page_is_served_until_ctrl_c_which_is_no_error() -> None:
    path = os.pathsep.join(filter(None, sys.path))
    process = subprocess.Popen(
        [sys.executable, "-c", PAGE, "dashboard", "--no-open"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stderr
    try:
        lines = [process.stderr.readline(), process.stderr.readline()]
        address = re.search(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", lines[1])
        assert address, lines
        with urllib.request.urlopen(f"{address[0]}snapshot.json", timeout=30) as response:
            assert json.load(response)["environment"] == "local"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.stderr.close()
