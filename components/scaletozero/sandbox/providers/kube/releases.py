"""Helm releases: recorded, not installed. Charts come over the network, which the sandbox does not use. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REPLACING = ("name", "namespace")


def failures(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [] if inputs.get("chart") else [("chart", "must be given: the chart that is installed")]


def manifest(inputs: Mapping[str, Any], logical: str) -> dict[str, Any]:
    """The file that says what would be installed."""
    metadata = {"name": inputs.get("name") or logical, "namespace": inputs.get("namespace") or "default"}
    return {"apiVersion": "helm.sh/v3", "kind": "Release", "metadata": metadata, "spec": dict(inputs)}


def refusal(inputs: Mapping[str, Any]) -> str:
    """Why it is not installed on a cluster."""
    at = f" {inputs['version']}" if inputs.get("version") else ""
    name, namespace = inputs.get("name") or inputs.get("chart"), inputs.get("namespace") or "default"
    return (
        f"the sandbox fetches no charts: install {inputs.get('chart')}{at} yourself "
        f"(helm install {name} ... --namespace {namespace}), or leave the release out of what you deploy here"
    )


def state(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded release's state: its inputs, and a status that says so."""
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
