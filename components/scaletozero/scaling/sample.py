"""A real question to a packaged model, for the calls that only keep it warm."""

from __future__ import annotations

import json
import tarfile

from model_packaging.artifact.manifest import Manifest
from model_packaging.artifact.reader import Artifact
from model_packaging.findings import refuse


def sample_input(artifact: Artifact) -> str:
    """The JSON of the question that the packaging itself asked the model.

    Raises:
        FindingsError: the artifact has no card with such a question.
    """
    path = next((entry.path for entry in artifact.manifest.files if entry.role == "card"), None)
    if path is not None:
        with tarfile.open(artifact.archive) as archive:
            member = archive.extractfile(path)
            card = json.load(member) if member else {}
        text = card.get("canary", {}).get("text")
        if text:
            return json.dumps({"inputs": [text]})
    raise refuse(
        str(artifact.path),
        "must hold a sample input to be kept warm by calls",
        "none",
        "the calls would be errors, and warm nothing",
        "package the model again, or write `warm_by: provisioned-concurrency`",
    )


def work_seconds(manifest: Manifest) -> float:
    """How long the model works on one question: on the longest text it was measured with, else its whole cold start."""
    speed = manifest.chosen.speed
    return (speed.long_ms if speed else manifest.cold_start.total_ms) / 1000
