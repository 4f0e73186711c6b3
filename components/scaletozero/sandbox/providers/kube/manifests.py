"""Manifests: made from a resource's type and inputs, and reduced from live objects. Pure."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping
from typing import Any

from scaletozero.sandbox.providers.kube.paths import MISSING, Change, Path, changes, look_up, within
from scaletozero.sandbox.providers.values import UNKNOWN, Secret, mark_like, plain

MANAGER = "__fieldManager"
API_VERSION = "__initialApiVersion"
"""The names of these fields in the state of the official provider's resources."""

PREFIX = "pulumi.com/"
AUTONAMED = f"{PREFIX}autonamed"
SKIP_AWAIT = f"{PREFIX}skipAwait"
WAIT_FOR = f"{PREFIX}waitFor"
TIMEOUT = f"{PREFIX}timeoutSeconds"
FORCE = f"{PREFIX}patchForce"
FIELD_MANAGER = f"{PREFIX}patchFieldManager"
PROPAGATION = f"{PREFIX}deletionPropagationPolicy"

RELEASES = frozenset({"kubernetes:helm.sh/v3:Release"})

_UNSERVED = {
    "kubernetes:helm.sh/v4:Chart": "declare a kubernetes:helm.sh/v3:Release, which is recorded",
    "kubernetes:helm.sh/v3:Chart": "declare a kubernetes:helm.sh/v3:Release, which is recorded",
    "kubernetes:kustomize/v2:Directory": "render it first and declare its objects",
    "kubernetes:yaml/v2:ConfigFile": "declare its objects",
    "kubernetes:yaml/v2:ConfigGroup": "declare its objects",
}

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""RFC 1123 subdomain; for kinds that require a label, the server reports it."""


def kind_of(token: str) -> tuple[str, str]:
    """The (apiVersion, kind) of a type token: `kubernetes:core/v1:Secret` -> ("v1", "Secret"). Raises ValueError."""
    try:
        _, api_version, kind = token.split(":")
    except ValueError:
        raise ValueError(f"{token} is not the type of an object") from None
    if token in _UNSERVED:
        raise ValueError(f"{token} is not served by the sandbox's Kubernetes provider; {_UNSERVED[token]}")
    if kind.endswith("Patch"):
        raise ValueError(f"{token}: the sandbox's Kubernetes provider owns whole objects; declare a {kind[:-5]}")
    return api_version.removeprefix("core/"), kind


def completed(
    token: str,
    inputs: Mapping[str, Any],
    old_inputs: Mapping[str, Any],
    *,
    logical: str,
    seed: bytes,
) -> dict[str, Any]:
    """The inputs with apiVersion, kind and a name; a name that was generated before is kept.

    Args:
        logical: the resource's name in the program.
        seed: given by the engine, so that a retry generates the same name.
    """
    api_version, kind = kind_of(token)
    result = {"apiVersion": api_version, "kind": kind, **inputs}
    metadata = plain(inputs.get("metadata"))
    if metadata is UNKNOWN:
        return result
    metadata = dict(inputs.get("metadata") or {}) if not isinstance(inputs.get("metadata"), Secret) else metadata
    if metadata.get("name") is None and metadata.get("generateName") is None:
        before = plain(old_inputs.get("metadata") or {})
        if (before.get("annotations") or {}).get(AUTONAMED) == "true":
            name = before["name"]
        else:
            # Not a secret: it only has to be different in two runs, and the same in a retry.
            hexadecimal = f"{random.Random(seed).getrandbits(32):08x}"  # noqa: S311
            name = f"{logical.lower()[:244]}-{hexadecimal}"
        annotations = {**(metadata.get("annotations") or {}), AUTONAMED: "true"}
        metadata = {**metadata, "name": name, "annotations": annotations}
    return {**result, "metadata": metadata}


def failures(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(path, reason) of everything that any cluster would refuse in a manifest without secret marks."""
    metadata = manifest.get("metadata")
    if metadata is UNKNOWN or metadata is None:
        return []
    if not isinstance(metadata, Mapping):
        return [("metadata", f"must be an object, got {metadata!r}")]
    found = []
    if metadata.get("generateName") is not None:
        found.append(("metadata.generateName", "must not be given: server-side apply needs a name; leave both out"))
    for path, value in (("metadata.name", metadata.get("name")), ("metadata.namespace", metadata.get("namespace"))):
        if value is None or value is UNKNOWN:
            continue
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            # A few kinds (roles, bindings) accept any path segment.
            if path == "metadata.name" and "rbac" in str(manifest.get("apiVersion")) and "/" not in str(value):
                continue
            rule = "must be lower-case letters, digits, `-` and `.`, starting and ending with a letter or digit"
            found.append((path, f"{rule}, got {value!r}"))
    for key, value in sorted((metadata.get("annotations") or {}).items()) if _known(metadata, "annotations") else ():
        if key == TIMEOUT and value is not UNKNOWN and not str(value).isdigit():
            found.append((f'metadata.annotations["{TIMEOUT}"]', f"must be whole seconds, got {value!r}"))
    return found


def _known(metadata: Mapping[str, Any], key: str) -> bool:
    return isinstance(metadata.get(key), Mapping)


def annotation(manifest: Mapping[str, Any], key: str) -> str:
    found = look_up(manifest, ("metadata", "annotations", key))
    return found if isinstance(found, str) else ""


def id_of(manifest: Mapping[str, Any]) -> str:
    """`namespace/name`, or `name` of an object that has no namespace."""
    metadata = manifest["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]


def named(id_: str, api_version: str, kind: str) -> dict[str, Any]:
    """The minimal manifest of the object with this id."""
    namespace, _, name = id_.rpartition("/")
    metadata = {"namespace": namespace, "name": name} if namespace else {"name": name}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def manager_of(urn: str, manifest: Mapping[str, Any], state: Mapping[str, Any]) -> str:
    """The field manager of a resource. Each has its own, so that two resources for one object are a conflict.

    It is derived from the URN, so that the next run recognises an object whose creation was interrupted as its own.
    """
    if chosen := annotation(manifest, FIELD_MANAGER):
        return chosen
    return state.get(MANAGER) or f"pulumi-kubernetes-{hashlib.sha256(urn.encode()).hexdigest()[:8]}"


def sent(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest that is sent to the cluster: the inputs without secret marks and without empty (None) fields."""
    return {key: value for key, value in _without_none(plain(inputs)).items() if not key.startswith("__")}


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


def state_of(live: Mapping[str, Any], inputs: Mapping[str, Any], manager: str) -> dict[str, Any]:
    """A resource's state: the live object without `managedFields`, with the inputs' secret marks."""
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    state = mark_like({**live, "metadata": metadata}, dict(inputs))
    if live.get("kind") == "Secret" and live.get("apiVersion") == "v1":
        for key in ("data", "stringData"):
            if key in state and not isinstance(state[key], Secret):
                state[key] = Secret(state[key])
    return {**state, MANAGER: manager, API_VERSION: live["apiVersion"]}


def foreseen(manifest: Mapping[str, Any], predicted: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A preview's result: the inputs, or the object of a dry run; values that only the cluster sets are unknown."""
    known = dict(predicted or manifest)
    if isinstance(known.get("metadata"), Mapping):
        metadata = {key: value for key, value in known["metadata"].items() if key != "managedFields"}
        known["metadata"] = metadata | dict.fromkeys(("uid", "resourceVersion", "creationTimestamp"), UNKNOWN)
    return {**known, "status": UNKNOWN}


def input_changes(old: Mapping[str, Any], new: Mapping[str, Any], ignored: list[Path]) -> list[Change]:
    """Differences between the last applied inputs and new ones, except under the ignored paths."""
    return [change for change in changes(sent(old), sent(new)) if not within(change.path, ignored)]


IDENTITY: tuple[Path, ...] = (("metadata", "name"), ("metadata", "namespace"), ("kind",))


def moves(change: Change, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a change concerns the object's identity."""
    if change.path == ("apiVersion",):
        group_of = [str(look_up(plain(inputs), ("apiVersion",))).rpartition("/")[0] for inputs in (old, new)]
        return group_of[0] != group_of[1]
    return within(change.path, IDENTITY)


def drifted(inputs: Any, applied: Any, live: Any) -> Any:
    """The inputs that describe `live`; values that are still as they were `applied` are kept as written.

    Fields that the inputs do not have are ignored. Lists whose items have names are matched by name.
    """
    if isinstance(inputs, Secret):
        found = drifted(inputs.value, plain(applied), live)
        return inputs if found == inputs.value else Secret(found)
    applied = plain(applied)
    if applied == live:
        return inputs
    if isinstance(inputs, Mapping) and isinstance(live, Mapping):
        before = applied if isinstance(applied, Mapping) else {}
        # A value that was not visible right after it was applied (a Secret's stringData) says nothing.
        return {
            key: drifted(value, before.get(key), live[key]) if key in live else value
            for key, value in inputs.items()
            if key in live or key not in before
        }
    if isinstance(inputs, list) and isinstance(live, list):
        return _drifted_list(inputs, applied if isinstance(applied, list) else [], live)
    return live


def _drifted_list(inputs: list[Any], applied: list[Any], live: list[Any]) -> list[Any]:
    keyed = [_by_name(items) for items in (inputs, applied, live)]
    if keyed[0] is not None and keyed[2] is not None:
        ours, before, now = keyed[0], keyed[1] or {}, keyed[2]
        return [drifted(item, before.get(name), now[name]) for name, item in ours.items() if name in now]
    if len(inputs) == len(live):
        before = applied if len(applied) == len(live) else [None] * len(live)
        return [drifted(*items) for items in zip(inputs, before, live, strict=True)]
    return live


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    names = [look_up(plain(item), ("name",)) for item in items]
    if not items or any(name is MISSING or not isinstance(name, str) for name in names) or len({*names}) < len(names):
        return None
    return dict(zip(names, items, strict=True))


def imported(live: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that describe a live object that is not declared yet."""
    by_server = {"managedFields", "uid", "resourceVersion", "creationTimestamp", "generation", "selfLink"}
    metadata = {key: value for key, value in live["metadata"].items() if key not in by_server}
    return {**{key: value for key, value in live.items() if key != "status"}, "metadata": metadata}
