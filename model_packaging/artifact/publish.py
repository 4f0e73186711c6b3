"""Publishes a packaged model of either kind, with its manifest and its bill of materials."""

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
    """A published artifact.

    Attributes:
        uri: address of the archive, or of the model's folder with a slash at the end, for the endpoint.
        digest: digest of the artifact in hex, the same as in its manifest.
        objects: all published objects, and whether each was uploaded or already there.
    """

    uri: str
    digest: str
    objects: tuple[Published, ...]


@dataclass(frozen=True)
class Plan:
    """What to publish: `under` is the key's prefix, `files` are by name below it, `main` is the endpoint's."""

    under: str
    digest: str
    files: dict[str, Path]
    main: str

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.files.values())


def plan(path: Path) -> Plan:
    """Checks every byte of the artifact in the folder `path` and determines its keys.

    The model's files come first and the evidence last, under a name with its own digest, because measured figures
    differ between runs even if the model does not.

    Raises:
        FindingsError: it is not an artifact, or does not match its manifest.
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
    """Publishes the plan `planned`; see `publish.publish` for the arguments.

    Raises:
        FindingsError: see `publish.publish`.
    """
    objects = publish(planned.files, planned.under, destination, client, advance)
    return Publication(f"s3://{destination.bucket}/{planned.under}/{planned.main}", planned.digest, objects)
