"""Publishes a packaged model, whichever form it has, with its manifest and its bill of materials beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_packaging.artifact.folder_manifest import BILL, MODEL, is_folder, open_folder
from model_packaging.artifact.reader import ARCHIVE, MANIFEST, open_artifact, sha256_of
from model_packaging.artifact.s3_upload import Destination, Published, prefix, publish


@dataclass(frozen=True)
class Publication:
    """What is in the bucket now.

    Attributes:
        uri: of the archive, or of the model's folder with a slash at the end: what an endpoint is given.
        digest: of the artifact, hex, the same that its manifest says.
        objects: everything that was published, and whether it was sent or found.
    """

    uri: str
    digest: str
    objects: tuple[Published, ...]


@dataclass(frozen=True)
class Plan:
    """What to publish: `under` the key's beginning, `files` by name below it, `main` the one that an endpoint needs."""

    under: str
    digest: str
    files: dict[str, Path]
    main: str

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.files.values())


def plan(path: Path) -> Plan:
    """Checks the artifact in the folder `path` to the last byte and says which keys it takes.

    The model's own files come first and the evidence last, under a name with its own digest: measured figures differ
    from run to run where the model does not.

    Raises:
        FindingsError: it is no artifact, or not the one that its manifest describes.
    """
    if is_folder(path):
        folder = open_folder(path)
        files = {f"{MODEL}/{entry.path}": folder.folder / entry.path for entry in folder.manifest.files}
        name, digest, main = folder.manifest.name, folder.digest, f"{MODEL}/"
    else:
        artifact = open_artifact(path)
        files = {ARCHIVE: artifact.archive}
        path, name, digest, main = artifact.path, artifact.manifest.name, artifact.digest, ARCHIVE
    for evidence in (MANIFEST, BILL):
        if (path / evidence).is_file():
            files[f"evidence/{sha256_of(path / evidence)[:16]}/{evidence}"] = path / evidence
    return Plan(prefix(name, digest), digest, files, main)


def publish_artifact(
    planned: Plan, destination: Destination, client: Any = None, advance: Callable[[int], None] = lambda _: None
) -> Publication:
    """Publishes what `planned` says; see `publish.publish` for the arguments.

    Raises:
        FindingsError: see `publish.publish`.
    """
    objects = publish(planned.files, planned.under, destination, client, advance)
    return Publication(f"s3://{destination.bucket}/{planned.under}/{planned.main}", planned.digest, objects)
