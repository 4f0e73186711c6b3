"""Nodes that are kept ready for an endpoint's next replicas: what keeps them, and what it costs."""

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

PAUSE = "registry.k8s.io/pause:3.10.1"
"""Does nothing, in less than a megabyte."""

PRIORITY = -10
"""Below every pod's default of 0, and the lowest that Cluster Autoscaler still brings nodes for."""

PLACEHOLDER_SECONDS = up(NODE_SECONDS + LARGEST_IMAGE_GB / PULL_GB_PER_SECOND)
"""Until Pulumi gives up on placeholders, which pull an image of any size; its provider would after ten minutes."""


@dataclass(frozen=True)
class WarmPlan:
    """What keeps nodes warm.

    Attributes:
        name: of its objects.
        settings: what it was planned from.
        backend: by which means, and why.
        objects: in the order in which they are to be made; empty where the pool of nodes does it itself.
        usd_per_hour: what as many as it ever holds cost on demand while they wait; None without a price.
        findings: what is wrong.
    """

    name: str
    settings: GpuWarmPoolSettings
    backend: Backend
    objects: tuple[Manifest, ...]
    usd_per_hour: float | None
    findings: tuple[Finding, ...]


def plan_warm_pool(name: str, settings: GpuWarmPoolSettings) -> WarmPlan:
    """Decides by which means, and declares it.

    Args:
        name: of the objects, a DNS label.
        settings: validated.
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
    """Room that Karpenter keeps for the endpoint's own pods: it reads their template from the Deployment itself."""
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
    """A priority class belongs to the whole cluster, so that its name has the namespace in it."""
    return f"{namespace}.{name}"


def priority_class(name: str, settings: GpuWarmPoolSettings) -> Manifest:
    """Lets any other pod take a placeholder's node, and no placeholder anybody's."""
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
    """Pods that ask for what a replica asks for, pull its image, and go at once when one comes."""
    cluster: Cluster = settings.cluster
    labels = _labels(name)
    resources = gpu_resources(settings.gpus, settings.cpu_millis, settings.memory_mib)
    small = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "16Mi"}}
    types = tuple(TYPES[each] for each in settings.types)
    pod: dict[str, Any] = {
        "priorityClassName": priority_class_name(name, settings.namespace),
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": POD_SECURITY,
        **placement(cluster, cluster.pool(settings.pool), types, settings.tolerations),
        "initContainers": [
            {
                "name": "pull",
                "image": settings.image,
                "command": ["true"],
                "securityContext": container_security(),
                "resources": small,
            }
        ],
        "containers": [
            {
                "name": "placeholder",
                "image": PAUSE,
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
            # A placeholder that waits for its node is no failure.
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
