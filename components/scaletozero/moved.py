"""Keeps module names from before 0.2 importable for one release, with a warning."""

from __future__ import annotations

import sys

from model_packaging.moved import MovedFinder

MOVED = {
    "scaletozero.artifact_store": "scaletozero.endpoints.artifact_store",
    "scaletozero.cluster_prerequisites": "scaletozero.cluster.prerequisites",
    "scaletozero.declared": "scaletozero.environment.read",
    "scaletozero.deploy": "scaletozero.environment.declare",
    "scaletozero.deployment": "scaletozero.environment.stack",
    "scaletozero.endpoints.calls": "scaletozero.endpoints.async_client",
    "scaletozero.endpoints.images": "scaletozero.settings.framework_images",
    "scaletozero.endpoints.gpu_args": "scaletozero.args.gpu_endpoint",
    "scaletozero.kubernetes_objects": "scaletozero.cluster.objects",
    "scaletozero.project": "scaletozero.environment.project",
    "scaletozero.settings.environment": "scaletozero.environment.settings",
    "scaletozero.warmth": "scaletozero.scaling",
    "scaletozero.warmth.args": "scaletozero.args.scaling",
    "scaletozero.warmth.calls": "scaletozero.scaling.warm_calls",
    "scaletozero.warmth.gpu_args": "scaletozero.args.cluster",
    "scaletozero.warmth.gpu_node_pool": "scaletozero.cluster.node_pools",
    "scaletozero.warmth.gpu_warm_pool": "scaletozero.cluster.warm_pool",
    "scaletozero.warmth.pool": "scaletozero.scaling.warm_pool",
}
"""Old name -> new name."""


_FINDER = MovedFinder(MOVED)


def install() -> None:
    """Makes the old names importable."""
    if _FINDER not in sys.meta_path:
        # First, because an old folder may still exist, with nothing but bytecode in it.
        sys.meta_path.insert(0, _FINDER)
