"""Checks of a pool of nodes: whether it has the declared instance types, and room for what runs on it."""

from __future__ import annotations

from collections.abc import Iterator

from model_packaging.findings import Finding
from scaletozero.kubernetes.derive import most_gpus
from scaletozero.settings.cluster import Pool
from scaletozero.settings.gpu_types import GpuType
from scaletozero.spending.gpu_prices import offer_finding


def room_finding(path: str, pool: Pool, each: GpuType, wanted: int, got: str, lower: str = "") -> Iterator[Finding]:
    """The finding about GPUs that the pool cannot provide, if there is one.

    Args:
        path: path of the declared value.
        pool: the pool.
        each: the instance type of its nodes.
        wanted: number of GPUs, in whole nodes.
        got: the declared value, in words.
        lower: how to request less; the beginning of the fix.
    """
    most = most_gpus(pool, each)
    if wanted <= most:
        return
    more = f"raise the pool's limit to {wanted}"
    if pool.static is not None and most < pool.max_gpus:
        more = f"raise the pool's `static` to {-(-wanted // each.gpus)}"
        if wanted > pool.max_gpus:
            more += f", and its limit to {wanted}"
    yield Finding(
        path,
        f"must fit the pool {pool.name}: its limit is {most} GPUs"
        if most == pool.max_gpus
        else f"must fit the pool {pool.name}: it always has {pool.static} nodes, {most} GPUs",
        got,
        "the last replicas would stay Pending",
        lower + more,
    )


def type_finding(
    path: str, each: GpuType, region: str, pool: Pool | None, consequence: str, instead: str = "write another type"
) -> Iterator[Finding]:
    """The finding about a type that is not offered in the region, or that the pool does not have, if there is one.

    Args:
        path: path of the type.
        each: the type.
        region: region of the cluster.
        pool: the pool; None if it is unknown.
        consequence: what would happen if the pool does not have the type.
        instead: what to write if the region does not have it.
    """
    if unoffered := offer_finding(each.name, region, path, instead):
        yield unoffered
    elif pool and each.name not in pool.types:
        rule = f"must be a type of the pool {pool.name}"
        fix = f"add it to the pool, or write one of {', '.join(pool.types)}"
        yield Finding(path, rule, each.name, consequence, fix)
