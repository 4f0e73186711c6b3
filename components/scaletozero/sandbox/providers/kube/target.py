"""What the provider requires of the place where objects are created."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from scaletozero.sandbox.providers.kube.paths import Path

Manifest = Mapping[str, Any]


class UnreadyError(RuntimeError):
    """An object was made or changed, but is not ready.

    Attributes:
        live: the object as it is.
    """

    def __init__(self, message: str, live: dict[str, Any]) -> None:
        super().__init__(message)
        self.live = live


class ImmutableError(RuntimeError):
    """The object can't be changed so; it takes a new one.

    Attributes:
        fields: the paths that the cluster names, as it writes them.
    """

    def __init__(self, message: str, fields: Sequence[str]) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


@dataclass(frozen=True)
class Operation:
    """How one object is applied.

    Attributes:
        manager: whose fields they are.
        force: take over what conflicts.
        timeout: seconds until it must be ready.
        ignored: paths at which changes are ignored.
        cancelled: stops the waiting.
        warn: takes the cluster's warnings.
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
        """The object that creating would give; None where that can't be told. Raises what `create` raises."""
        ...

    def create(self, manifest: Manifest, operation: Operation) -> dict[str, Any]:
        """Make the object and wait until it is ready. Raises UnreadyError, ValueError, RuntimeError."""
        ...

    def differs(self, manifest: Manifest, operation: Operation) -> bool:
        """Whether applying would change anything. Raises ImmutableError, RuntimeError."""
        ...

    def foresee_update(self, manifest: Manifest, operation: Operation) -> dict[str, Any] | None:
        """The object that updating would give; None where that can't be told."""
        ...

    def update(self, manifest: Manifest, operation: Operation) -> dict[str, Any]:
        """Apply the object anew and wait until it is ready. Raises UnreadyError, ValueError, RuntimeError."""
        ...

    def read(self, manifest: Manifest) -> dict[str, Any] | None:
        """The object as it is; None where it is gone."""
        ...

    def delete(self, manifest: Manifest, operation: Operation) -> None:
        """Delete the object and wait until it is gone. Raises RuntimeError."""
        ...
