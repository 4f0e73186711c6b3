"""Ensures that an environment stays on the cluster that its objects are on, so that none is left behind."""

from __future__ import annotations

import os
from pathlib import Path

from model_packaging.findings import refuse
from scaletozero.environment.project import Project
from scaletozero.environment.settings import Environment
from scaletozero.settings.kubernetes import Kubernetes

FOLDER = "a folder for manifests"


def hold_to_cluster(project: Project, settings: Environment, name: str, *, sandboxed: bool) -> str | None:
    """Where an environment's Kubernetes objects are to be created; None if it has and had none.

    Args:
        project, settings, name: the project, the environment's settings and its name.
        sandboxed: whether it runs in the sandbox, which records where they were created before.

    Raises:
        FindingsError: no cluster is named but one is needed, or it is not the cluster that was declared, or not
            the cluster that the objects are on.
    """
    kubeconfig, block, file = os.environ.get("KUBECONFIG"), settings.kubernetes, _file(project, name)
    if block is None and not file.is_file():
        return None
    if not kubeconfig and not sandboxed:
        raise refuse(
            "KUBECONFIG",
            "must name the cluster's kubeconfig file" + (f" {block.cluster.name}" if block else ""),
            "nothing",
            "the cluster that this machine used last would be changed",
            "set KUBECONFIG",
        )
    where = FOLDER
    if kubeconfig:
        where = _url(kubeconfig, block)
    held = file.read_text().strip() if sandboxed and file.is_file() else where
    if held != where:
        raise refuse(
            "KUBECONFIG",
            f"must lead to where {name} is, {held}",
            where,
            "its objects would be left behind there, without an owner",
            f"set it as before (`scaletozero down -e {name}` then deletes them), "
            f"or, if that cluster no longer exists, remove {file}",
        )
    return where


def _url(kubeconfig: str, block: Kubernetes | None) -> str:
    from scaletozero.kubernetes.api import KubernetesApi
    from scaletozero.kubernetes.facts.discover import open_cluster

    if block is None:
        return KubernetesApi(kubeconfig).url
    return open_cluster(kubeconfig, block.cluster.name, block.cluster.region, context=block.context)[0].url


def remember(project: Project, name: str, where: str | None) -> None:
    """Records where the objects of an environment in the sandbox are; None once they are deleted."""
    file = _file(project, name)
    if where is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{where}\n")


def _file(project: Project, name: str) -> Path:
    return project.local / "manifests" / f"{name}.target"
