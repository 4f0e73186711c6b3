"""The interface between the provider and the place where objects are created."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from scaletozero.sandbox.providers.kube.paths import Path

Manifest = Mapping[str, Any]


class UnreadyError(RuntimeError):
    """An object was created or changed, but is not ready.

    Attributes:
        live: the object as it is.
    """

    def __init__(self, message: str, live: dict[str, Any]) -> None:
        super().__init__(message)
        self.live = live


class ImmutableError(RuntimeError):
    """The change is impossible; it requires a new object.

    Attributes:
        fields: the paths that the cluster names, in its notation.
    """

    def __init__(self, message: str, fields: Sequence[str]) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


@dataclass(frozen=True)
class Operation:
    """How one object is applied.

    Attributes:
        manager: the field manager.
        force: whether to take over conflicting fields.
        timeout: seconds within which it must become ready.
        ignored: paths at which changes are ignored.
        cancelled: ends all waits.
        warn: receives the cluster's warnings.
    """

    manager: str
    force: bool = False
    timeout: float = 600
    ignored: Sequence[Path] = ()
    cancelled: threading.Event = field(default_factory=threading.Event)
    warn: Callable[[str], None] = lambda line: None


class Target(Protocol):
    """A cluster, or a folder."""

    def located(self, manifest: Manifest) -> dict[str, Any]:
        """The manifest with the namespace that it is created in."""
        ...

    def foresee(self, manifest: Manifest, operation: Operation) -> dict[str, Any] | None:
        """The object that `create` would make; None if that is unknown. Raises what `create` raises."""
        ...

    def create(self, manifest: Manifest, operation: Operation) -> dict[str, Any]:
        """Creates the object and waits until it is ready. Raises UnreadyError, ValueError, RuntimeError."""
        ...

    def differs(self, manifest: Manifest, operation: Operation) -> bool:
        """Whether applying would change anything. Raises ImmutableError, RuntimeError."""
        ...

    def foresee_update(self, manifest: Manifest, operation: Operation) -> dict[str, Any] | None:
        """The object that `update` would make; None if that is unknown."""
        ...

    def update(self, manifest: Manifest, operation: Operation) -> dict[str, Any]:
        """Applies the object again and waits until it is ready. Raises UnreadyError, ValueError, RuntimeError."""
        ...

    def read(self, manifest: Manifest) -> dict[str, Any] | None:
        """The live object; None if it does not exist."""
        ...

    def delete(self, manifest: Manifest, operation: Operation) -> None:
        """Deletes the object and waits until it no longer exists. Raises RuntimeError."""
        ...
