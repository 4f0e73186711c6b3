"""The request to a packaged model for the calls that keep it warm."""

from __future__ import annotations

import json
import tarfile

from model_packaging.artifact.manifest import Manifest
from model_packaging.artifact.reader import Artifact
from model_packaging.findings import refuse


def sample_input(artifact: Artifact) -> str:
    """The JSON of the request that was sent to the model during packaging.

    Raises:
        FindingsError: the artifact has no request, or one that is too long for a scheduled call.
    """
    if artifact.manifest.io.sample:
        return artifact.manifest.io.sample
    # Older artifacts have it only in their card, as a string.
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
        "must have a sample request of 2,048 bytes or less to be kept warm by calls",
        "no request, or a longer one",
        "the calls would fail and keep nothing warm",
        "write `warm_by: provisioned-concurrency`, or package a model with smaller inputs",
    )


def work_seconds(manifest: Manifest) -> float:
    """How long the model works on one request: the longest measured time, or else its whole cold start."""
    speed = manifest.chosen.speed
    return (speed.long_ms if speed else manifest.cold_start.total_ms) / 1000
