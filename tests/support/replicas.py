"""Pods, nodes and events of an endpoint's replicas, as a cluster keeps them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gpu_declarations import IMAGE

BEGAN = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)
DIGEST = "sha256:" + "d" * 64
ARTIFACT = "a" * 64


def moment(seconds: float) -> str:
    """A time as the API server writes it."""
    return (BEGAN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(
    name: str = "llm-1",
    *,
    node: float = 60,
    pull: float = 180,
    load: float = 90,
    artifact: str = ARTIFACT,
    image: str = IMAGE,
    restarts: int = 0,
    at: float = 0,
) -> dict[str, Any]:
    """A ready pod, whose phases took these seconds."""
    scheduled, running = at + node, at + node + pull
    probe = {"failureThreshold": 11, "periodSeconds": 10, "timeoutSeconds": 5}
    container = {"name": "serving", "image": image, "startupProbe": probe, "readinessProbe": {"periodSeconds": 5}}
    labels = {"app.kubernetes.io/name": "llm", "app.kubernetes.io/component": "serving"}
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "labels": labels,
            "creationTimestamp": moment(at),
            "annotations": {"scaletozero/artifact": artifact},
        },
        "spec": {"nodeName": f"node-{name}", "containers": [container]},
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": moment(scheduled)},
                {"type": "Ready", "status": "True", "lastTransitionTime": moment(running + load)},
            ],
            "containerStatuses": [
                {
                    "name": "serving",
                    "restartCount": restarts,
                    "imageID": f"{image.partition(':')[0]}@{DIGEST}",
                    "state": {"running": {"startedAt": moment(running)}},
                }
            ],
        },
    }


def node(name: str = "llm-1", *, created: float = 5, instance_type: str = "g6.xlarge") -> dict[str, Any]:
    """The node of a pod, created so many seconds after it."""
    labels = {"node.kubernetes.io/instance-type": instance_type}
    return {"metadata": {"name": f"node-{name}", "creationTimestamp": moment(created), "labels": labels}}


def pulled(name: str = "llm-1", message: str = "Successfully pulled image in 3m0s. Image size: 15 bytes.") -> Any:
    """The kubelet's event on a pod's image."""
    return {"reason": "Pulled", "message": message, "involvedObject": {"kind": "Pod", "uid": f"uid-{name}"}}
