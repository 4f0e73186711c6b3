"""Modules that programs imported by their names before 0.2: they go on working for one release, with a warning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "scaletozero.artifact_store": "scaletozero.endpoints.artifact_store",
    "scaletozero.cluster_prerequisites": "scaletozero.cluster.prerequisites",
    "scaletozero.declared": "scaletozero.environment.read",
    "scaletozero.deploy": "scaletozero.environment.declare",
    "scaletozero.deployment": "scaletozero.environment.stack",
    "scaletozero.endpoints.calls": "scaletozero.endpoints.async_client",
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


class _MovedFinder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, _Alias(MOVED[fullname])) if fullname in MOVED else None


class _Alias(Loader):
    def __init__(self, new: str) -> None:
        self._new = new

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        warnings.warn(f"{spec.name} is now {self._new}; the old name ends with 0.3", DeprecationWarning, stacklevel=2)
        module = import_module(self._new)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has given the module the old name's specification.
        module.__spec__ = self._spec


def install() -> None:
    """Makes the old names importable."""
    if not any(isinstance(finder, _MovedFinder) for finder in sys.meta_path):
        # First: an old folder may still be there, with nothing but bytecode in it.
        sys.meta_path.insert(0, _MovedFinder())
