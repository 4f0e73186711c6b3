"""Why a live object is not ready yet, by roughly the official provider's rules. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from scaletozero.sandbox.providers.kube.manifests import SKIP_AWAIT, WAIT_FOR, annotation
from scaletozero.sandbox.providers.kube.paths import MISSING, look_up, parse_path

Live = Mapping[str, Any]
Related = Callable[[str, str], list[dict[str, Any]]]
"""Returns the objects with an (apiVersion, kind) in the same namespace."""


_ADDRESS = ("status", "loadBalancer", "ingress", 0)


class FailedError(ValueError):
    """The object reports that it will not become ready."""


def missing(inputs: Live, live: Live, related: Related) -> list[str]:
    """The reasons why an object is not ready; empty if it is, or if it must not be waited for.

    Raises:
        FailedError: it will not become ready.
        ValueError: the annotation `pulumi.com/waitFor` is invalid.
    """
    if annotation(inputs, SKIP_AWAIT) == "true":
        return []
    if wanted := annotation(inputs, WAIT_FOR):
        return [line for expression in _expressions(wanted) for line in _unmet(expression, live)]
    wait = _WAITS.get(f"{live['apiVersion']}/{live['kind']}")
    return wait(live, related) if wait else []


def _expressions(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:
        return [text]
    if isinstance(found, list) and found and all(isinstance(each, str) for each in found):
        return found
    raise ValueError(f"{WAIT_FOR} must be an expression or a list of them, got {text}")


def _unmet(expression: str, live: Live) -> list[str]:
    form, _, rest = expression.partition("=")
    if form == "condition":
        name, _, value = rest.partition("=")
        found = _condition(live, name)
        if found.get("status", "").lower() == (value or "True").lower():
            return []
        return [f"condition {name} is {found.get('status', 'not there')}{_because(found)}"]
    if form == "jsonpath" and (parsed := re.fullmatch(r"\{?\.?([^{}=]+)\}?(?:=(.*))?", rest)):
        found = look_up(live, parse_path(parsed[1].replace("['", '["').replace("']", '"]')))
        if found is not MISSING and parsed[2] in (None, found if isinstance(found, str) else json.dumps(found)):
            return []
        return [f"{parsed[1]} is {'not there' if found is MISSING else json.dumps(found)}"]
    raise ValueError(f"{WAIT_FOR} must be condition=NAME[=VALUE] or jsonpath={{.PATH}}[=VALUE], got {expression!r}")


def _condition(live: Live, name: str) -> Live:
    conditions = (live.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == name), {})


def _because(condition: Live) -> str:
    text = condition.get("message") or condition.get("reason")
    return f": {text}" if text else ""


def _seen(live: Live) -> bool:
    """Whether the controller has observed the latest version of the object."""
    return (live.get("status") or {}).get("observedGeneration", 0) >= live["metadata"].get("generation", 1)


def _deployment(live: Live, related: Related) -> list[str]:
    if not _seen(live):
        return ["its controller has not seen it yet"]
    wanted, status = live["spec"].get("replicas", 1), live.get("status") or {}
    progressing = _condition(live, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        raise FailedError(f"{progressing['message']}{_pods(live, related)}")
    lines = []
    if status.get("updatedReplicas", 0) < wanted:
        failure = _condition(live, "ReplicaFailure")
        lines.append(f"{status.get('updatedReplicas', 0)} of {wanted} pods are made{_because(failure)}")
    elif status.get("availableReplicas", 0) < wanted:
        lines.append(f"{status.get('availableReplicas', 0)} of {wanted} pods are available{_pods(live, related)}")
    elif status.get("replicas", 0) > status.get("updatedReplicas", 0):
        lines.append(
            f"{status['replicas'] - status.get('updatedReplicas', 0)} pods of the version before are still there"
        )
    return lines


def _stateful_set(live: Live, related: Related) -> list[str]:
    if not _seen(live):
        return ["its controller has not seen it yet"]
    wanted, status = live["spec"].get("replicas", 1), live.get("status") or {}
    if status.get("readyReplicas", 0) < wanted or status.get("updatedReplicas", wanted) < wanted:
        return [f"{status.get('readyReplicas', 0)} of {wanted} pods are ready{_pods(live, related)}"]
    return []


def _daemon_set(live: Live, related: Related) -> list[str]:
    if not _seen(live):
        return ["its controller has not seen it yet"]
    status = live.get("status") or {}
    wanted = status.get("desiredNumberScheduled", 0)
    if min(status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)) < wanted:
        return [f"{status.get('numberAvailable', 0)} of {wanted} pods are available{_pods(live, related)}"]
    return []


def _pods(live: Live, related: Related) -> str:
    """Why the pods of a controller are not running."""
    labels = (live["spec"].get("selector") or {}).get("matchLabels") or {}
    reasons = set()
    for pod in related("v1", "Pod"):
        if labels.items() <= (pod["metadata"].get("labels") or {}).items():
            reasons.update(_pod_reasons(pod))
    return "".join(f"; {reason}" for reason in sorted(reasons))


def _pod_reasons(pod: Live) -> set[str]:
    scheduled = _condition(pod, "PodScheduled")
    found = {scheduled["message"]} if scheduled.get("status") == "False" and scheduled.get("message") else set()
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") and waiting["reason"] != "ContainerCreating":
            found.add(f"container {container['name']}: {waiting.get('message') or waiting['reason']}")
    return found


def _pod(live: Live, related: Related) -> list[str]:
    phase = (live.get("status") or {}).get("phase", "Pending")
    if phase == "Succeeded" or _condition(live, "Ready").get("status") == "True":
        return []
    if phase == "Failed":
        raise FailedError(f"the pod failed{_because(live['status'])}")
    return [f"the pod is {phase}" + "".join(f"; {reason}" for reason in sorted(_pod_reasons(live)))]


def _job(live: Live, related: Related) -> list[str]:
    if (failed := _condition(live, "Failed")).get("status") == "True":
        raise FailedError(f"the job failed{_because(failed)}")
    return [] if _condition(live, "Complete").get("status") == "True" else ["the job has not completed"]


def _service(live: Live, related: Related) -> list[str]:
    spec = live["spec"]
    lines = []
    if spec.get("type") == "LoadBalancer" and look_up(live, _ADDRESS) is MISSING:
        lines.append("it has no address yet")
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None" or not spec.get("selector"):
        return lines
    slices = [
        each
        for each in related("discovery.k8s.io/v1", "EndpointSlice")
        if (each["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == live["metadata"]["name"]
    ]
    if not slices:
        lines.append("its endpoints are not there yet")
    elif any(
        (endpoint.get("conditions") or {}).get("ready") is False
        for each in slices
        for endpoint in each.get("endpoints") or ()
    ):
        lines.append("pods that it targets are not ready")
    return lines


def _ingress(live: Live, related: Related) -> list[str]:
    found = look_up(live, _ADDRESS)
    return ["it has no address yet"] if found is MISSING else []


def _claim(live: Live, related: Related) -> list[str]:
    classes = {each["metadata"]["name"]: each for each in related("storage.k8s.io/v1", "StorageClass")}
    waits = (classes.get(live["spec"].get("storageClassName")) or {}).get("volumeBindingMode") == "WaitForFirstConsumer"
    phase = (live.get("status") or {}).get("phase", "Pending")
    return [] if phase == "Bound" or (waits and phase == "Pending") else [f"the claim is {phase}"]


def _definition(live: Live, related: Related) -> list[str]:
    refused = _condition(live, "NamesAccepted")
    if refused.get("status") == "False":
        raise FailedError(f"the definition is refused{_because(refused)}")
    return [] if _condition(live, "Established").get("status") == "True" else ["it is not served yet"]


_WAITS: Mapping[str, Callable[[Live, Related], list[str]]] = {
    "apps/v1/Deployment": _deployment,
    "apps/v1/StatefulSet": _stateful_set,
    "apps/v1/DaemonSet": _daemon_set,
    "v1/Pod": _pod,
    "batch/v1/Job": _job,
    "v1/Service": _service,
    "networking.k8s.io/v1/Ingress": _ingress,
    "v1/PersistentVolumeClaim": _claim,
    "apiextensions.k8s.io/v1/CustomResourceDefinition": _definition,
}
