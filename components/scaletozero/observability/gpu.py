"""The panels of an endpoint on a cluster, whose metrics are in Prometheus. Pure.

Names of metrics: vLLM's documentation (production metrics), NVIDIA's dcgm-exporter (default counters),
kube-state-metrics, and KEDA's HTTP add-on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scaletozero.kubernetes.manifests.monitoring import HERE, KV_CACHE_FULL, made_by
from scaletozero.observability.panels import Limit, Panel, Series

OFTEN = "[2m]"
"""Of rates: eight scrapes of a PodMonitor."""

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class OnCluster:
    """What the panels of an endpoint depend on.

    Attributes:
        name: of its objects.
        namespace: of its objects.
        most: `max`.
        vllm: whether it is served by vLLM, whose metrics are shown.
        held: whether the interceptor counts and holds its requests.
        usd_per_replica_hour: what a replica costs at most; None without a price.
    """

    name: str
    namespace: str
    most: int
    vllm: bool
    held: bool
    usd_per_replica_hour: float | None


def gpu_panels(seen: OnCluster) -> list[Panel]:
    """What a dashboard shows of it; an expression is PromQL."""
    return [*_requests(seen), *(_engine(seen) if seen.vllm else ()), *_gpus(seen), *_replicas(seen)]


def _line(label: str, expression: str) -> Series:
    return Series(label, {}, expression)


def own(seen: OnCluster, metric: str, over: str = "") -> str:
    """A metric of the endpoint's own pods.

    Args:
        over: of a counter: the time over which its rate is taken, such as `[2m]`.
    """
    here = HERE.format(namespace=seen.namespace)
    read = f"rate({metric}{{{here}}}{over})" if over else f"{metric}{{{here}}}"
    return f"{read} and on (namespace, pod) {made_by(seen.name, seen.namespace)}"


def _requests(seen: OnCluster) -> Iterator[Panel]:
    lines = []
    if seen.held:
        at = f'route_name="{seen.name}", route_namespace="{seen.namespace}"'
        lines.append(_line("at the interceptor", f"sum(interceptor_request_concurrency{{{at}}})"))
    if seen.vllm:
        lines += [
            _line("waiting in the engine", f"sum({own(seen, 'vllm:num_requests_waiting')})"),
            _line("in work", f"sum({own(seen, 'vllm:num_requests_running')})"),
        ]
    if lines:
        yield Panel("Queue", "requests", tuple(lines))


def _engine(seen: OnCluster) -> Iterator[Panel]:
    yield Panel(
        "Tokens",
        "tokens a second",
        tuple(
            _line(label, f"sum({own(seen, f'vllm:{kind}_tokens_total', OFTEN)})")
            for label, kind in (("generated", "generation"), ("read", "prompt"))
        ),
    )
    buckets = own(seen, "vllm:time_to_first_token_seconds_bucket", OFTEN)
    yield Panel(
        "Time to the first token",
        "seconds",
        tuple(
            _line(label, f"histogram_quantile({quantile:g}, sum by (le) ({buckets}))")
            for label, quantile in QUANTILES.items()
        ),
    )
    yield Panel(
        "KV cache",
        "percent",
        (_line("fullest replica", f"100 * max({own(seen, 'vllm:kv_cache_usage_perc')})"),),
        (Limit("alert: KvCacheNearlyFull", 100 * KV_CACHE_FULL),),
    )


def _gpus(seen: OnCluster) -> Iterator[Panel]:
    used, free = (f"sum({own(seen, f'DCGM_FI_DEV_FB_{each}')})" for each in ("USED", "FREE"))
    yield Panel(
        "GPUs",
        "percent",
        (
            _line("at work, mean", f"avg({own(seen, 'DCGM_FI_DEV_GPU_UTIL')})"),
            _line("memory", f"100 * {used} / ({used} + {free})"),
        ),
    )


def _deployment(seen: OnCluster) -> str:
    return f'namespace="{seen.namespace}", deployment="{seen.name}"'


def replicas_of(seen: OnCluster) -> str:
    """How many replicas there are."""
    return _counted(seen, "status_replicas")


def ready_of(seen: OnCluster) -> str:
    """How many replicas are ready."""
    return _counted(seen, "status_replicas_ready")


def _counted(seen: OnCluster, what: str) -> str:
    """A number of one Deployment: the largest, for while kube-state-metrics is replaced there are two of it."""
    return f"max(kube_deployment_{what}{{{_deployment(seen)}}})"


def _replicas(seen: OnCluster) -> Iterator[Panel]:
    yield Panel(
        "Replicas",
        "replicas",
        (
            _line("ready", ready_of(seen)),
            _line("wanted", _counted(seen, "spec_replicas")),
        ),
        (Limit("max", seen.most),),
    )
    if seen.usd_per_replica_hour is not None:
        price = f"{seen.usd_per_replica_hour:f}"
        yield Panel("Cost", "USD an hour", (_line("replicas, at most", f"{price} * {replicas_of(seen)}"),))
