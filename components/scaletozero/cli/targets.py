"""Holds an environment to the cluster that its objects are on, so that none of them is left behind on another one."""

from __future__ import annotations

import os
from pathlib import Path

from model_packaging.findings import refuse
from scaletozero.environment.project import Project
from scaletozero.environment.settings import Environment
from scaletozero.settings.kubernetes import Kubernetes

FOLDER = "a folder for manifests"


def hold_to_cluster(project: Project, settings: Environment, name: str, *, sandboxed: bool) -> str | None:
    """Where the Kubernetes objects of an environment go now; None where it has none and had none.

    Args:
        project, settings, name: the environment.
        sandboxed: whether it runs in the sandbox, which remembers where they went before.

    Raises:
        FindingsError: no cluster is named where one is needed, it is another one than was declared, or another one than
            the objects are on.
    """
    kubeconfig, block, file = os.environ.get("KUBECONFIG"), settings.kubernetes, _file(project, name)
    if block is None and not file.is_file():
        return None
    if not kubeconfig and not sandboxed:
        raise refuse(
            "KUBECONFIG",
            "must name the file of the cluster" + (f" {block.cluster.name}" if block else ""),
            "nothing",
            "whatever cluster this machine used last would be changed",
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
            f"set it as it was (`scaletozero down -e {name}` then deletes them), "
            f"or, where that cluster is no more, remove {file}",
        )
    return where


def _url(kubeconfig: str, block: Kubernetes | None) -> str:
    from scaletozero.kubernetes.api import KubernetesApi
    from scaletozero.kubernetes.facts.discover import open_cluster

    if block is None:
        return KubernetesApi(kubeconfig).url
    return open_cluster(kubeconfig, block.cluster.name, block.cluster.region, context=block.context)[0].url


def remember(project: Project, name: str, where: str | None) -> None:
    """Keeps where the objects of an environment of the sandbox are; None once they are deleted."""
    file = _file(project, name)
    if where is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{where}\n")


def _file(project: Project, name: str) -> Path:
    return project.local / "manifests" / f"{name}.target"
