"""A real Prometheus over series whose truth is known: two hours of an endpoint on a cluster, as its exporters say it.

Labels and types of the metrics are those of vLLM (production metrics), NVIDIA's dcgm-exporter with `honorLabels`,
kube-state-metrics, and the interceptor of KEDA's HTTP add-on.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scaletozero.kubernetes.starts import CONTAINER

PROGRAMS = ("prometheus", "promtool")
SCRAPE = 15
"""Seconds between two samples, as of the endpoint's PodMonitor."""

MINUTE = 60
Value = Callable[[float], float | None]
"""Minutes before now -> a value; None where the exporter has none."""


def missing() -> str:
    """Which of the programs is not on PATH; empty if all are there."""
    return ", ".join(name for name in PROGRAMS if not shutil.which(name))


@dataclass(frozen=True)
class Pod:
    """A replica: from when to when it was there and ready, in minutes before now, and when it worked on how much."""

    name: str
    began: float
    ready: float
    ended: float
    work: tuple[tuple[float, float, int], ...]
    restarted: float | None = None

    def there(self, ago: float) -> bool:
        return self.began >= ago > self.ended

    def running(self, ago: float) -> int:
        return next((count for since, until, count in self.work if since >= ago > until), 0)

    def worked(self, ago: float) -> float:
        """Seconds of requests until then."""
        spans = ((max(0.0, since - max(ago, until)), count) for since, until, count in self.work)
        return MINUTE * sum(length * count for length, count in spans)


FIRST = Pod("llm-6c9f7d5b8-x2x7q", 150, 148.5, 30, ((120, 100, 1), (90, 80, 2)))
SECOND = Pod("llm-6c9f7d5b8-9kd4p", 100, 98, 60, ((90, 80, 1),), restarted=85)
STRANGE = Pod("llm-2-59d8c7f6b-zzzzz", 150, 149, 0, ((150, 0, 9),))
"""Of another endpoint, whose name begins with the same."""

STATE = "kube-state-metrics"
SECONDS_A_REQUEST, TOKENS_A_SECOND = 10, 50


def series(now: float) -> Iterator[tuple[str, str, Mapping[str, str], Value]]:
    """Each series: its metric, its type, its labels, and its values."""
    for metric, kind, labels, value in _once(now):
        if labels.get("job") != STATE:
            yield metric, kind, labels, value
            continue
        # For two minutes another kube-state-metrics runs beside the one that it replaces.
        second: Value = lambda ago, of=value: of(ago) if 96 >= ago > 94 else None  # noqa: E731
        yield metric, kind, {**labels, "instance": "old"}, value
        yield metric, kind, {**labels, "instance": "new"}, second


def _once(now: float) -> Iterator[tuple[str, str, Mapping[str, str], Value]]:
    for pod in (FIRST, SECOND, STRANGE):
        yield from _of_pod(pod, "models", now)
    yield from _of_pod(FIRST, "elsewhere", now)
    for namespace, name, pods in (("models", "llm", (FIRST, SECOND)), ("models", "llm-2", (STRANGE,))):
        of = {"namespace": namespace, "deployment": name, "job": STATE}
        yield "kube_deployment_status_replicas", "gauge", of, lambda ago, p=pods: sum(each.there(ago) for each in p)
        yield (
            "kube_deployment_status_replicas_ready",
            "gauge",
            of,
            lambda ago, p=pods: sum(each.there(ago) and ago <= each.ready for each in p),
        )
        yield "kube_deployment_spec_replicas", "gauge", of, lambda ago, p=pods: sum(each.there(ago) for each in p)
    # A placeholder has a node for an hour and a quarter, and waits for another afterwards.
    warm = {"namespace": "models", "deployment": "llm-warm", "job": STATE}
    yield "kube_deployment_status_replicas_ready", "gauge", warm, lambda ago: int(135 >= ago > 60)
    yield "kube_deployment_status_replicas", "gauge", warm, lambda _: 1
    for replica, share in (("a", 1), ("b", 0)):
        of = {"route_name": "llm", "route_namespace": "models", "pod": f"interceptor-{replica}"}
        # The first request waits for the replica that it woke.
        held: Value = lambda ago, s=share: s if 150.5 >= ago > FIRST.ready else 0  # noqa: E731 - beside its like
        yield "interceptor_request_concurrency", "gauge", of, held
        yield "interceptor_request_count", "counter", {**of, "code": "200"}, lambda ago, s=share: s * _answered(ago)
        # Requests of two seconds each, after one that waited 90 s for the replica that it woke.
        for cold, count, took in (("true", lambda ago: float(ago <= FIRST.ready), 90), ("false", _answered, 2)):
            known = {**of, "cold_start": cold}
            for part, factor in (("count", 1), ("sum", took)):
                yield (
                    f"interceptor_request_duration_seconds_{part}",
                    "unknown",
                    known,
                    lambda ago, c=count, f=factor, s=share: s * f * c(ago),
                )


ANSWERED = 40
"""Requests through the interceptor, two a minute from two hours ago."""


def _answered(ago: float) -> float:
    return min(ANSWERED, max(0.0, (120 - ago) * 2))


def _of_pod(pod: Pod, namespace: str, now: float) -> Iterator[tuple[str, str, Mapping[str, str], Value]]:
    at = {"namespace": namespace, "pod": pod.name}
    state = {**at, "job": STATE, "uid": "5a6e"}
    container = {**state, "container": CONTAINER}

    def while_there(value: Value) -> Value:
        return lambda ago: value(ago) if pod.there(ago) else None

    made_by = {"created_by_kind": "ReplicaSet", "created_by_name": pod.name.rpartition("-")[0], "node": "n1"}
    yield "kube_pod_info", "gauge", {**state, **made_by}, while_there(lambda _: 1)
    yield "kube_pod_created", "gauge", state, while_there(lambda _: now - MINUTE * pod.began)
    # One that was restarted became ready again.
    became = lambda ago: pod.ready if pod.restarted is None or ago > pod.restarted else pod.restarted  # noqa: E731
    yield (
        "kube_pod_status_ready_time",
        "gauge",
        state,
        while_there(lambda ago: now - MINUTE * became(ago) if ago <= became(ago) else None),
    )
    for phase in ("Pending", "Running"):
        yield (
            "kube_pod_status_phase",
            "gauge",
            {**state, "phase": phase},
            while_there(lambda ago, p=phase: int((p == "Pending") == (ago > pod.ready))),
        )
    yield (
        "kube_pod_container_status_restarts",
        "counter",
        container,
        while_there(lambda ago: int(pod.restarted is not None and ago <= pod.restarted)),
    )

    def serving(value: Value) -> Value:
        return lambda ago: value(ago) if pod.there(ago) and ago <= pod.ready else None

    vllm = {**at, "engine": "0", "model_name": "qwen", "container": CONTAINER, "job": f"{namespace}/llm"}
    # One that serves with two engines works on as much on the second as on the first.
    for engine in ("0", "1") if pod is SECOND else ("0",):
        yield "vllm:num_requests_running", "gauge", {**vllm, "engine": engine}, serving(lambda ago: pod.running(ago))
    yield "vllm:num_requests_waiting", "gauge", vllm, serving(lambda ago: 3 if pod.running(ago) > 1 else 0)
    yield "vllm:kv_cache_usage_perc", "gauge", vllm, serving(lambda ago: 0.95 if pod.running(ago) > 1 else 0.1)
    for reason, share in (("stop", 0.75), ("length", 0.25)):
        yield (
            "vllm:request_success",
            "counter",
            {**vllm, "finished_reason": reason},
            serving(lambda ago, s=share: s * pod.worked(ago) / SECONDS_A_REQUEST),
        )
    for kind, factor in (("generation", TOKENS_A_SECOND), ("prompt", 4 * TOKENS_A_SECOND)):
        yield f"vllm:{kind}_tokens", "counter", vllm, serving(lambda ago, f=factor: f * pod.worked(ago))
    for bound, share in (("0.25", 0.0), ("0.5", 0.5), ("1.0", 1.0), ("+Inf", 1.0)):
        yield (
            "vllm:time_to_first_token_seconds_bucket",
            "histogram",
            {**vllm, "le": bound},
            serving(lambda ago, s=share: s * pod.worked(ago) / SECONDS_A_REQUEST),
        )
    gpu = {**at, "gpu": "0", "UUID": "GPU-1", "modelName": "NVIDIA L4", "container": CONTAINER, "Hostname": "n1"}
    yield "DCGM_FI_DEV_GPU_UTIL", "gauge", gpu, while_there(lambda ago: 80 if pod.running(ago) else 0)
    yield "DCGM_FI_DEV_FB_USED", "gauge", gpu, while_there(lambda _: 18_000)
    yield "DCGM_FI_DEV_FB_FREE", "gauge", gpu, while_there(lambda _: 6_000)


def openmetrics(now: float, minutes: int) -> str:
    """The series as OpenMetrics with times."""
    families: dict[tuple[str, str], list[str]] = {}
    for metric, kind, labels, value in series(now):
        family = metric.removesuffix("_bucket") if kind == "histogram" else metric
        shown = ",".join(f'{key}="{each}"' for key, each in labels.items())
        name = f"{metric}_total" if kind == "counter" else metric
        lines = families.setdefault((family, kind), [])
        for step in range(minutes * MINUTE // SCRAPE, -1, -1):
            if (found := value(step * SCRAPE / MINUTE)) is not None:
                lines.append(f"{name}{{{shown}}} {found:.10g} {now - step * SCRAPE:.0f}")
    # A histogram without its sum and count is none to OpenMetrics, and it is its buckets that are asked for.
    parts = [
        f"# TYPE {family} {'unknown' if kind == 'histogram' else kind}\n" + "\n".join(lines)
        for (family, kind), lines in families.items()
    ]
    return "\n".join(parts) + "\n# EOF\n"


def promtool(*words: str | Path) -> str:
    """Runs promtool, which has to succeed."""
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """A server over the blocks in a folder; its address."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    config = folder / "prometheus.yml"
    config.write_text("{}\n")
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        # What a scrape no longer has ends at once in a server that scrapes, and after this where series are imported.
        "--query.lookback-delta=20s",
    ]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            for _ in range(150):
                try:
                    urllib.request.urlopen(f"{url}/-/ready", timeout=1).close()
                    break
                except OSError:
                    assert server.poll() is None, (folder / "log").read_text()[-2000:]
                    time.sleep(0.2)
            yield url
        finally:
            server.terminate()
