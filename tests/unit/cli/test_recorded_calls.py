"""`scaletozero advise --past`: what is asked of a Prometheus and of CloudWatch, and what their answers mean."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import promql_parser
import pytest
from bench_cluster import Cluster
from typer.testing import CliRunner, Result

from model_packaging.findings import FindingsError
from scaletozero.cli import app, recorded_calls
from scaletozero.cli.querying import Target
from scaletozero.cli.recorded_calls import from_cloudwatch, from_prometheus
from scaletozero.scaling.recorded import arrivals

HOUR = 3600


class Prometheus(HTTPServer):
    """Answers range queries as the HTTP API of Prometheus does: ten calls a minute, of two seconds, none waiting."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, str]] = []
        self.answer: bytes | None = None
        self.status = 200

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Prometheus)
        assert urlsplit(self.path).path == "/api/v1/query_range"
        asked = {key: value[0] for key, value in parse_qs(urlsplit(self.path).query).items()}
        server.asked.append(asked)
        query = asked["query"]
        value = "10" if "request_count" in query else "2" if "duration" in query else "0"
        times = range(int(asked["start"]), int(asked["end"]) + 1, int(asked["step"]))
        series = [{"metric": {}, "values": [[at, "NaN" if at == times[0] else value] for at in times]}]
        whole = {"status": "success", "data": {"resultType": "matrix", "result": series}}
        body = server.answer if server.answer is not None else json.dumps(whole).encode()
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any, **__: Any) -> None:
        """Says nothing."""


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    server = Prometheus()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_prometheus_is_asked_for_the_endpoints_own_calls(prometheus: Prometheus) -> None:
    counted = from_prometheus(prometheus.address, "llm", "models", HOUR)
    assert set(dict(counted.done).values()) == {10}
    assert set(dict(counted.seconds).values()) == {2}
    assert len(counted.done) == 59  # of sixty, one is no number
    assert sum(arrivals(counted).values()) == 590
    for asked in prometheus.asked:
        promql_parser.parse(asked["query"])
        assert 'route_name="llm",route_namespace="models"' in asked["query"]
        assert asked["step"] == "60"


def test_a_long_time_is_asked_for_in_parts(prometheus: Prometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_calls, "MOST_MINUTES", 25)
    counted = from_prometheus(prometheus.address, "llm", "models", HOUR)
    assert len(prometheus.asked) == 9
    times = [at for at, _ in counted.done]
    assert times == sorted(set(times))
    assert len(times) == 57


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (400, b'{"status":"error","error":"parse error"}', "HTTP 400: .*parse error"),
        (200, b"<html>", "<html>"),
        (200, b'{"status":"error","error":"too many samples"}', ".*too many samples"),
        (200, b'{"status":"success","data":{"result":[{"values":[["x","y"]]}]}}', "ValueError"),
        (200, b'{"status":"success"}', "KeyError"),
        (200, b"[" * 100_000, r"\[\["),
    ],
)
def test_what_is_no_prometheus_is_refused(prometheus: Prometheus, status: int, answer: bytes, said: str) -> None:
    prometheus.status, prometheus.answer = status, answer
    with pytest.raises(FindingsError, match=f"must answer as the HTTP API of Prometheus does, got {said}"):
        from_prometheus(prometheus.address, "llm", "models", HOUR)


@pytest.mark.parametrize("address", ["localhost:9090", "file:///etc/passwd", "", "http://"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(FindingsError, match="must be the address of a Prometheus"):
        from_prometheus(address, "llm", "models", HOUR)


def test_one_that_does_not_answer_is_refused() -> None:
    with pytest.raises(FindingsError, match="--prometheus"):
        from_prometheus("http://127.0.0.1:9", "llm", "models", HOUR)


class CloudWatch:
    """GetMetricData of known minutes."""

    def __init__(self, values: dict[str, list[float]]) -> None:
        self.values = values

    def get_paginator(self, operation: str) -> "CloudWatch":
        assert operation == "get_metric_data"
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        (query,) = asked["MetricDataQueries"]
        assert (query["MetricStat"]["Period"], asked["StartTime"].second) == (60, 0)
        values = self.values.get(query["MetricStat"]["Metric"]["MetricName"], [])
        times = [asked["StartTime"] + timedelta(minutes=index) for index in range(len(values))]
        half = len(values) // 2
        pages = ((times[:half], values[:half]), (times[half:], values[half:]))
        return [{"MetricDataResults": [{"Id": "q", "Timestamps": at, "Values": each}]} for at, each in pages]


@pytest.mark.parametrize(
    ("requests", "values", "arrived"),
    [
        (None, {"Invocations": [3, 0, 5], "ModelLatency": [2e5, 4e5]}, [3, 5]),
        # Four came at once; one was processed in the first minute, three in the last.
        (
            "s3://bucket/requests",
            {"InvocationsProcessed": [1, 0, 3], "ApproximateBacklogSize": [3, 3, 0], "ModelLatency": [2e5]},
            [4],
        ),
    ],
)
def test_calls_are_read_from_cloudwatch(
    monkeypatch: pytest.MonkeyPatch, requests: str | None, values: dict[str, list[float]], arrived: list[int]
) -> None:
    class Known(Target):
        def client(self, service: str = "sagemaker-runtime") -> Any:
            assert service == "cloudwatch"
            return CloudWatch(values)

    monkeypatch.setattr(recorded_calls, "find_target", lambda *_: Known("llm", "eu-central-1", None, requests))
    counted = from_cloudwatch("llm", "prod", HOUR)
    assert list(arrivals(counted).values()) == arrived
    assert counted.seconds[0][1] == 0.2
    assert datetime.fromtimestamp(counted.done[0][0], UTC).second == 0


def advise(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["advise", "llm", "--objective-wait", "60", *arguments])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "must say which calls are replayed, got neither"),
        (("--trace", "x.csv", "--past", "1h"), "must say which calls are replayed, got both"),
        (("--past", "1h"), "must be given for an endpoint on a cluster"),
        (("--trace", "x.csv", "--prometheus", "http://x"), "is with --past"),
        (("--past", "1y", "--prometheus", "http://x"), "must be a duration of at most 400 days"),
    ],
)
def test_options_that_ask_for_nothing_or_for_two_are_refused(
    project: Any, cluster: Cluster, options: tuple[str, ...], said: str
) -> None:
    found = advise(*options)
    assert found.exit_code == 2
    assert said in found.stderr


def test_it_advises_from_a_prometheus(
    project: Any, cluster: Cluster, prometheus: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG")
    found = advise("--past", "2h", "--prometheus", prometheus.address, "--json")
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert report["assumed"]["calls"] == 1190
    assert report["outcomes"]
    assert "1,190 calls counted by minute" in found.stderr
