"""The metrics and alerts of an endpoint."""

from __future__ import annotations

from typing import Any

from scaletozero.kubernetes.derive import Derived
from scaletozero.kubernetes.manifests.objects import Manifest, go_seconds, manifest, selector
from scaletozero.kubernetes.manifests.pods import PORT
from scaletozero.kubernetes.manifests.scaling import http_trigger
from scaletozero.settings.gpu import GpuEndpointSettings

HERE = 'namespace="{namespace}"'
"""Selects what is in a namespace."""

KV_CACHE_FULL = 0.9
"""The share of the KV cache above which requests will soon queue."""


def made_by(name: str, namespace: str) -> str:
    """The metric that has an endpoint's pods, to join theirs with."""
    here = HERE.format(namespace=namespace)
    # Kubernetes shortens the names of pods to 63 characters, but not that of the ReplicaSet that created them.
    return f'kube_pod_info{{{here}, created_by_kind="ReplicaSet", created_by_name=~"{name}-[a-z0-9]+"}}'


def pod_monitor(name: str, settings: GpuEndpointSettings) -> Manifest:
    """Scrapes the pods themselves, because a service has no endpoints at zero replicas."""
    return manifest(
        "monitoring.coreos.com/v1",
        "PodMonitor",
        name,
        settings.namespace,
        selector(name),
        spec={
            "selector": {"matchLabels": selector(name)},
            "podMetricsEndpoints": [{"port": PORT, "path": settings.serving.metrics_path, "interval": "15s"}],
        },
    )


def alert_rules(name: str, settings: GpuEndpointSettings, derived: Derived) -> Manifest:
    """The alerts."""
    namespace = settings.namespace
    here = HERE.format(namespace=namespace)
    own = f"and on (namespace, pod) {made_by(name, namespace)}"
    rules = [
        _rule(
            "GpuPodPending",
            f'sum(kube_pod_status_phase{{{here}, phase="Pending"}} {own}) > 0',
            derived.deadlines.rollout,
            f"a replica of {name} has been Pending for longer than its node, image and model should take",
        )
    ]
    # A rejected request ends before the next scrape, so that the alert could never fire.
    if http_trigger(settings) and settings.on_cold.action != "reject":
        held = f'sum(interceptor_request_concurrency{{route_name="{name}", route_namespace="{namespace}"}})'
        ready = f'sum(kube_deployment_status_replicas_ready{{{here}, deployment="{name}"}})'
        rules.append(
            _rule(
                "RequestsHeldTooLong",
                f"{held} > 0 and on() ({ready} == 0)",
                derived.cold.total(),
                f"requests to {name} wait, and no replica has been ready for longer than a cold start should take",
            )
        )
    if settings.serving.engine == "vllm":
        rules.append(
            _rule(
                "KvCacheNearlyFull",
                f"max(vllm:kv_cache_usage_perc{{{here}}} {own}) > {KV_CACHE_FULL}",
                300,
                f"a replica of {name} will soon queue requests: raise `scaling.max` or lower `serving.max_length`",
            )
        )
    spec = {"groups": [{"name": f"{namespace}.{name}", "rules": rules}]}
    return manifest("monitoring.coreos.com/v1", "PrometheusRule", name, namespace, selector(name), spec=spec)


def _rule(alert: str, expression: str, seconds: int, summary: str) -> dict[str, Any]:
    return {
        "alert": alert,
        "expr": expression,
        "for": go_seconds(seconds),
        "labels": {"severity": "warning"},
        "annotations": {"summary": summary},
    }
