"""Every query of Prometheus, answered by a real server: panels, what was used, alerts and the record of starts.

It needs `prometheus` and `promtool` on PATH, of version 3: both are in its release, and in its Go module.
"""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from gpu_declarations import plan
from prometheus_server import ANSWERED, FIRST, MINUTE, SECOND, missing, openmetrics, prometheus, promtool

from scaletozero.cli.recorded_calls import from_prometheus
from scaletozero.environment.prometheus import read_gpu
from scaletozero.kubernetes.manifests.monitoring import START_SECONDS
from scaletozero.observability.gpu import OnCluster, gpu_panels

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"not on PATH: {missing()}")

SEEN = OnCluster("llm", "models", 4, vllm=True, held=True, usd_per_replica_hour=1.5)
OBJECTIVE = 100
RULES = plan("llm", on_cold__objective_seconds=OBJECTIVE).object("PrometheusRule")["spec"]
EVALUATION = 30


class Server:
    """What a server answers."""

    def __init__(self, url: str, now: float) -> None:
        self.url, self.now = url, now

    def ask(self, query: str, minutes_ago: float) -> list[dict[str, Any]]:
        at = self.now - minutes_ago * MINUTE
        asked = urllib.parse.urlencode({"query": query, "time": f"{at:.0f}"})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{asked}") as answer:
            return json.load(answer)["data"]["result"]

    def shown(self, minutes_ago: float) -> dict[str, list[float]]:
        """A panel's title -> its lines' values."""
        return {
            panel.title: [
                float(each["value"][1]) for line in panel.series for each in self.ask(line.expression, minutes_ago)
            ]
            for panel in gpu_panels(SEEN)
        }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    now = time.time() // MINUTE * MINUTE
    given, rules, data = folder / "given.txt", folder / "rules.yml", folder / "data"
    given.write_text(openmetrics(now, 155))
    rules.write_text(yaml.safe_dump(RULES))
    promtool("tsdb", "create-blocks-from", "openmetrics", given, data)
    with prometheus(folder) as url:
        since, until = (f"{now - minutes * MINUTE:.0f}" for minutes in (155, 0))
        about = [f"--start={since}", f"--end={until}", f"--url={url}", f"--eval-interval={EVALUATION}s"]
        promtool("tsdb", "create-blocks-from", "rules", *about, f"--output-dir={data}", rules)
    with prometheus(folder) as url:  # which has read the recorded series too
        yield Server(url, now)


def test_panels_show_this_endpoint_and_nothing_of_its_neighbours(server: Server) -> None:
    busy = server.shown(85)
    assert busy["Queue"] == [0, 3, 4]  # three in work, one of them counted by each of two engines
    assert busy["Tokens"] == pytest.approx([150, 600])
    assert busy["Time to the first token"] == pytest.approx([0.5, 0.95, 0.99])
    assert busy["KV cache"] == [95]
    assert busy["GPUs"] == [80, 75]
    assert busy["Replicas"] == [2, 2]
    assert busy["Cost"] == [3]


def test_a_start_is_seen_at_the_interceptor_before_there_is_a_replica(server: Server) -> None:
    waking = server.shown(149)
    assert waking["Queue"] == [1]
    assert waking["Replicas"] == [0, 1]
    assert waking["Tokens"] == waking["KV cache"] == []


def test_at_zero_it_costs_nothing(server: Server) -> None:
    asleep = server.shown(20)
    assert asleep["Replicas"] == [0, 0]
    assert asleep["Cost"] == [0]
    assert asleep["GPUs"] == []


def test_while_kube_state_metrics_is_replaced_nothing_counts_twice(server: Server) -> None:
    assert server.shown(95)["Replicas"] == [2, 2]
    (counted,) = server.ask("count(kube_deployment_status_replicas{deployment='llm'})", 95)
    assert counted["value"][1] == "2"


def test_what_it_used_is_what_was_there_and_what_worked(server: Server) -> None:
    now = datetime.fromtimestamp(server.now, UTC)
    first: date = (now - timedelta(minutes=155)).date()
    days = read_gpu(server.url, "llm", "models", first, now)
    there = FIRST.began - FIRST.ended + SECOND.began - SECOND.ended
    assert sum(each.replicas or 0 for each in days) == pytest.approx(there, abs=2)
    # 20 and 10 minutes of one replica, 10 of the other, whose two engines are one replica.
    assert sum(each.busy or 0 for each in days) == pytest.approx(40, abs=2)
    assert sum(each.warm or 0 for each in days) == pytest.approx(75, abs=2)
    # 40 and 10 minutes of requests of 10 s each. `rate` takes the ends of its range into account.
    assert sum(each.requests or 0 for each in days) == pytest.approx(300, rel=0.01)


def test_recorded_calls_are_those_of_the_interceptor_and_their_time_is_without_starts(server: Server) -> None:
    counted = from_prometheus(server.url, "llm", "models", 9000)
    assert sum(value for _, value in counted.done) == pytest.approx(ANSWERED, rel=0.05)
    assert [value for _, value in counted.seconds] == pytest.approx([2.0] * len(counted.seconds))
    assert 15 <= len(counted.seconds) <= 25


def test_every_alert_is_up_when_it_should_be_and_at_no_other_time(server: Server) -> None:
    def up(minutes_ago: float) -> set[str]:
        alerts = (each for group in RULES["groups"] for each in group["rules"] if "alert" in each)
        return {each["alert"] for each in alerts if server.ask(each["expr"], minutes_ago)}

    assert up(149) == {"GpuPodPending", "RequestsHeldTooLong"}
    assert up(110) == set()
    assert up(95) == {"ColdStartsTooSlow"}  # for an hour after the start of two minutes
    assert up(85) == {"KvCacheNearlyFull", "ColdStartsTooSlow"}
    assert up(20) == set()


def test_a_start_is_recorded_once_and_a_restart_is_none(server: Server) -> None:
    recorded = f'max_over_time({START_SECONDS}{{namespace="models", endpoint="llm"}}[2h])'
    found = {each["metric"]["pod"]: float(each["value"][1]) for each in server.ask(recorded, 40)}
    assert found == {pod.name: pytest.approx(MINUTE * (pod.began - pod.ready), abs=1) for pod in (FIRST, SECOND)}
