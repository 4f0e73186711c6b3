"""Verifies an artifact: its digests, its archive, and a canary in a new process."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from model_packaging.artifact.archive import safe_extract
from model_packaging.artifact.reader import Artifact, open_artifact
from model_packaging.evaluation.measure import Start, StartFailedError, start_once
from model_packaging.findings import refuse


@dataclass(frozen=True)
class Verified:
    """A complete artifact that responds, and the start that showed it."""

    artifact: Artifact
    start: Start


def verify_artifact(path: str | Path) -> Verified:
    """Opens the artifact at `path` (digests, archive rules), unpacks it into an empty folder, and sends one request.

    Raises:
        FindingsError: like `open_artifact`; or the artifact is complete, but does not load or returns another result.
    """
    artifact = open_artifact(path)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        safe_extract(artifact.archive, model)
        try:
            start = start_once(model)
        except StartFailedError as error:
            raise refuse(
                str(artifact.archive),
                "must load and return the canary's result on this machine",
                str(error),
                "an endpoint with this runtime would never become healthy",
                "package it again with this version of onnxruntime",
            ) from error
    return Verified(artifact, start)
