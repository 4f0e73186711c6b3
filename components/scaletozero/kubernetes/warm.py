"""The plan of nodes that are kept ready for an endpoint's next replicas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from model_packaging.findings import Finding
from scaletozero.kubernetes.checks.warm import warm_findings
from scaletozero.kubernetes.cold_start import NODE_SECONDS, PULL_GB_PER_SECOND, up
from scaletozero.kubernetes.facts.backend import Backend, backend_findings, choose_backend
from scaletozero.kubernetes.manifests.cron import cron_triggers
from scaletozero.kubernetes.manifests.objects import Manifest, manifest
from scaletozero.kubernetes.manifests.pods import POD_SECURITY, container_security, gpu_resources, placement
from scaletozero.settings.cluster import Cluster
from scaletozero.settings.gpu import LARGEST_IMAGE_GB
from scaletozero.settings.gpu_types import TYPES
from scaletozero.settings.gpu_warm_pool import GpuWarmPoolSettings
from scaletozero.spending.gpu_prices import hourly

PRIORITY = -10
"""Below the default of 0, and the lowest priority for which Cluster Autoscaler adds nodes."""

PLACEHOLDER_SECONDS = up(NODE_SECONDS + LARGEST_IMAGE_GB / PULL_GB_PER_SECOND)
"""Pulumi's timeout for placeholders, which may pull a large image; the default is ten minutes."""


@dataclass(frozen=True)
class WarmPlan:
    """The plan of a warm pool.

    Attributes:
        name: name of its objects.
        settings: the settings that it was planned from.
        backend: how nodes are kept ready, and why.
        objects: in the order of their creation; empty if the pool of nodes keeps them ready by itself.
        usd_per_hour: on-demand price of the maximum number of nodes, in USD per hour; None without a price.
        findings: everything that is invalid.
    """

    name: str
    settings: GpuWarmPoolSettings
    backend: Backend
    objects: tuple[Manifest, ...]
    usd_per_hour: float | None
    findings: tuple[Finding, ...]


def plan_warm_pool(name: str, settings: GpuWarmPoolSettings) -> WarmPlan:
    """Plans a warm pool.

    Args:
        name: name of the objects, a DNS label.
        settings: the validated settings.
    """
    pool = settings.cluster.pool(settings.pool)
    scheduled = bool(settings.schedule)
    backend = choose_backend(settings.cluster, pool, settings.backend, scheduled=scheduled)
    findings = [
        *warm_findings(name, settings, backend),
        *backend_findings(
            settings.cluster, pool, settings.backend, "backend", replicas=settings.replicas, scheduled=scheduled
        ),
    ]
    price = hourly(settings.types[0], settings.cluster.region)
    objects: list[Manifest] = []
    if backend.kind == "buffer":
        objects = [capacity_buffer(name, settings)]
    elif backend.kind == "placeholder":
        objects = [priority_class(name, settings), placeholder(name, settings)]
        if scheduled:
            objects.append(_clock(name, settings))
    running = 0 if backend.kind == "managed" else settings.most
    return WarmPlan(
        name, settings, backend, tuple(objects), round(price.usd * running, 6) if price else None, tuple(findings)
    )


def capacity_buffer(name: str, settings: GpuWarmPoolSettings) -> Manifest:
    """Capacity that Karpenter keeps ready for the endpoint's pods, whose template it reads from the Deployment."""
    return manifest(
        "autoscaling.x-k8s.io/v1beta1",
        "CapacityBuffer",
        name,
        settings.namespace,
        _labels(name),
        spec={
            "provisioningStrategy": "buffer.x-k8s.io/active-capacity",
            "scalableRef": {"apiGroup": "apps", "kind": "Deployment", "name": settings.endpoint},
            "replicas": settings.replicas,
        },
    )


def priority_class_name(name: str, namespace: str) -> str:
    """The name of a priority class, which has no namespace and therefore contains it."""
    return f"{namespace}.{name}"


def priority_class(name: str, settings: GpuWarmPoolSettings) -> Manifest:
    """Lets any other pod preempt a placeholder, and no placeholder preempt another pod."""
    return manifest(
        "scheduling.k8s.io/v1",
        "PriorityClass",
        priority_class_name(name, settings.namespace),
        None,
        _labels(name),
        value=PRIORITY,
        globalDefault=False,
        preemptionPolicy="Never",
        description=f"Holds nodes for {settings.namespace}/{settings.endpoint} until a replica wants them",
    )


def placeholder(name: str, settings: GpuWarmPoolSettings) -> Manifest:
    """Pods that request the resources of a replica, pull its image, and are preempted by a replica."""
    cluster: Cluster = settings.cluster
    labels = _labels(name)
    resources = gpu_resources(settings.gpus, settings.cpu_millis, settings.memory_mib)
    types = tuple(TYPES[each] for each in settings.types)
    pod: dict[str, Any] = {
        "priorityClassName": priority_class_name(name, settings.namespace),
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        **placement(cluster, cluster.pool(settings.pool), types, settings.tolerations),
        "containers": [
            {
                "name": "placeholder",
                # The endpoint's own image: it is then on the node, and comes from no public registry.
                "image": settings.image,
                "command": ["sleep", "infinity"],
                "securityContext": container_security(),
                "resources": resources,
            }
        ],
    }
    return manifest(
        "apps/v1",
        "Deployment",
        name,
        settings.namespace,
        labels,
        spec={
            "replicas": settings.replicas,
            "revisionHistoryLimit": 1,
            # A placeholder that waits for its node has not failed.
            "progressDeadlineSeconds": 2**31 - 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    )


def _clock(name: str, settings: GpuWarmPoolSettings) -> Manifest:
    lead = up(NODE_SECONDS + 60, 60)
    return manifest(
        "keda.sh/v1alpha1",
        "ScaledObject",
        name,
        settings.namespace,
        _labels(name),
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "pollingInterval": 30,
            "cooldownPeriod": 60,
            "minReplicaCount": settings.replicas,
            "maxReplicaCount": settings.most,
            "triggers": cron_triggers(settings.schedule, lead),
        },
    )


def _labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/component": "warm"}
