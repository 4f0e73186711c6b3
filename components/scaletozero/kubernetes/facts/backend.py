"""How nodes are kept warm, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model_packaging.findings import Finding
from scaletozero.settings.cluster import Cluster, Pool, numbers

Kind = Literal["buffer", "placeholder", "static", "managed"]
Asked = Literal["auto", "buffer", "placeholder", "static", "managed"]

BUFFER_CRD = "capacitybuffers.autoscaling.x-k8s.io"
BUFFER_KARPENTER = "1.14"
"""The first version of Karpenter that serves CapacityBuffer as v1beta1."""


@dataclass(frozen=True)
class Backend:
    """How nodes are kept warm, and why."""

    kind: Kind
    reason: str


def choose_backend(cluster: Cluster, pool: Pool | None, asked: Asked = "auto", *, scheduled: bool = False) -> Backend:
    """The means that `auto` selects on this cluster, or the declared one.

    Args:
        cluster: the cluster.
        pool: the pool of the nodes.
        asked: the declared value.
        scheduled: whether there is a schedule.
    """
    if asked != "auto":
        return Backend(asked, "it was declared")
    if pool and pool.static is not None:
        return Backend("static", f"the pool {pool.name} always runs {pool.static} nodes")
    if cluster.nodes == "managed" and not scheduled:
        return Backend("managed", "a managed node group has its own warm pool, which needs no running instance")
    if scheduled:
        return Backend("placeholder", "only placeholders can follow a schedule")
    if why := buffer_missing(cluster):
        return Backend("placeholder", f"it works on every cluster, and a CapacityBuffer does not work here: {why}")
    return Backend("buffer", "Karpenter keeps the capacity ready itself, without pods")


def buffer_missing(cluster: Cluster) -> str:
    """Why the cluster cannot have a CapacityBuffer; "" if it can."""
    if cluster.nodes != "karpenter":
        return "it requires Karpenter"
    if cluster.karpenter is None or numbers(cluster.karpenter) < numbers(BUFFER_KARPENTER):
        return f"Karpenter is {cluster.karpenter or 'not installed'}, and it requires {BUFFER_KARPENTER}"
    if "CapacityBuffer=true" not in cluster.feature_gates:
        return "Karpenter's feature gate CapacityBuffer is off"
    if BUFFER_CRD not in cluster.crds:
        return f"the cluster has no {BUFFER_CRD}"
    return ""


def backend_findings(
    cluster: Cluster, pool: Pool | None, asked: Asked, path: str, *, replicas: int, scheduled: bool = False
) -> list[Finding]:
    """Whether the declared or selected means can keep that many nodes warm on the cluster."""
    kind = choose_backend(cluster, pool, asked, scheduled=scheduled).kind
    auto = "write `auto`"
    if kind == "buffer" and (why := buffer_missing(cluster)):
        return [Finding(path, "must be available on the cluster", f"buffer: {why}", "nothing would be kept warm", auto)]
    if kind != "placeholder" and scheduled:
        rigid = "a CapacityBuffer cannot be scaled" if kind == "buffer" else "the pool has a constant number of nodes"
        fix = "remove the schedule" if pool and pool.static is not None else auto
        return [Finding(path, "cannot follow a schedule", kind, rigid, fix)]
    if kind == "managed" and cluster.nodes != "managed":
        got = f"managed, on {cluster.nodes}"
        return [Finding(path, "requires managed node groups", got, "nothing would be kept warm", auto)]
    if kind in ("static", "managed") and pool:
        there = (pool.static if kind == "static" else pool.warm) or 0
        field = "static" if kind == "static" else "warm"
        if there < replicas:
            return [
                Finding(
                    path,
                    f"must be at least {replicas} nodes that the pool {pool.name} keeps itself",
                    f"{there} nodes (`{field}`)",
                    "fewer nodes would be kept warm than declared",
                    f"write `{field}: {replicas}` in the pool",
                )
            ]
    return []
