"""A cluster that wakes an endpoint when it is told to, in simulated time: what it has, second by second."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from replicas import BEGAN, node, pod, pulled

from scaletozero.kubernetes.api import ApiError
from scaletozero.kubernetes.wake import FORCE
from scaletozero.kubernetes.watched import Sight

COOLDOWN, NODE_IDLE = 15, 5


@dataclass
class WakingCluster:
    """KEDA, nodes and kubelets of one endpoint.

    Attributes:
        phases: of each wake, the seconds of `poll`, `node`, `pull` and `load`.
        change: what is wrong with a pod that it shows.
        quota: whether no pod may be created.
        deaf: whether KEDA does nothing.
        callers: whether callers keep it awake.
        outage: the seconds between which the cluster does not answer.
        at_second: what happens at a second.
    """

    phases: Sequence[Mapping[str, Any]]
    change: Callable[[dict[str, Any], float], None] = lambda pod, now: None
    quota: bool = False
    deaf: bool = False
    callers: bool = False
    outage: tuple[float, float] = (-1.0, -1.0)
    at_second: dict[int, Callable[[], object]] = field(default_factory=dict)
    now: float = 0.0
    forced: bool = False
    wakes: list[list[float | None]] = field(default_factory=list)
    """Of each wake: when it began and when it ended."""

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        before = int(self.now)
        self.now += seconds
        for second in range(before + 1, int(self.now) + 1):
            self.at_second.pop(second, lambda: None)()

    def clock(self) -> datetime:
        self._answer()
        return (BEGAN + timedelta(seconds=self.now)).replace(microsecond=0)

    def patch(self, manifest: Mapping[str, Any], change: Mapping[str, Any]) -> None:
        self._answer()
        assert manifest["kind"] == "ScaledObject"
        forced = change["metadata"]["annotations"][FORCE] == "true"
        if forced and not self.forced:
            self.wakes.append([self.now, None])
        elif self.forced and not forced:
            self.wakes[-1][1] = self.now
        self.forced = forced

    def look(self) -> Sight:
        self._answer()
        pods, nodes, events = list[Any](), list[Any](), list[Any]()
        if not self.deaf and not self.quota:
            for number in range(len(self.wakes)):
                self._add(number, pods, nodes, events)
        replicas = 1 if self.callers or self.forced or pods else 0
        failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
        conditions = [failure] if self.quota and self.wakes else []
        deployment = {"spec": {"replicas": replicas}, "status": {"conditions": conditions}}
        return Sight(self.clock(), pods, nodes, events, deployment)

    def node_seconds(self) -> float:
        """How long nodes were there in all, once everything sleeps again."""
        whole = 0.0
        for number, (began, ended) in enumerate(self.wakes):
            assert began is not None
            assert ended is not None
            phases = self.phases[number]
            whole += ended + COOLDOWN + NODE_IDLE - (began + phases["poll"] + phases["node"])
        return whole

    def _add(self, number: int, pods: list[Any], nodes: list[Any], events: list[Any]) -> None:
        phases, (began, ended), name = self.phases[number], self.wakes[number], f"llm-{number}"
        assert began is not None
        created = int(began + phases["poll"])
        scheduled = created + phases["node"]
        running = scheduled + phases["pull"]
        gone = float("inf") if ended is None else ended + COOLDOWN
        if not created <= self.now:
            return
        each = pod(name, at=created, **{key: value for key, value in phases.items() if key != "poll"})
        status = each["status"]
        if self.now < running + phases["load"]:
            status["conditions"][1] = {"type": "Ready", "status": "False"}
        if self.now < running:
            status["containerStatuses"][0]["state"] = {"waiting": {"reason": "ContainerCreating"}}
        if self.now < scheduled:
            status["conditions"][0] = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}
            status["containerStatuses"] = []
            each["spec"]["nodeName"] = None
        self.change(each, self.now)
        if self.now < gone:
            pods.append(each)
        if scheduled <= self.now < gone + NODE_IDLE and each["spec"]["nodeName"]:
            nodes.append(node(name, created=scheduled))
        if running <= self.now:
            events.append(pulled(name))

    def _answer(self) -> None:
        if self.outage[0] <= self.now < self.outage[1]:
            raise ApiError("no response")
