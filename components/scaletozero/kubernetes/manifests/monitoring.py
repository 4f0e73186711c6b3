"""The metrics and alerts of an endpoint."""

from __future__ import annotations

from typing import Any

from scaletozero.kubernetes.derive import Derived
from scaletozero.kubernetes.manifests.objects import Manifest, go_seconds, manifest, selector
from scaletozero.kubernetes.manifests.pods import PORT
from scaletozero.kubernetes.manifests.scaling import http_trigger
from scaletozero.kubernetes.starts import CONTAINER
from scaletozero.settings.gpu import GpuEndpointSettings

RULES_CRD = "prometheusrules.monitoring.coreos.com"

HERE = 'namespace="{namespace}"'
"""Selects what is in a namespace."""

KV_CACHE_FULL = 0.9
"""The share of the KV cache above which requests will soon queue."""


def made_by(name: str, namespace: str) -> str:
    """The metric that has an endpoint's pods, to join theirs with."""
    here = HERE.format(namespace=namespace)
    # Kubernetes shortens the names of pods to 63 characters, but not that of the ReplicaSet that created them.
    return f'kube_pod_info{{{here}, created_by_kind="ReplicaSet", created_by_name=~"{name}-[a-z0-9]+"}}'


def ready_replicas(name: str, namespace: str) -> str:
    """The metric of how many replicas of a Deployment are ready; while kube-state-metrics is replaced there are two."""
    return f'max(kube_deployment_status_replicas_ready{{{HERE.format(namespace=namespace)}, deployment="{name}"}})'


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
        alert_rule(
            "GpuPodPending",
            f'sum(kube_pod_status_phase{{{here}, phase="Pending"}} {own}) > 0',
            derived.deadlines.rollout,
            f"a replica of {name} has been Pending for longer than its node, image and model should take",
        )
    ]
    # A rejected request ends before the next scrape, so that the alert could never fire.
    if http_trigger(settings) and settings.on_cold.action != "reject":
        held = f'sum(interceptor_request_concurrency{{route_name="{name}", route_namespace="{namespace}"}})'
        ready = ready_replicas(name, namespace)
        rules.append(
            alert_rule(
                "RequestsHeldTooLong",
                f"{held} > 0 and on() ({ready} == 0)",
                derived.cold.total(),
                f"requests to {name} wait, and no replica has been ready for longer than a cold start should take",
            )
        )
    if settings.serving.engine == "vllm":
        rules.append(
            alert_rule(
                "KvCacheNearlyFull",
                f"max(vllm:kv_cache_usage_perc{{{here}}} {own}) > {KV_CACHE_FULL}",
                300,
                f"a replica of {name} will soon queue requests: raise `scaling.max` or lower `serving.max_length`",
            )
        )
    groups = [{"name": f"{namespace}.{name}", "rules": rules}]
    if settings.on_cold.objective_seconds is not None:
        groups.append({"name": f"{namespace}.{name}.cold-starts", "rules": _cold_starts(name, settings, derived)})
    spec = {"groups": groups}
    return manifest("monitoring.coreos.com/v1", "PrometheusRule", name, namespace, selector(name), spec=spec)


START_SECONDS = "scaletozero:start_seconds"
"""Recorded: how long each replica that is there needed from its pod until it was ready."""


def _cold_starts(name: str, settings: GpuEndpointSettings, derived: Derived) -> list[dict[str, Any]]:
    """Records the starts, and holds them to the objective.

    From kube-state-metrics and not from `interceptor_cold_start_duration_seconds`: that histogram exists from version
    1.0 of the HTTP add-on, and ends at 300 s, which a large model takes (its metrics reference). A pod that became
    ready a second time looks as if it had started late: those whose container was started again are left out, and those
    that took longer than a rollout waits for a replica. While kube-state-metrics is replaced there are two series of
    each, which cannot be subtracted: of the same time it is the larger one.
    """
    namespace, objective = settings.namespace, settings.on_cold.objective_seconds
    here = HERE.format(namespace=namespace)
    on = "on (namespace, pod)"
    ready, made = (
        f"max by (namespace, pod) ({each}{{{here}}})" for each in ("kube_pod_status_ready_time", "kube_pod_created")
    )
    took = f"({ready} - {made})"
    first = f'(kube_pod_container_status_restarts_total{{{here}, container="{CONTAINER}"}} == 0)'
    labels = {"endpoint": name}
    starts = f'max_over_time({START_SECONDS}{{{here}, endpoint="{name}"}}[1h])'
    return [
        {
            "record": START_SECONDS,
            "expr": f"{took} <= {derived.deadlines.rollout} and {on} {first} and {on} {made_by(name, namespace)}",
            "labels": labels,
        },
        alert_rule(
            "ColdStartsTooSlow",
            f"quantile(0.95, {starts}) > {objective}",
            0,
            f"1 of 20 starts of {name} in the last hour took longer than {objective} s, its objective",
        ),
    ]


def alert_rule(alert: str, expression: str, seconds: int, summary: str) -> dict[str, Any]:
    """An alert that is raised once its expression has held for so many seconds."""
    return {
        "alert": alert,
        "expr": expression,
        "for": go_seconds(seconds),
        "labels": {"severity": "warning"},
        "annotations": {"summary": summary},
    }
