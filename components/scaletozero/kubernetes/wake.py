"""Forced wakes of an endpoint, decided from what the cluster has of it: whether, how long, at what cost. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from model_packaging.findings import Finding
from scaletozero.kubernetes.cold_start import ColdStart
from scaletozero.kubernetes.starts import Object, why_unready
from scaletozero.kubernetes.watched import Sight, blocked
from scaletozero.spending.money import exact

FORCE = "autoscaling.keda.sh/force-activation"
"""The annotation of a ScaledObject that keeps it awake without a request (KEDA's documentation, ScaledObject spec)."""

PAUSES = ("autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas", "autoscaling.keda.sh/paused-scale-out")
"""Annotations with which KEDA does not wake it (KEDA's documentation, "Pausing autoscaling")."""

ACTIVATION_SECONDS = 60
"""How long KEDA may take to ask for replicas: twelve polls."""

NODE_SECONDS = 300
"""Fewest seconds that a node is waited for."""

MARGIN_SECONDS = 120
"""For what is deleted, besides its own times."""

FINAL = (
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "CrashLoopBackOff",
    "RunContainerError",
)
"""Reasons of a waiting container that waiting does not change."""


def refused(endpoint: str, scaled: Object | None) -> Finding | None:
    """Why an endpoint cannot be woken by force, from its live ScaledObject; None if it can."""
    then = "nothing was woken"
    if scaled is None:
        return Finding(endpoint, "must be deployed", "no ScaledObject", then, "run `scaletozero up`")
    spec, annotations = scaled.get("spec") or {}, scaled["metadata"].get("annotations") or {}
    if spec.get("idleReplicaCount") != 0 and spec.get("minReplicaCount", 0) != 0:
        fix = "set `scaling.min` to 0, or measure its next rollout with `--watch`"
        return Finding(endpoint, "must sleep to be woken", f"min {spec['minReplicaCount']}: it never sleeps", then, fix)
    for each in PAUSES:
        if annotations.get(each, "false") != "false":
            fix = f"remove the annotation: kubectl annotate scaledobject {endpoint} {each}-"
            return Finding(endpoint, "must not be paused", f"{each}={annotations[each]}", then, fix)
    if FORCE in annotations:
        fix = f"remove the annotation: kubectl annotate scaledobject {endpoint} {FORCE}-"
        rule = "must not be kept awake by somebody else, or by a run that was killed"
        return Finding(endpoint, rule, f"{FORCE}={annotations[FORCE]}", then, fix)
    conditions = (scaled.get("status") or {}).get("conditions") or ()
    for each in conditions:
        if each.get("type") == "Ready" and each.get("status") == "False":
            fix = "repair its triggers, and see the log of KEDA's operator"
            return Finding(endpoint, "must be ready in KEDA", str(each.get("message") or each.get("reason")), then, fix)
    return None


@dataclass(frozen=True)
class WakePlan:
    """The times and the price of one wake.

    Attributes:
        replicas: how many replicas a wake starts.
        replicas_a_node: how many of them fit on a node.
        node_seconds: how long a node is waited for.
        limit_seconds: how long a wake may take until it is given up.
        after_seconds: how long its nodes stay once it is no longer kept awake.
        expected_seconds: how long a start should take.
        usd_per_hour: price of a node, of the dearest type that it may be.
    """

    replicas: int
    replicas_a_node: int
    node_seconds: int
    limit_seconds: int
    after_seconds: int
    expected_seconds: int
    usd_per_hour: Decimal

    @property
    def nodes(self) -> int:
        """Nodes of a wake."""
        return -(-self.replicas // self.replicas_a_node)

    def usd(self, seconds: float, nodes: int | None = None) -> Decimal:
        """The price of nodes for so long; of all nodes of a wake by default."""
        return exact(seconds) * (self.nodes if nodes is None else nodes) * self.usd_per_hour / 3600

    def bound(self, starts: int) -> Decimal:
        """The most that so many starts cost, in USD: each takes as long as it may."""
        return starts * self.usd(self.limit_seconds + self.after_seconds + MARGIN_SECONDS)

    def expected(self, starts: int) -> Decimal:
        """What so many starts should cost, in USD."""
        return starts * self.usd(self.expected_seconds + self.after_seconds)


def wake_plan(
    scaled: Object, deployment: Object, cold: ColdStart, pool_idle: int, a_node: int, usd_per_hour: Decimal
) -> WakePlan:
    """The times of a wake, from the live objects where those say it.

    Args:
        scaled, deployment: the endpoint's live ScaledObject and Deployment.
        cold: its budget.
        pool_idle: seconds until an empty node is removed.
        a_node: replicas that fit on a node.
        usd_per_hour: price of a node.
    """
    template = deployment["spec"]["template"]["spec"]
    probe = template["containers"][0].get("startupProbe") or {}
    startup = probe.get("initialDelaySeconds", 0) + probe.get("failureThreshold", 3) * probe.get("periodSeconds", 10)
    node = max(2 * cold.node.seconds, NODE_SECONDS)
    idle, grace = scaled["spec"].get("cooldownPeriod", 300), template.get("terminationGracePeriodSeconds", 30)
    return WakePlan(
        max(scaled["spec"].get("minReplicaCount", 0), 1),
        a_node,
        node,
        ACTIVATION_SECONDS + node + 2 * cold.pull.seconds + max(startup, cold.loading),
        idle + grace + pool_idle,
        cold.total(),
        usd_per_hour,
    )


def failure(sight: Sight, since_request: float, plan: WakePlan, known: Iterable[str]) -> str:
    """Why a wake will not succeed, as far as this can be told already; empty while it may.

    Args:
        sight: what there is.
        since_request: seconds since it was asked for.
        plan: how long it may take.
        known: uids of pods whose starts are measured.
    """
    if stopped := blocked(sight.deployment):
        return stopped
    measured = set(known)
    waiting = [each for each in sight.pods if each["metadata"]["uid"] not in measured]
    for pod in waiting:
        why = why_unready(pod)
        if why.partition(":")[0] in FINAL or "was started again" in why or "no container runs: Failed" in why:
            return why
        if why.startswith("no node has room") and since_request > plan.node_seconds + ACTIVATION_SECONDS:
            return f"{why}{_of_provisioner(pod, sight.events)}"
    if not sight.pods and since_request > ACTIVATION_SECONDS:
        return f"KEDA has asked for no replica in {since_request:.0f} s: see the log of its operator"
    if since_request > plan.limit_seconds:
        return f"not ready after {since_request:.0f} s: {next(map(why_unready, waiting), 'its replicas do not start')}"
    return ""


def _of_provisioner(pod: Object, events: Sequence[Object]) -> str:
    """What Karpenter says of a pod: the scheduler knows nothing of capacity that could not be bought."""
    said = [
        str(each.get("message", ""))
        for each in events
        if (each.get("involvedObject") or {}).get("uid") == pod["metadata"]["uid"]
        and "karpenter" in str((each.get("source") or {}).get("component") or each.get("reportingComponent"))
    ]
    return f"; Karpenter: {said[-1]}" if said else ""


@dataclass
class Meter:
    """What wakes have cost so far, from above.

    A node counts from the moment a pod waits for it until it is gone, or, if it was there before, until no pod of the
    endpoint is on it.

    Attributes:
        plan: the prices.
        usd: what it has come to.
        nodes: how many nodes are paid for now.
    """

    plan: WakePlan
    usd: Decimal = Decimal(0)
    nodes: int = 0
    _at: float | None = None
    _before: frozenset[str] | None = None
    _ours: set[str] = field(default_factory=set)

    def see(self, at: float, sight: Sight) -> None:
        """Takes in what there is at a time, in seconds."""
        there = {each["metadata"]["name"] for each in sight.nodes}
        self._before = frozenset(there) if self._before is None else self._before
        if self._at is not None:
            self.usd += self.plan.usd(at - self._at, self.nodes)
        self._at = at
        hosts = [(each.get("spec") or {}).get("nodeName") for each in sight.pods]
        self._ours |= {each for each in hosts if each and each not in self._before}
        waiting = hosts.count(None) + hosts.count("")
        hosting = {each for each in hosts if each}
        self.nodes = len(hosting | (self._ours & there)) + -(-waiting // self.plan.replicas_a_node)

    def to_sleep(self) -> Decimal:
        """What it comes to if it is let go to sleep now, in USD."""
        return self.usd + self.plan.usd(self.plan.after_seconds, self.nodes)

    def left(self, sight: Sight) -> set[str]:
        """Nodes that a wake brought and that are still there."""
        return self._ours & {each["metadata"]["name"] for each in sight.nodes}


def replicas(deployment: Mapping[str, object] | None) -> int:
    """How many replicas a Deployment is to have."""
    spec = (deployment or {}).get("spec") or {}
    assert isinstance(spec, Mapping)
    return int(spec.get("replicas", 1))
