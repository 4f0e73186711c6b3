"""`costs` of GPU endpoints: what is asked of Prometheus, and what is made of its answers."""

import csv
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import promql_parser
import pytest
import typer

from scaletozero.cli import costing
from scaletozero.observability.gpu_usage import questions

LLM = {
    "kind": "gpu", "name": "llm", "namespace": "models", "region": "eu-central-1", "max": 4, "usd_per_hour": 8.0,
}  # fmt: skip

WARM_POOL = 'deployment="llm-warm"'

Answer = Callable[[str, datetime], tuple[int, Any]]


def number(value: float | None) -> tuple[int, Any]:
    result = [] if value is None else [{"metric": {}, "value": [0, str(value)]}]
    return 200, {"status": "success", "data": {"resultType": "vector", "result": result}}


def busy_hour(query: str, at: datetime) -> tuple[int, Any]:
    """Each day one replica for three hours, which works in one of them, on 40 requests."""
    if "request_success" in query:
        return number(40)
    if WARM_POOL in query:
        return number(None)
    return number(60 if "num_requests_running" in query else 180)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Callable[[Answer], None]]]:
    """The address of a server that answers like Prometheus, and what sets its answers."""
    state: dict[str, Answer] = {"answer": busy_hour}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked = parse_qs(url.query)
            promql_parser.parse(asked["query"][0])
            assert url.path == "/api/v1/query"
            at = datetime.fromtimestamp(float(asked["time"][0]), UTC)
            status, content = state["answer"](asked["query"][0], at)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content if isinstance(content, bytes) else json.dumps(content).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the class has it
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    declare(monkeypatch, LLM)
    yield f"http://127.0.0.1:{serving.server_port}", lambda answer: state.update(answer=answer)
    serving.shutdown()
    serving.server_close()


def declare(monkeypatch: pytest.MonkeyPatch, llm: dict[str, Any]) -> None:
    settings = SimpleNamespace(gateway=None, region="eu-central-1", endpoints={})
    stack = SimpleNamespace(client=None, name="prod")
    monkeypatch.setattr(
        costing,
        "running",
        lambda *_, **__: SimpleNamespace(endpoints={"llm": llm}, settings=settings, stack=stack),
    )


def test_replicas_cost_and_what_they_did_not_work_is_idle(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    url, _ = server
    costing.costs("prod", "2d", prometheus=url, as_json=True)
    found = json.loads(capsys.readouterr().out)
    llm = found["endpoints"]["llm"]
    assert (llm["requests"], llm["usd"]) == (80, 12)  # twice three hours at 8 / 4 USD
    assert {each["what"] for each in llm["charges"]} == {"replicas, at most"}
    assert {each["part"]: each["usd"] for each in found["customers"]} == {"other callers": 4, "idle": 8}
    costing.costs("prod", "2d", prometheus=url, basis=costing.Basis.ALLOCATION, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert {each["part"]: each["usd"] for each in found["customers"]} == {"other callers": 12}


def test_nodes_that_a_warm_pool_keeps_ready_are_idle(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A node for an hour beside three hours of replicas, which worked in one: 2 USD more, all of it idle."""
    url, answers = server
    answers(lambda query, at: number(60) if WARM_POOL in query else busy_hour(query, at))
    costing.costs("prod", "1d", prometheus=url, as_json=True)
    found = json.loads(capsys.readouterr().out)
    charges = {each["what"]: each["usd"] for each in found["endpoints"]["llm"]["charges"]}
    assert charges == {"nodes kept ready, at most": 2, "replicas, at most": 6}
    assert {each["part"]: each["usd"] for each in found["customers"]} == {"other callers": 2, "idle": 6}
    costing.costs("prod", "1d", prometheus=url, basis=costing.Basis.ALLOCATION, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert {each["part"]: each["usd"] for each in found["customers"]} == {"other callers": 8}


def test_without_vllm_nothing_is_said_of_idle_time(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    url, answers = server
    answers(lambda query, _: number(None if "vllm" in query or WARM_POOL in query else 180))
    costing.costs("prod", "1d", prometheus=url, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert {each["part"]: each["usd"] for each in found["customers"]} == {"other callers": 6}
    assert "idle time, which vLLM's metrics say" in found["endpoints"]["llm"]["not_in_it"]


def test_rows_of_focus_name_the_deployment(server: Any, tmp_path: Path) -> None:
    path = tmp_path / "focus.csv"
    costing.costs("prod", "1d", prometheus=server[0], focus=path)
    with path.open(newline="") as file:
        idle, others = csv.DictReader(file)
    assert (idle["x_Part"], others["x_Part"]) == ("idle", "other callers")
    assert (idle["ResourceId"], idle["ListCost"], others["ListCost"]) == ("models/llm", "4", "2")
    ratios = [json.loads(each["AllocatedMethodDetails"])["Elements"][0]["AllocatedRatio"] for each in (idle, others)]
    assert sum(ratios) == 1


def test_a_day_is_asked_of_itself_alone() -> None:
    now = datetime(2026, 11, 29, 1, 0, 30, tzinfo=UTC)
    before, today = questions("llm", "models", date(2026, 11, 28), now)
    assert (before.at, today.at) == (datetime(2026, 11, 29, tzinfo=UTC), now)
    assert "[86399s:1m]" in before.replicas  # 1,440 samples, of which midnight's is the next day's alone
    assert "[3629s:1m]" in today.busy
    for each in (before.replicas, before.busy, before.requests, before.warm):
        promql_parser.parse(each)
        assert 'namespace="models"' in each


def test_just_after_midnight_there_is_a_question_too() -> None:
    (today,) = questions("llm", "models", date(2026, 11, 29), datetime(2026, 11, 29, tzinfo=UTC))
    assert "[59s:1m]" in today.replicas


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((503, {}), "it answered 503"),
        ((200, b"<html>"), "not Prometheus's"),
        ((200, {"data": {}}), "not Prometheus's"),
        (number(float("nan")), "it answered nan"),
    ],
)
def test_an_answer_that_is_none_is_an_error(
    server: Any, capsys: pytest.CaptureFixture[str], answer: tuple[int, Any], said: str
) -> None:
    url, answers = server
    answers(lambda *_: answer)
    with pytest.raises(typer.Exit) as caught:
        costing.costs("prod", "1d", prometheus=url)
    assert caught.value.exit_code == 1
    assert said in capsys.readouterr().err


def test_a_server_that_is_not_there_is_an_error(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught:
        costing.costs("prod", "1d", prometheus="http://127.0.0.1:9")
    assert caught.value.exit_code == 1
    assert "could not be asked" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["", "prometheus:9090", "file:///etc/passwd", "http://", "http://x/?a=1"])
def test_what_is_no_address_is_refused(server: Any, capsys: pytest.CaptureFixture[str], url: str) -> None:
    with pytest.raises(typer.Exit) as caught:
        costing.costs("prod", "1d", prometheus=url)
    assert caught.value.exit_code == 2
    assert "must be the address of a Prometheus server" in capsys.readouterr().err


def test_without_a_server_or_a_price_it_says_what_is_missing(
    server: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    costing.costs("prod", "1d")
    assert "llm: not read, its metrics are in Prometheus" in capsys.readouterr().err
    declare(monkeypatch, {key: value for key, value in LLM.items() if key != "usd_per_hour"})
    costing.costs("prod", "1d", prometheus=server[0])
    assert "llm: not read, its state has no price" in capsys.readouterr().err


def test_days_are_asked_at_their_ends(server: Any) -> None:
    url, answers = server
    asked: list[datetime] = []

    def note(query: str, at: datetime) -> tuple[int, Any]:
        asked.append(at)
        return busy_hour(query, at)

    answers(note)
    costing.costs("prod", "3d", prometheus=url)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert sorted(set(asked))[:2] == [today - timedelta(days=1), today]
