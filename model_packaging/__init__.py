"""Packages a model as the smallest artifact that is still correct, with the evidence in its manifest.

The names below load what they need on first use: `import model_packaging` is cheap, and the serving container,
which has neither pydantic nor onnx, imports `model_packaging.serving` from the same package. If the extra
`packaging` is needed but not installed, they raise `model_packaging.extras.NotInstalledError`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model_packaging.artifact.archive import safe_extract
    from model_packaging.artifact.manifest import Manifest
    from model_packaging.artifact.reader import Artifact, open_artifact
    from model_packaging.findings import Finding, FindingsError
    from model_packaging.pipeline import package
    from model_packaging.progress import Progress
    from model_packaging.spec import PackageSpec
    from model_packaging.thresholds import ClassFloor, QualityFloor, TensorFloor

_HOME = {
    "Artifact": "artifact.reader",
    "ClassFloor": "thresholds",
    "Finding": "findings",
    "FindingsError": "findings",
    "Manifest": "artifact.manifest",
    "PackageSpec": "spec",
    "Progress": "progress",
    "QualityFloor": "thresholds",
    "TensorFloor": "thresholds",
    "open_artifact": "artifact.reader",
    "package": "pipeline",
    "safe_extract": "artifact.archive",
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
    from model_packaging.extras import needs

    with needs("packaging"):
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME))


class _OldNames:
    """Looks up modules of this package that were not found in `moved`. The serving container has neither."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> Any:
        package, _, module = name.rpartition(".")
        if package != __name__ or module == "moved":
            return None
        try:
            moved = import_module(f"{__name__}.moved")
        except ModuleNotFoundError:
            return None
        return moved.MovedFinder(moved.MOVED).find_spec(name, None)


if not any(getattr(finder, "__name__", "") == _OldNames.__name__ for finder in sys.meta_path):
    sys.meta_path.append(_OldNames)  # type: ignore[arg-type]
