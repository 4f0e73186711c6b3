"""Applies objects to a cluster."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from scaletozero.kubernetes.api import ApiError, KubernetesApi, UnknownKindError
from scaletozero.sandbox.providers.kube.manifests import FORCE, PROPAGATION, SKIP_AWAIT, annotation
from scaletozero.sandbox.providers.kube.ownership import conflicts, is_made_by, leave_ignored
from scaletozero.sandbox.providers.kube.readiness import FailedError, missing
from scaletozero.sandbox.providers.kube.target import ImmutableError, Manifest, Operation, UnreadyError

APPEAR_SECONDS = 30
"""How long to wait for a kind or namespace that the same run creates."""

_POLL_SECONDS = 0.5

_IMMUTABLE = ("immutable", "may not be changed", "cannot be changed", "cannot change", "updates to ", "pod updates may")
"""Texts with which the API server, and rules in custom resource definitions, say that a field is immutable."""


class Cluster:
    """The `Target` that applies to a cluster, by server-side apply with strict field validation.

    Args:
        namespace: the namespace of objects that name none.
        adopt: whether to adopt objects that already exist.
    """

    def __init__(self, api: KubernetesApi, namespace: str | None = None, *, adopt: bool = False) -> None:
        self._api = api
        self._namespace = namespace or api.namespace
        self._adopt = adopt

    def located(self, manifest: Manifest) -> dict[str, Any]:
        try:
            namespaced = self._api.kind_of(manifest).namespaced
        except UnknownKindError:
            return dict(manifest)
        metadata = dict(manifest["metadata"])
        if namespaced:
            metadata.setdefault("namespace", self._namespace)
        else:
            metadata.pop("namespace", None)
        return {**manifest, "metadata": metadata}

    def foresee(self, manifest: Manifest, operation: Operation) -> dict[str, Any] | None:
        try:
            self._require_absent(manifest, operation.manager)
            return self._api.apply(
                manifest, manager=operation.manager, force=operation.force, dry_run=True, warn=operation.warn
            )
        except UnknownKindError:
            return None
        except ApiError as error:
            # Its namespace is created, or an immutable object is deleted, earlier in the same run.
            if _lacks_namespace(error) or _is_immutable(error):
                self._try_elsewhere(manifest)
                return None
            raise _explained(manifest, error) from None

    def _try_elsewhere(self, manifest: Manifest) -> None:
        """Checks the fields of an object that cannot be created yet, under an unused name in another namespace."""
        metadata = {**manifest["metadata"], "namespace": "default", "name": f"check-{uuid.uuid4().hex[:12]}"}
        try:
            self._api.create({**manifest, "metadata": metadata}, dry_run=True)
        except ApiError as error:
            raise _explained(manifest, error) from None

    def _require_absent(self, manifest: Manifest, manager: str) -> None:
        live = None if self._adopt else self._api.get(manifest)
        if live and not is_made_by(live, manager):
            raise RuntimeError(
                f"{_title(manifest)} is already there and was created by another program; "
                "import it, delete it, or give the provider upsertExistingObjects"
            )

    def create(self, manifest: Manifest, operation: Operation) -> dict[str, Any]:
        deadline = time.monotonic() + min(operation.timeout, APPEAR_SECONDS)
        while True:
            try:
                manifest = self.located(manifest)
                self._require_absent(manifest, operation.manager)
                live = self._apply(manifest, operation)
                break
            except ApiError as error:
                not_yet = isinstance(error, UnknownKindError) or _lacks_namespace(error)
                if not not_yet or time.monotonic() > deadline or operation.cancelled.wait(_POLL_SECONDS):
                    raise _explained(manifest, error) from None
        return self._ready(manifest, live, operation)

    def differs(self, manifest: Manifest, operation: Operation) -> bool:
        live = self._api.get(manifest)
        if live is None:
            return True
        try:
            predicted = self._api.apply(
                leave_ignored(dict(manifest), live, operation.ignored, operation.manager),
                manager=operation.manager,
                force=operation.force,
                dry_run=True,
            )
        except ApiError as error:
            if _is_immutable(error):
                fields = [field for field, _, _ in error.causes if field]
                raise ImmutableError(str(error), fields) from None
            raise _explained(manifest, error) from None
        return _significant(predicted) != _significant(live)

    def foresee_update(self, manifest: Manifest, operation: Operation) -> dict[str, Any] | None:
        live = self._api.get(manifest)
        if live is None:
            return self.foresee(manifest, operation)
        try:
            changed = leave_ignored(dict(manifest), live, operation.ignored, operation.manager)
            return self._api.apply(
                changed, manager=operation.manager, force=operation.force, dry_run=True, warn=operation.warn
            )
        except ApiError as error:
            raise _explained(manifest, error) from None

    def update(self, manifest: Manifest, operation: Operation) -> dict[str, Any]:
        live = self._api.get(manifest)
        if live is not None:
            manifest = leave_ignored(dict(manifest), live, operation.ignored, operation.manager)
        try:
            live = self._apply(manifest, operation)
        except ApiError as error:
            raise _explained(manifest, error) from None
        return self._ready(manifest, live, operation)

    def _apply(self, manifest: Manifest, operation: Operation) -> dict[str, Any]:
        return self._api.apply(manifest, manager=operation.manager, force=operation.force, warn=operation.warn)

    def _ready(self, manifest: Manifest, live: dict[str, Any], operation: Operation) -> dict[str, Any]:
        deadline = time.monotonic() + operation.timeout
        namespace = live["metadata"].get("namespace")
        while True:
            try:
                lines = missing(manifest, live, lambda version, kind: self._api.list(version, kind, namespace))
            except FailedError as error:
                raise UnreadyError(f"{_title(live)}: {error}", live) from None
            if not lines:
                return live
            if time.monotonic() > deadline:
                why = "; ".join(lines)
                raise UnreadyError(f"{_title(live)} is not ready after {operation.timeout:g} s: {why}", live)
            if operation.cancelled.wait(_POLL_SECONDS):
                raise UnreadyError(f"{_title(live)} was not waited for: the run was interrupted", live)
            found = self._api.get(live)
            if found is None:
                raise RuntimeError(f"{_title(live)} was deleted by somebody else while it started")
            live = found

    def read(self, manifest: Manifest) -> dict[str, Any] | None:
        try:
            return self._api.get(manifest)
        except UnknownKindError:
            return None

    def delete(self, manifest: Manifest, operation: Operation) -> None:
        try:
            live = self._api.get(manifest)
            if live is None:
                return
            self._api.delete(manifest, propagation=annotation(manifest, PROPAGATION).capitalize() or "Foreground")
            if annotation(manifest, SKIP_AWAIT) == "true":
                return
            self._gone(manifest, live["metadata"]["uid"], operation)
        except UnknownKindError:
            # Without its definition, no object of a kind exists.
            return
        except ApiError as error:
            raise _explained(manifest, error) from None

    def _gone(self, manifest: Manifest, uid: str, operation: Operation) -> None:
        deadline = time.monotonic() + operation.timeout
        while (live := self._api.get(manifest)) and live["metadata"]["uid"] == uid:
            if time.monotonic() > deadline:
                held = ", ".join(live["metadata"].get("finalizers") or ()) or "nothing it says"
                raise RuntimeError(f"{_title(manifest)} is not gone after {operation.timeout:g} s; held by {held}")
            if operation.cancelled.wait(_POLL_SECONDS):
                raise RuntimeError(f"{_title(manifest)} is being deleted; the run was interrupted before it was gone")


def _title(manifest: Mapping[str, Any]) -> str:
    metadata = manifest["metadata"]
    where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{manifest['kind']} {where}{metadata['name']}"


def _lacks_namespace(error: ApiError) -> bool:
    return error.status == 404 and str(error).startswith("namespaces ")


def _is_immutable(error: ApiError) -> bool:
    texts = [message for _, _, message in error.causes] or [str(error)]
    return error.status == 422 and any(sign in text for text in texts for sign in _IMMUTABLE)


def _explained(manifest: Manifest, error: ApiError) -> RuntimeError:
    if error.status == 409 and (fields := [*conflicts(error.causes)]):
        return RuntimeError(
            f"{_title(manifest)}: others own fields that are declared here with another value: {', '.join(fields)}. "
            f'Leave them out, ignore changes to them, or take them over with the annotation {FORCE}: "true"'
        )
    return RuntimeError(f"{_title(manifest)}: {error}")


def _significant(live: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an object that a change can affect, without the server's own counters."""
    counted = {"managedFields", "resourceVersion", "generation"}
    metadata = {key: value for key, value in live["metadata"].items() if key not in counted}
    return {**live, "metadata": metadata}
