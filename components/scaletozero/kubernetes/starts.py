"""The starts of an endpoint's replicas, measured from what the cluster keeps of them: pods, nodes and events. Pure.

Nothing is woken for it. Times have the resolution of the API, a second. Events expire after an hour (the API server's
default `--event-ttl`); without them it is not known whether a node pulled the image or had it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scaletozero.cold_start.engine_log import engine_phases
from scaletozero.cold_start.remembered import PhaseSeconds, Start
from scaletozero.settings.gpu_types import TYPE_LABEL

ARTIFACT = "scaletozero/artifact"
"""The annotation of a pod that names the digest of its artifact."""

CONTAINER = "serving"

PULLED = "Successfully pulled image"
"""How the kubelet's event `Pulled` begins if the node did not have the image."""

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Unmeasured:
    """A replica whose start cannot be measured.

    Attributes:
        pod: name of its pod.
        why: what it is instead of a time.
    """

    pod: str
    why: str


def no_log(pod: str) -> str:
    """For whom no log is read."""
    return ""


def starts_of(
    pods: Sequence[Object],
    nodes: Iterable[Object],
    events: Iterable[Object],
    region: str,
    log: Callable[[str], str] = no_log,
) -> tuple[list[Start], list[Unmeasured]]:
    """The measured starts of pods, and the pods without one.

    Args:
        pods: the endpoint's pods.
        nodes: the cluster's nodes.
        events: the events of the namespace.
        region: the Region of the cluster.
        log: name of a pod -> the begin of its container's log; asked for each start once it is measured.
    """
    by_name = {each["metadata"]["name"]: each for each in nodes}
    pulled = _pulled(events)
    found: list[Start] = []
    others: list[Unmeasured] = []
    for pod in pods:
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        node = by_name.get((pod.get("spec") or {}).get("nodeName") or "")
        why = why_unready(pod) or ("its node is gone" if node is None else "")
        if why or node is None:
            others.append(Unmeasured(name, why))
            continue
        start = _start(pod, node, region, pulled.get(uid, False))
        if isinstance(start, str):
            others.append(Unmeasured(name, start))
        else:
            inside = engine_phases(log(name), start.seconds.load or 0.0)
            found.append(start.model_copy(update={"engine": inside}) if inside else start)
    return found, others


def _start(pod: Object, node: Object, region: str, pulled: bool) -> Start | str:
    container = _container(pod)
    created = _time(pod["metadata"]["creationTimestamp"])
    scheduled, ready = _condition(pod, "PodScheduled"), _condition(pod, "Ready")
    running = _time(container["state"]["running"]["startedAt"])
    if scheduled is None or ready is None:
        return "its conditions have no times"
    if running < scheduled or ready < running:
        return "the clocks of the node and of the cluster differ"
    load = (ready - running).total_seconds()
    if load > _longest_load(pod):
        return "it became ready a second time, and the first time is not kept"
    started_for_it = _time(node["metadata"]["creationTimestamp"]) >= created
    digest = str(container.get("imageID", "")).rpartition("@")[2]
    return Start(
        id=pod["metadata"]["uid"],
        at=created,
        region=region,
        instance_type=(node["metadata"].get("labels") or {}).get(TYPE_LABEL, "unknown"),
        image=pod["spec"]["containers"][0]["image"],
        image_digest=digest if digest.startswith("sha256:") else None,
        artifact=(pod["metadata"].get("annotations") or {})[ARTIFACT],
        seconds=PhaseSeconds(
            node=(scheduled - created).total_seconds() if started_for_it else None,
            pull=(running - scheduled).total_seconds() if pulled else None,
            load=load,
        ),
    )


def _longest_load(pod: Object) -> float:
    """Seconds after which the startup probe ends a container that still loads, and the readiness probe has answered."""
    container = pod["spec"]["containers"][0]
    startup = container.get("startupProbe") or {}
    if not startup:
        return float("inf")
    allowed = startup.get("failureThreshold", 3) * startup.get("periodSeconds", 10) + startup.get("timeoutSeconds", 1)
    return allowed + 2 * (container.get("readinessProbe") or {}).get("periodSeconds", 10)


def why_unready(pod: Object) -> str:
    """Why a pod has no start that was measured; empty if it is ready, and its container ran only once."""
    status, metadata = pod.get("status") or {}, pod["metadata"]
    if metadata.get("deletionTimestamp"):
        return "it is being deleted"
    if ARTIFACT not in (metadata.get("annotations") or {}):
        return "it says nothing of its artifact"
    scheduled = _find(pod, "PodScheduled")
    if scheduled.get("status") != "True":
        return f"no node has room for it: {scheduled.get('message') or scheduled.get('reason') or 'it waits'}"
    container = _container(pod)
    state = container.get("state") or {}
    if waiting := state.get("waiting"):
        return f"{waiting.get('reason', 'it waits')}: {waiting.get('message', 'no container runs')}"
    if not state.get("running"):
        return f"no container runs: {status.get('phase', 'unknown')}"
    if restarts := container.get("restartCount", 0):
        return f"its container was started again ({restarts} times)"
    return "" if _find(pod, "Ready").get("status") == "True" else "it is not ready yet"


def _pulled(events: Iterable[Object]) -> dict[str, bool]:
    """Pod -> whether its node pulled the image, of those whose events are still there."""
    pulled: dict[str, bool] = {}
    for each in events:
        uid = (each.get("involvedObject") or {}).get("uid")
        if each.get("reason") == "Pulled" and uid:
            pulled[uid] = pulled.get(uid, False) or str(each.get("message", "")).startswith(PULLED)
    return pulled


def ready_since(pod: Object) -> datetime | None:
    """When a pod became ready; None while it is not."""
    return _condition(pod, "Ready") if _find(pod, "Ready").get("status") == "True" else None


def _container(pod: Object) -> Object:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((each for each in statuses if each.get("name") == CONTAINER), {})


def _find(pod: Object, kind: str) -> Object:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == kind), {})


def _condition(pod: Object, kind: str) -> datetime | None:
    changed = _find(pod, kind).get("lastTransitionTime")
    return _time(changed) if changed else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
