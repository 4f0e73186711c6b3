"""The owners of an object's fields, from `metadata.managedFields`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scaletozero.sandbox.providers.kube.paths import MISSING, Path, look_up, put


def managers_of(live: Mapping[str, Any], path: Path) -> set[str]:
    """The managers that own the field at `path` or one below it; unknown for a path through a list."""
    return {
        entry["manager"]
        for entry in (live.get("metadata") or {}).get("managedFields") or ()
        if _owns(entry.get("fieldsV1") or {}, path)
    }


def _owns(fields: Mapping[str, Any], path: Path) -> bool:
    for step in path:
        below = fields.get(f"f:{step}") if isinstance(step, str) else None
        if below is None:
            return False
        fields = below
    return True


def is_made_by(live: Mapping[str, Any], manager: str) -> bool:
    """Whether `manager` has applied the object."""
    entries = (live.get("metadata") or {}).get("managedFields") or ()
    return any(entry["manager"] == manager and entry["operation"] == "Apply" for entry in entries)


def leave_ignored(
    manifest: dict[str, Any], live: Mapping[str, Any], ignored: Iterable[Path], manager: str
) -> dict[str, Any]:
    """The manifest to apply if changes at the `ignored` paths are ignored.

    Fields that only others own are omitted, so that they remain the only owners. Fields that we own are sent unchanged:
    if omitted, they would be deleted.
    """
    for path in ignored:
        owners = managers_of(live, path)
        found = look_up(live, path)
        if owners and manager not in owners:
            manifest = put(manifest, path, MISSING)
        elif found is not MISSING and look_up(manifest, path) is not MISSING:
            manifest = put(manifest, path, found)
    return manifest


def conflicts(causes: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """The fields of a conflict, with their owners, in the server's words."""
    for field, reason, message in causes:
        if reason == "FieldManagerConflict":
            yield f"{field} ({message})"
