"""The resources of a stack, from the output of `pulumi stack export`. No engine, no cloud, no decryption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model_packaging.findings import refuse
from model_packaging.validation import show
from scaletozero.residency.resource import UNKNOWN, DeclaredResource, Unknown

VERSIONS = (3, 4)
"""The supported versions of the engine's checkpoint."""

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark of the engine's, and no secret
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
"""The engine's signatures: of special values, of secrets, and of values that may be unknown."""

_UNKNOWN_TEXTS = frozenset(
    (
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    )
)
"""Placeholders for values that are known only after deployment (`pulumi_policy.proxy`, by type)."""


def plain(value: Any) -> Any:
    """A value of the state; `UNKNOWN` if it is encrypted or not known yet. Unencrypted secrets are unwrapped."""
    if isinstance(value, str):
        return UNKNOWN if value in _UNKNOWN_TEXTS else value
    if isinstance(value, Mapping):
        mark = value.get(_SIGNATURE)
        if mark == _SECRET:
            return plain(value["value"]) if "value" in value else UNKNOWN
        if mark == _OUTPUT:
            return plain(value["value"]) if "value" in value else UNKNOWN
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def resources_of(export: Any, path: str) -> list[DeclaredResource]:
    """The resources in an exported state.

    Args:
        export: the export, as parsed JSON.
        path: the file's path, for findings.

    Raises:
        FindingsError: it is not the export of a stack.
    """
    version = export.get("version") if isinstance(export, Mapping) else None
    if version not in VERSIONS:
        raise refuse(
            path,
            f"must be a stack's exported state, version {' or '.join(map(str, VERSIONS))}",
            f"version {show(version)}" if isinstance(export, Mapping) else show(export),
            "nothing could be read of it",
            "write it with `pulumi stack export --file state.json`",
        )
    deployment = export.get("deployment")
    rows = (deployment.get("resources") or []) if isinstance(deployment, Mapping) else None
    if not isinstance(rows, list) or any(not isinstance(row, Mapping) or "urn" not in row for row in rows):
        raise refuse(
            f"{path}: deployment.resources", "must be a list of resources", show(rows), "nothing could be read"
        )
    providers = {
        f"{row['urn']}::{row.get('id')}": row for row in rows if str(row.get("type", "")).startswith("pulumi:pro")
    }
    return [_declared(row, providers) for row in rows if row.get("custom") and row.get("type") != "pulumi:pulumi:Stack"]


def _declared(row: Mapping[str, Any], providers: Mapping[str, Mapping[str, Any]]) -> DeclaredResource:
    urn = str(row["urn"])
    depends = row.get("propertyDependencies") or {}
    return DeclaredResource(
        type=str(row.get("type", "")),
        name=urn.rpartition("::")[2],
        properties=_mapping(row.get("inputs")),
        region=_region(providers.get(str(row.get("provider")))),
        outputs=_mapping(row.get("outputs")),
        urn=urn,
        depends={key: urns for key, urns in depends.items() if isinstance(urns, Sequence)},
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    found = plain(value or {})
    return found if isinstance(found, Mapping) else {}


def _region(provider: Mapping[str, Any] | None) -> str | Unknown | None:
    return None if provider is None else _mapping(provider.get("inputs")).get("region")
