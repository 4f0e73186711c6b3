"""What all objects share: metadata and labels."""

from __future__ import annotations

import json
from typing import Any

Manifest = dict[str, Any]
"""A Kubernetes object, as its API accepts it."""

MANAGED_BY = {"app.kubernetes.io/managed-by": "scaletozero"}

BUCKET = "${bucket}"
"""Placeholder in a manifest for the name of a bucket that is not known yet."""


def manifest(
    api_version: str, kind: str, name: str, namespace: str | None, labels: dict[str, str] | None = None, **body: Any
) -> Manifest:
    """An object."""
    metadata: dict[str, Any] = {"name": name, "labels": {**(labels or {}), **MANAGED_BY}}
    if namespace:
        metadata["namespace"] = namespace
    # A copy without shared objects, which YAML would render as anchors.
    return json.loads(json.dumps({"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}))


def selector(name: str) -> dict[str, str]:
    """The labels that select the pods of an endpoint. They can never change."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/component": "serving"}


def go_seconds(seconds: int) -> str:
    """A duration in the format of Go."""
    return f"{seconds}s"
