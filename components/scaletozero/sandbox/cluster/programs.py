"""The programs of a test cluster, at the versions that the toolkit is tested with, built from source into the cache."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from model_packaging.files import cache_folder
from model_packaging.findings import refuse
from scaletozero.engine.go_build import GoModule, Say, build, reason

_BASE = "k8s.io/component-base/version"

ETCD = GoModule("go.etcd.io/etcd/server/v3", "v3.6.14", {"etcd": ""}, minutes=1)

KUBERNETES = GoModule(
    "k8s.io/kubernetes",
    "v1.34.2",
    {name: f"cmd/{name}" for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")},
    # Clients refuse a server whose version they cannot parse.
    variables={f"{_BASE}.gitVersion": "v1.34.2", f"{_BASE}.gitMajor": "1", f"{_BASE}.gitMinor": "34"},
    sibling_version="v0.34.2",
    minutes=5,
)

KWOK = GoModule("sigs.k8s.io/kwok", "v0.7.0", {"kwok": "cmd/kwok"}, minutes=1.5)

KARPENTER = GoModule("sigs.k8s.io/karpenter", "v1.14.1", {"karpenter": "kwok"}, minutes=1.5)

KEDA = GoModule("github.com/kedacore/keda/v2", "v2.18.0", {"keda": "cmd/operator"}, minutes=5)

CONTROL_PLANE = (ETCD, KUBERNETES)
"""The programs that accept or refuse objects."""

EVERYTHING = (*CONTROL_PLANE, KWOK, KARPENTER, KEDA)
"""CONTROL_PLANE and the programs that act on objects: controllers, scheduler, simulated nodes, Karpenter, KEDA."""


def folder_of(module: GoModule) -> Path:
    """The folder of the cache that holds the module's programs."""
    return cache_folder() / "cluster" / f"{module.path.replace('/', '-')}-{module.version}"


def find_programs(modules: Iterable[GoModule], say: Say = lambda line: None) -> dict[str, Path]:
    """Name of each program -> its path. Missing programs are built first, one module at a time.

    Raises:
        FindingsError: a program could not be built.
    """
    found: dict[str, Path] = {}
    for module in modules:
        target = folder_of(module)
        try:
            build(module, target, say)
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            raise refuse(
                module.name,
                "the programs of a local cluster are built from their source",
                reason(error),
                "no cluster was started; if KUBECONFIG names a cluster, that one is used instead",
                "install Go 1.25 or newer, or set KUBECONFIG to a test cluster",
            ) from None
        found |= {program: target / program for program in module.programs}
    return found
