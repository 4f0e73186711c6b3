"""Packages a model as the smallest artifact that is still right, with the evidence in its manifest.

The names below load what they need on first use: `import model_packaging` costs nothing, and the serving
    container, which
has neither pydantic nor onnx, imports `model_packaging.serving` from the same package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model_packaging.archive import safe_extract
    from model_packaging.artifact import Artifact, open_artifact
    from model_packaging.findings import Finding, FindingsError
    from model_packaging.floors import ClassFloor, QualityFloor, TensorFloor
    from model_packaging.manifest import Manifest
    from model_packaging.pipeline import package
    from model_packaging.progress import Progress
    from model_packaging.spec import PackageSpec

_HOME = {
    "Artifact": "artifact",
    "ClassFloor": "floors",
    "Finding": "findings",
    "FindingsError": "findings",
    "Manifest": "manifest",
    "PackageSpec": "spec",
    "Progress": "progress",
    "QualityFloor": "floors",
    "TensorFloor": "floors",
    "open_artifact": "artifact",
    "package": "pipeline",
    "safe_extract": "archive",
}

__all__ = [
    "Artifact",
    "ClassFloor",
    "Finding",
    "FindingsError",
    "Manifest",
    "PackageSpec",
    "Progress",
    "QualityFloor",
    "TensorFloor",
    "open_artifact",
    "package",
    "safe_extract",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME))
