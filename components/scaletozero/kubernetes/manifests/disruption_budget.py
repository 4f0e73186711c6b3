"""How many pods a drain may evict at a time."""

from __future__ import annotations

from typing import Any

from scaletozero.kubernetes.manifests.objects import Manifest, manifest, selector
from scaletozero.settings.gpu import GpuEndpointSettings


def disruption_budget(name: str, settings: GpuEndpointSettings) -> Manifest:
    """One pod at a time, or as `placement.min_available` says. Pods that are not ready never block a drain."""
    least = settings.placement.min_available
    limit: dict[str, Any] = {"maxUnavailable": 1} if least is None else {"minAvailable": least}
    return manifest(
        "policy/v1",
        "PodDisruptionBudget",
        name,
        settings.namespace,
        selector(name),
        spec={
            **limit,
            "selector": {"matchLabels": selector(name)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    )
