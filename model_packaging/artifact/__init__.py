"""The packaged model: archive, manifest, OCI layout, bill of materials, signature, upload."""

from __future__ import annotations

from typing import Any

_OF_READER = ("ARCHIVE", "MANIFEST", "Artifact", "open_artifact", "read_manifest", "sha256_of")


def __getattr__(name: str) -> Any:
    # Before 0.2 this was the module `reader`.
    if name not in _OF_READER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import warnings

    from model_packaging.artifact import reader

    said = f"{__name__}.{name} is now {__name__}.reader.{name}; the old name ends with 0.3"
    warnings.warn(said, DeprecationWarning, stacklevel=2)
    return getattr(reader, name)
