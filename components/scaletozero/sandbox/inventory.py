"""Records what each environment creates in the embedded AWS, before it is created, so that a kill loses nothing.

The engine records a resource once its provider has responded. If the provider or the engine is killed before that,
only this file knows of the resource. It exists as long as the embedded AWS: a sandbox that starts deletes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

VARIABLE = "SCALETOZERO_SANDBOX_INVENTORY"
"""The environment variable with the path of the stack's inventory file, for the provider."""

_FOLDER, _SUFFIX = "deployed", ".jsonl"


@dataclass(frozen=True)
class Created:
    """A resource that exists, or may exist because its creation was interrupted.

    Attributes:
        kind: Pulumi's type token.
        region: None for a global resource.
        id: None if the service generates it and its response has not been received.
        properties: the properties by which the resource is found and deleted.
    """

    kind: str
    region: str | None
    id: str | None
    properties: Mapping[str, Any] = field(default_factory=dict)

    def is_same(self, other: Created) -> bool:
        """Whether another record, which may have fewer properties, is of this resource."""
        same = (self.kind, self.region, self.id) == (other.kind, other.region, other.id)
        return same and all(self.properties.get(key, value) == value for key, value in other.properties.items())


class Inventory:
    """The file of one environment, one JSON object per line. Several processes may append to it at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def attach(self) -> IO[str]:
        """Announces that this process may create resources for as long as the returned file is open."""
        file = self._lock_file()
        fcntl.flock(file, fcntl.LOCK_SH)
        return file

    @contextlib.contextmanager
    def settled(self) -> Iterator[None]:
        """Waits until no process can create a resource any more, because a provider briefly outlives its engine."""
        with self._lock_file() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _lock_file(self) -> IO[str]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._path.with_suffix(".lock").open("a")

    def open(self) -> None:
        """Marks the environment as deployed, even if it has created nothing yet."""
        self._append()

    def begin(self, created: Created) -> str:
        """Records that a resource is about to be created. Returns a reference for `made` and `failed`."""
        reference = uuid.uuid4().hex
        about = {"kind": created.kind, "region": created.region, "id": created.id}
        self._append({"begin": reference, **about, "properties": dict(created.properties)})
        return reference

    def made(self, reference: str, id_: str) -> None:
        """Records that a resource has been created, with its id."""
        self._append({"made": reference, "id": id_})

    def failed(self, reference: str) -> None:
        """Records that a resource has not been created."""
        self._append({"failed": reference})

    def gone(self, deleted: Created) -> None:
        """Records that a resource has been deleted; its properties distinguish it from others with the same id."""
        about = {"kind": deleted.kind, "region": deleted.region, "properties": dict(deleted.properties)}
        self._append({"gone": deleted.id, **about})

    def live(self) -> list[Created]:
        """The resources that have been created and not deleted, in the order of creation."""
        found: dict[str, Created] = {}
        for line in self._lines():
            if reference := line.get("begin"):
                found[reference] = Created(line["kind"], line["region"], line["id"], line["properties"])
            elif (reference := line.get("made")) in found:
                begun = found[reference]
                found[reference] = Created(begun.kind, begun.region, line["id"], begun.properties)
            elif reference := line.get("failed"):
                found.pop(reference, None)
            elif "gone" in line:
                deleted = Created(line["kind"], line["region"], line["gone"], line["properties"])
                found = {key: each for key, each in found.items() if not each.is_same(deleted)}
        return list(found.values())

    def close(self) -> None:
        """Marks the environment as no longer deployed."""
        self._path.unlink(missing_ok=True)

    def _lines(self) -> list[dict[str, Any]]:
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return []
        found = []
        for line in text.splitlines():
            with contextlib.suppress(ValueError):  # a line that a kill cut off: its resource was not requested yet
                found.append(json.loads(line))
        return [line for line in found if isinstance(line, dict)]

    def _append(self, line: Mapping[str, Any] | None = None) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if line is not None:
                os.write(descriptor, f"\n{json.dumps(line)}\n".encode())
        finally:
            os.close(descriptor)


def inventory_file(state: Path, environment: str) -> Path:
    """The path of an environment's inventory in the sandbox's folder."""
    return state / _FOLDER / f"{environment}{_SUFFIX}"


def deployed(state: Path) -> list[str]:
    """The environments that are deployed in the sandbox of the folder `state`, by name."""
    return sorted(path.name.removesuffix(_SUFFIX) for path in (state / _FOLDER).glob(f"*{_SUFFIX}"))


def forget_all(state: Path) -> None:
    """Deletes every inventory, because the embedded AWS is empty."""
    shutil.rmtree(state / _FOLDER, ignore_errors=True)
