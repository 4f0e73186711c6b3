"""Starts of an endpoint's replicas, collected while they happen. Pure: see `scaletozero.cli` for who looks.

What is looked at repeatedly does not expire: events, nodes and failed replicas are kept although the cluster deletes
them. And a clock that differs from the cluster's shows, because it was seen between which looks a replica became ready.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scaletozero.cold_start.remembered import Start
from scaletozero.kubernetes.starts import Object, Unmeasured, no_log, ready_since, starts_of

SKEW_SECONDS = 3.0
"""By how much a node's clock may differ: the API's resolution of a second on both sides, and a slow response."""


@dataclass(frozen=True)
class Sight:
    """What a cluster has of an endpoint at one moment.

    Attributes:
        at: the moment, by the clock of the API server.
        pods: the endpoint's pods.
        nodes: the cluster's nodes.
        events: the events of the namespace.
        deployment: the endpoint's Deployment; None if it does not exist.
    """

    at: datetime
    pods: Sequence[Object]
    nodes: Sequence[Object]
    events: Sequence[Object]
    deployment: Object | None = None


@dataclass
class Watched:
    """What has been seen of an endpoint's starts. Replicas that were there before the first look are no part of it.

    Attributes:
        region: the Region of the cluster.
        log: name of a pod -> the begin of its container's log.
        measured: uid of a pod -> its start.
        failed: uid of a pod -> why it has no start so far.
        blocked: why no pod could be created, when this was last so; empty if it never was.
    """

    region: str
    log: Callable[[str], str] = no_log
    measured: dict[str, Start] = field(default_factory=dict)
    failed: dict[str, Unmeasured] = field(default_factory=dict)
    blocked: str = ""
    _before: set[str] | None = None
    _unready: dict[str, datetime] = field(default_factory=dict)
    _nodes: dict[str, Object] = field(default_factory=dict)
    _events: dict[str, Object] = field(default_factory=dict)

    @property
    def starts(self) -> list[Start]:
        """The measured starts, the earliest first."""
        return sorted(self.measured.values(), key=lambda each: (each.at, each.id))

    def see(self, sight: Sight) -> list[Start]:
        """Takes in what was seen. Returns the starts that are new."""
        if self._before is None:
            self._before = {each["metadata"]["uid"] for each in sight.pods if ready_since(each)}
        self._nodes |= {each["metadata"]["name"]: each for each in sight.nodes}
        self._events |= {_key(each): each for each in sight.events}
        self.blocked = blocked(sight.deployment) or self.blocked
        new: list[Start] = []
        for pod in sight.pods:
            uid = pod["metadata"]["uid"]
            if uid in self._before or uid in self.measured:
                continue
            if ready_since(pod) is None:
                self._unready[uid] = sight.at
            if pod["metadata"].get("deletionTimestamp") and uid in self.failed:
                continue  # what it was before it was deleted says more
            found = self._start(pod, sight.at)
            if isinstance(found, Start):
                self.measured[uid] = found
                self.failed.pop(uid, None)
                new.append(found)
            else:
                self.failed[uid] = found
        return new

    def _start(self, pod: Object, at: datetime) -> Start | Unmeasured:
        found, others = starts_of([pod], self._nodes.values(), self._events.values(), self.region, self.log)
        if others:
            return others[0]
        ready, unready = ready_since(pod), self._unready.get(pod["metadata"]["uid"])
        assert ready
        ahead = (ready - at).total_seconds()
        behind = (unready - ready).total_seconds() if unready else 0.0
        if max(ahead, behind) > SKEW_SECONDS:
            how = f"{ahead:.0f} s ahead of" if ahead > behind else f"{behind:.0f} s behind"
            return Unmeasured(pod["metadata"]["name"], f"the clock of its node is at least {how} the cluster's")
        return found[0]


def blocked(deployment: Mapping[str, Any] | None) -> str:
    """Why a Deployment's pods cannot be created, such as a quota that is full; empty if they can."""
    conditions = ((deployment or {}).get("status") or {}).get("conditions") or ()
    failures = (each for each in conditions if each.get("type") == "ReplicaFailure" and each.get("status") == "True")
    found = next(failures, None)
    return f"{found.get('reason', 'FailedCreate')}: {found.get('message', 'no pod was created')}" if found else ""


def _key(event: Object) -> str:
    metadata = event.get("metadata") or {}
    return metadata.get("uid") or f"{metadata.get('namespace')}/{metadata.get('name')}/{event.get('reason')}"
