"""Helm releases, which are recorded but not installed, because the sandbox does not use the network. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REPLACING = ("name", "namespace")


def failures(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [] if inputs.get("chart") else [("chart", "must be given: the chart to install")]


def manifest(inputs: Mapping[str, Any], logical: str) -> dict[str, Any]:
    """The rendered file, which says what would be installed."""
    metadata = {"name": inputs.get("name") or logical, "namespace": inputs.get("namespace") or "default"}
    return {"apiVersion": "helm.sh/v3", "kind": "Release", "metadata": metadata, "spec": dict(inputs)}


def refusal(inputs: Mapping[str, Any]) -> str:
    """The error for a release that should be installed on a cluster."""
    at = f" {inputs['version']}" if inputs.get("version") else ""
    name, namespace = inputs.get("name") or inputs.get("chart"), inputs.get("namespace") or "default"
    return (
        f"the sandbox fetches no charts: install {inputs.get('chart')}{at} yourself "
        f"(helm install {name} ... --namespace {namespace}), or do not declare the release here"
    )


def state(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a recorded release: its inputs, and a status that says that it was only recorded."""
    metadata, spec = recorded["metadata"], recorded["spec"]
    status = {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "chart": spec.get("chart"),
        "version": spec.get("version"),
        "status": "recorded",
    }
    return {**spec, **metadata, "status": status}


def replaces(prop: str) -> bool:
    return prop in _REPLACING
