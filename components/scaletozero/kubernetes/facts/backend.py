"""By which means nodes are kept warm, and why that one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model_packaging.findings import Finding
from scaletozero.settings.cluster import Cluster, Pool, numbers

Kind = Literal["buffer", "placeholder", "static", "managed"]
Asked = Literal["auto", "buffer", "placeholder", "static", "managed"]

BUFFER_CRD = "capacitybuffers.autoscaling.x-k8s.io"
BUFFER_KARPENTER = "1.14"
"""The first Karpenter that serves CapacityBuffer as v1beta1."""


@dataclass(frozen=True)
class Backend:
    """How, and why."""

    kind: Kind
    reason: str


def choose_backend(cluster: Cluster, pool: Pool | None, asked: Asked = "auto", *, scheduled: bool = False) -> Backend:
    """What `auto` means on this cluster, or what was asked for.

    Args:
        cluster: the cluster.
        pool: the pool that is kept warm.
        asked: the declaration's word.
        scheduled: whether it is kept warm in windows only.
    """
    if asked != "auto":
        return Backend(asked, "it was asked for")
    if pool and pool.static is not None:
        return Backend("static", f"the pool {pool.name} always runs {pool.static} nodes, which are paid for anyway")
    if cluster.nodes == "managed" and not scheduled:
        return Backend("managed", "a managed node group has a warm pool of its own, which costs no running instance")
    if scheduled:
        return Backend("placeholder", "KEDA can scale placeholder pods by the clock, and nothing else")
    if why := buffer_missing(cluster):
        return Backend("placeholder", f"it works on every cluster; a CapacityBuffer does not here: {why}")
    return Backend("buffer", "Karpenter keeps the room itself, with no pods, and says when it is there")


def buffer_missing(cluster: Cluster) -> str:
    """Why there can be no CapacityBuffer; "" where there can."""
    if cluster.nodes != "karpenter":
        return "only Karpenter has them"
    if cluster.karpenter is None or numbers(cluster.karpenter) < numbers(BUFFER_KARPENTER):
        return f"Karpenter is {cluster.karpenter or 'not installed'}, and {BUFFER_KARPENTER} is the first with them"
    if "CapacityBuffer=true" not in cluster.feature_gates:
        return "Karpenter's feature gate CapacityBuffer is off"
    if BUFFER_CRD not in cluster.crds:
        return f"the cluster has no {BUFFER_CRD}"
    return ""


def backend_findings(
    cluster: Cluster, pool: Pool | None, asked: Asked, path: str, *, replicas: int, scheduled: bool = False
) -> list[Finding]:
    """Whether the means that was asked for, or chosen, can keep so much warm here."""
    kind = choose_backend(cluster, pool, asked, scheduled=scheduled).kind
    auto = "write `auto`"
    if kind == "buffer" and (why := buffer_missing(cluster)):
        return [Finding(path, "must exist on the cluster", f"buffer: {why}", "nothing would be kept warm", auto)]
    if kind != "placeholder" and scheduled:
        rigid = "nothing can scale a CapacityBuffer" if kind == "buffer" else "the pool keeps as many at all times"
        fix = "remove the schedule" if pool and pool.static is not None else auto
        return [Finding(path, "cannot follow a schedule", kind, rigid, fix)]
    if kind == "managed" and cluster.nodes != "managed":
        got = f"managed, on {cluster.nodes}"
        return [Finding(path, "is for managed node groups", got, "nothing would be kept warm", auto)]
    if kind in ("static", "managed") and pool:
        there = (pool.static if kind == "static" else pool.warm) or 0
        field = "static" if kind == "static" else "warm"
        if there < replicas:
            return [
                Finding(
                    path,
                    f"must be kept by the pool {pool.name} itself: {replicas} nodes at least",
                    f"{there} nodes (`{field}`)",
                    "less would be kept warm than was declared",
                    f"write `{field}: {replicas}` at the pool",
                )
            ]
    return []
