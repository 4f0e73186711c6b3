"""The provider's configuration: a cluster or a folder."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaletozero.sandbox.providers.kube import MANIFESTS
from scaletozero.sandbox.providers.kube.live import Cluster
from scaletozero.sandbox.providers.kube.rendered import Rendered
from scaletozero.sandbox.providers.kube.target import Target
from scaletozero.sandbox.providers.values import UNKNOWN

_APPLIED = frozenset(
    {"kubeconfig", "context", "namespace", "enablePatchForce", "upsertExistingObjects", "renderYamlToDirectory"}
)
_MUST_BE_TRUE = frozenset({"enableServerSideApply"})
_WITHOUT_EFFECT = frozenset(
    {
        "alwaysRender", "clusterIdentifier", "deleteUnreachable", "enableConfigMapMutable", "enableSecretMutable",
        "helmReleaseSettings", "kubeClientSettings", "skipUpdateUnreachable", "suppressDeprecationWarnings",
        "suppressHelmHookWarnings", "version", "pluginDownloadURL",
    }
)  # fmt: skip


def failures(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(key, reason) of every setting that cannot be honoured."""
    known = sorted(_APPLIED | _MUST_BE_TRUE | _WITHOUT_EFFECT)
    found = []
    for key, value in config.items():
        if key in _MUST_BE_TRUE and value is not UNKNOWN and str(value).lower() == "false":
            found.append((key, "must not be false: the sandbox's provider uses server-side apply only"))
        elif key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            found.append((key, "is not a setting of the provider" + (f"; did you mean `{close[0]}`?" if close else "")))
    return found


def target_from(config: Mapping[str, Any]) -> Target | None:
    """Where objects are created: the configured cluster, else $KUBECONFIG's, else the folder $SCALETOZERO_MANIFESTS.

    `~/.kube/config` is not read, so that a cluster is used only if it was named for this run.

    Returns:
        The target; None if the cluster is only known after an `up` (its kubeconfig is another resource's output).

    Raises:
        ApiError: the kubeconfig cannot be read.
        ValueError: neither a cluster nor a folder is named.
    """
    from scaletozero.kubernetes.api import KubernetesApi

    namespace = config.get("namespace") or None
    if folder := config.get("renderYamlToDirectory"):
        return Rendered(Path(folder), namespace)
    kubeconfig = config.get("kubeconfig") or os.environ.get("KUBECONFIG")
    if kubeconfig is UNKNOWN:
        return None
    if kubeconfig:
        adopt = _true(config.get("upsertExistingObjects"))
        return Cluster(KubernetesApi(kubeconfig, config.get("context") or None), namespace, adopt=adopt)
    if folder := os.environ.get(MANIFESTS):
        return Rendered(Path(folder), namespace)
    raise ValueError(
        f"no cluster and no folder: set KUBECONFIG to a cluster's, or {MANIFESTS} to a folder for manifests"
    )


def forces(config: Mapping[str, Any]) -> bool:
    return _true(config.get("enablePatchForce"))


def _true(value: Any) -> bool:
    return str(value).lower() == "true"
