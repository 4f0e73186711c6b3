"""`package`: runs the pipeline for a spec's target, and turns failures into findings."""

from __future__ import annotations

from typing import overload

from model_packaging.artifact.folder_manifest import FolderArtifact
from model_packaging.artifact.reader import Artifact
from model_packaging.evaluation.measure import StartFailedError
from model_packaging.findings import FindingsError
from model_packaging.pipeline.archive import package_archive
from model_packaging.pipeline.failures import refused
from model_packaging.pipeline.folder import package_folder
from model_packaging.progress import Report, quiet
from model_packaging.serving.card import NotServableError
from model_packaging.serving.limited_run import RunTooLongError
from model_packaging.spec import FolderSpec, PackageSpec


@overload
def package(spec: PackageSpec, progress: Report = quiet) -> Artifact: ...
@overload
def package(spec: FolderSpec, progress: Report = quiet) -> FolderArtifact: ...
def package(spec: PackageSpec | FolderSpec, progress: Report = quiet) -> Artifact | FolderArtifact:
    """Packages the model of `spec` into its `out` folder: model.tar.gz, or the folder model/, with manifest.json.

    A killed run is continued; if the artifact already exists, it is returned.

    Args:
        progress: called at every step.

    Raises:
        FindingsError: the spec contradicts itself; the model, the tokenizer or the probe is refused; no candidate meets
            the floor; the disk is full; a path cannot be read or written; or a process of this machine failed before it
            could say anything about the model.
    """
    if conflicts := [*spec.conflicts()]:
        raise FindingsError(conflicts)
    try:
        return package_folder(spec, progress) if isinstance(spec, FolderSpec) else package_archive(spec, progress)
    except (OSError, MemoryError, ImportError, StartFailedError, NotServableError, RunTooLongError) as error:
        raise refused(spec, error) from error
