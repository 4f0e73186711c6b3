"""Checks of finished objects, including those that a transform has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from model_packaging.findings import Finding
from scaletozero.kubernetes.manifests.objects import Manifest
from scaletozero.settings.cluster import GPU


def object_findings(objects: Iterable[Manifest]) -> list[Finding]:
    """Everything that is invalid in objects by themselves; paths are `Kind/name`."""
    return [found for each in objects if each["kind"] == "Deployment" for found in _deployment(each)]


def same_nodes(workload: Manifest, warm: Manifest) -> list[Finding]:
    """Whether the objects that keep nodes warm request the nodes that the workload runs on."""
    own, other = workload["spec"]["template"]["spec"], warm["spec"]["template"]["spec"]
    return [
        Finding(
            f"Deployment/{warm['metadata']['name']}",
            f"must have the `{field}` of Deployment/{workload['metadata']['name']}",
            "another",
            "other nodes than those of the endpoint would be kept warm, and paid for",
            "copy it from the endpoint",
        )
        for field in ("nodeSelector", "tolerations", "affinity")
        if own.get(field) != other.get(field)
    ]


def _deployment(each: Manifest) -> Iterator[Finding]:
    path = f"Deployment/{each['metadata']['name']}"
    pod = each["spec"]["template"]["spec"]
    for container in pod["containers"]:
        at = f"{path}.containers.{container['name']}"
        yield from _gpus(at, container.get("resources", {}))
        yield from _rights(at, pod, container)
        if container.get("ports") and "readinessProbe" not in container:
            yield Finding(
                f"{at}.readinessProbe",
                "is required",
                "nothing",
                "requests would reach the container while the model is still loading",
                "add an httpGet of the path that returns 200 once the model can respond",
            )
    if pod.get("automountServiceAccountToken") is not False:
        yield Finding(
            f"{path}.automountServiceAccountToken",
            "must be false",
            "true",
            "an attacker who controls the engine could call the API server",
        )


def _gpus(at: str, resources: dict[str, Any]) -> Iterator[Finding]:
    limits, requests = (resources.get(kind, {}).get(GPU) for kind in ("limits", "requests"))
    if limits != requests:
        yield Finding(
            f"{at}.resources.requests",
            f"must have the {GPU} of the limits",
            f"{requests or 'none'}, with {limits or 'none'} in the limits",
            "a CapacityBuffer reads the template, in which limits are not copied to requests: it would keep a node "
            "without a GPU",
            f"write `{GPU}: {limits or requests}` in both",
        )


def _rights(at: str, pod: dict[str, Any], container: dict[str, Any]) -> Iterator[Finding]:
    both = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
    wanted = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for field, value in wanted.items():
        if both.get(field) != value:
            yield Finding(
                f"{at}.securityContext.{field}",
                f"must be {value}",
                str(both.get(field)),
                "the restricted Pod Security Standard of the namespace would refuse the pod",
            )
