"""Whether a pool of nodes has room for what is declared to run on it."""

from __future__ import annotations

from collections.abc import Iterator

from model_packaging.findings import Finding
from scaletozero.kubernetes.derive import most_gpus
from scaletozero.settings.cluster import Pool
from scaletozero.settings.gpu_types import GpuType


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
