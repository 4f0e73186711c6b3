"""Simulated pods whose image and engine take as long as their annotations say, and an independent look at them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scaletozero.engine.go_build import source_folder
from scaletozero.kubernetes.api import KubernetesApi
from scaletozero.sandbox.cluster.programs import KWOK

PULL, LOAD = "test/pull", "test/load"
"""Annotations of a pod: how long its node pulls the image, and how long its engine loads, as `3s`."""

_KIND = {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage"}
_POD = {"apiGroup": "v1", "kind": "Pod"}
_THERE = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}

_STATUS = """
{{ $now := Now }}
conditions:
- {type: Ready, status: "%(ready)s", lastTransitionTime: {{ $now | Quote }}}
- {type: ContainersReady, status: "%(ready)s", lastTransitionTime: {{ $now | Quote }}}
containerStatuses:
{{ range .spec.containers }}
- image: {{ .image | Quote }}
  name: {{ .name | Quote }}
  ready: %(is_ready)s
  restartCount: 0
  state: {running: {startedAt: %(started)s}}
{{ end }}
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
podIP: {{ PodIPWith .spec.nodeName false .metadata.uid .metadata.name .metadata.namespace | Quote }}
phase: Running
startTime: {{ $now | Quote }}
"""


def stages(to: Path) -> Path:
    """A configuration of kwok: pods without the annotations are ready at once, as by default."""
    fast = source_folder(KWOK) / "kustomize" / "stage" / "pod" / "fast"
    found = [yaml.safe_load((fast / f"pod-{each}.yaml").read_text()) for each in ("ready", "complete", "delete")]
    found[0]["spec"]["selector"]["matchExpressions"].append(_annotated(PULL, "DoesNotExist"))
    running = {"ready": "False", "is_ready": "false", "started": "{{ $now | Quote }}"}
    first = "{{ (index $.status.containerStatuses 0).state.running.startedAt | Quote }}"
    ready = {"ready": "True", "is_ready": "true", "started": first}
    new = {"key": ".status.podIP", "operator": "DoesNotExist"}
    unready = {
        "key": '.status.conditions.[] | select( .type == "Ready" ) | .status',
        "operator": "In",
        "values": ["False"],
    }
    event = {"type": "Normal", "reason": "Pulled", "message": "Successfully pulled image in time."}
    found += [
        _stage("pulled", PULL, new, {"event": event, "statusTemplate": _STATUS % running}),
        _stage("loaded", LOAD, unready, {"statusTemplate": _STATUS % ready}),
    ]
    to.write_text(yaml.safe_dump_all(found))
    return to


def _annotated(name: str, operator: str = "Exists") -> dict[str, str]:
    return {"key": f'.metadata.annotations["{name}"]', "operator": operator}


def _stage(name: str, annotation: str, when: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    delay = {"durationMilliseconds": 0, "durationFrom": {"expressionFrom": _annotated(annotation)["key"]}}
    selector = {"matchExpressions": [_THERE, _annotated(annotation), when]}
    spec = {"resourceRef": _POD, "selector": selector, "delay": delay, "next": then}
    return {**_KIND, "metadata": {"name": name}, "spec": spec}


@dataclass
class Seen:
    """When something else than the command saw a pod's states first, in seconds of a monotonic clock.

    Attributes:
        moments: uid -> `created`, `scheduled`, `running`, `ready` -> the moment.
    """

    moments: dict[str, dict[str, float]] = field(default_factory=dict)

    def take(self, pods: list[dict[str, Any]], now: float) -> None:
        for pod in pods:
            moments = self.moments.setdefault(pod["metadata"]["uid"], {"created": now})
            status = pod.get("status") or {}
            true = {each["type"] for each in status.get("conditions") or () if each["status"] == "True"}
            states = {
                "scheduled": "PodScheduled" in true,
                "running": any("running" in each["state"] for each in status.get("containerStatuses") or ()),
                "ready": "Ready" in true,
            }
            for name, reached in states.items():
                if reached:
                    moments.setdefault(name, now)

    def phases(self, uid: str) -> dict[str, float]:
        """The phases of a pod's start."""
        at = self.moments[uid]
        return {
            "node": at["scheduled"] - at["created"],
            "pull": at["running"] - at["scheduled"],
            "load": at["ready"] - at["running"],
        }


@contextmanager
def independent_look(api: KubernetesApi, namespace: str, every: float = 0.1) -> Iterator[Seen]:
    """Looks at the pods of a namespace in a thread of its own."""
    seen, done = Seen(), threading.Event()

    def look() -> None:
        while not done.wait(every):
            seen.take(api.list("v1", "Pod", namespace), time.monotonic())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()
