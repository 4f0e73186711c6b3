"""A packaged model with the plan of its endpoint, which the check makes and passes to the declaration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scaletozero.cold_start.remembered import Start
from scaletozero.kubernetes.model import Model, read_model
from scaletozero.kubernetes.plan import GpuPlan, plan_gpu_endpoint
from scaletozero.settings.gpu import GpuEndpointSettings


@dataclass(frozen=True)
class Packaged:
    """A verified packaged model, and the plan of the endpoint that serves it.

    Attributes:
        path: the artifact's folder.
        model: the model's properties that a plan needs.
        files: its files by their path below the prefix in the bucket.
        name, settings: the planned endpoint.
        plan: the plan, with its findings.
        starts: the measured starts that the plan takes into account.
    """

    path: Path
    model: Model
    files: Mapping[str, Path]
    name: str
    settings: GpuEndpointSettings
    plan: GpuPlan
    starts: tuple[Start, ...] = ()

    def __fspath__(self) -> str:
        return str(self.path)


def plan_packaged(
    name: str, settings: GpuEndpointSettings, artifact: str | os.PathLike[str], starts: tuple[Start, ...] = ()
) -> Packaged:
    """Reads an artifact and plans its endpoint. Work that is already done is reused, with the starts it was done with.

    Args:
        name: the endpoint.
        settings: its settings.
        artifact: the artifact's folder, or what was read and planned already.
        starts: the endpoint's measured starts.

    Raises:
        FindingsError: the artifact is missing, incomplete or invalid. Findings on the plan are in the plan.
    """
    if isinstance(artifact, Packaged):
        if (artifact.name, artifact.settings) == (name, settings):
            return artifact
        path, model, files, starts = artifact.path, artifact.model, artifact.files, artifact.starts
    else:
        path = Path(artifact)
        model, files = read_model(path)
    return Packaged(path, model, files, name, settings, plan_gpu_endpoint(name, settings, model, starts), starts)
