"""Closes an endpoint on Kubernetes and opens it: KEDA's pause, which is on the live object and not in the program.

An annotation of another field manager stays when the program's manifest is applied again, so that an update leaves the
endpoint closed. KEDA holds a paused object at its replicas whatever its triggers say (KEDA, pausing autoscaling).
"""

from __future__ import annotations

from typing import Any

from scaletozero.kubernetes.api import KubernetesApi, Manifest

PAUSED = "autoscaling.keda.sh/paused-replicas"


def scaled_object(namespace: str, name: str) -> Manifest:
    """What names the endpoint's object of KEDA."""
    about = {"namespace": namespace, "name": name}
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": about}


def paused(api: KubernetesApi, scaled: Manifest) -> bool | None:
    """Whether it is held at no replica; None where there is no such object.

    Raises:
        ApiError: the cluster does not answer, or refuses.
    """
    found = api.get(scaled)
    return None if found is None else _annotations(found).get(PAUSED) == "0"


def pause(api: KubernetesApi, scaled: Manifest) -> bool:
    """Holds it at no replica. Returns whether that was a change.

    Raises:
        ApiError: the cluster does not answer, or refuses.
    """
    if paused(api, scaled):
        return False
    api.patch(scaled, {"metadata": {"annotations": {PAUSED: "0"}}})
    return True


def resume(api: KubernetesApi, scaled: Manifest) -> bool:
    """Lets KEDA scale it again. Returns whether that was a change.

    Raises:
        ApiError: the cluster does not answer, or refuses.
    """
    if not paused(api, scaled):
        return False
    api.patch(scaled, {"metadata": {"annotations": {PAUSED: None}}})
    return True


def _annotations(found: Manifest) -> dict[str, Any]:
    return (found.get("metadata") or {}).get("annotations") or {}
