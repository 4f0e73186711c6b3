"""Checks of capacity: whether pool, quota and cap allow the declared GPUs. Each finding has the number to write."""

from __future__ import annotations

from collections.abc import Iterator

from model_packaging.findings import Finding
from scaletozero.kubernetes.checks.pool import room_finding, type_finding
from scaletozero.kubernetes.derive import (
    GPU_COUNTS,
    Derived,
    allocatable_mib,
    gpus_bought,
    most_gpus,
    quota_replicas,
)
from scaletozero.kubernetes.manifests.scaling import awake
from scaletozero.kubernetes.model import Model
from scaletozero.settings.gpu import GpuEndpointSettings
from scaletozero.settings.gpu_types import GpuType
from scaletozero.spending.gpu_prices import cheapest, hourly

STATIC_GATE = "StaticCapacity=true"
"""Karpenter's feature gate for pools with a fixed number of nodes; alpha, and off by default (1.14)."""


def capacity_findings(settings: GpuEndpointSettings, model: Model, derived: Derived) -> Iterator[Finding]:
    """Everything about capacity."""
    yield from _pool(settings, derived)
    yield from _types(settings, model, derived)
    yield from _resources(settings, derived)
    if derived.pool and derived.types:
        yield from _limits(settings, derived)
    yield from _cap(settings, derived)
    yield from _tolerations(settings, derived)
    yield from _without_metrics(settings)
    yield from _budget(settings)


def _pool(settings: GpuEndpointSettings, derived: Derived) -> Iterator[Finding]:
    cluster, name = settings.cluster, settings.placement.pool
    known = ", ".join(pool.name for pool in cluster.pools)
    if not cluster.pools:
        yield Finding(
            "cluster.pools",
            "must have a pool of GPU nodes",
            "none",
            "no pod could ever be placed",
            "declare a GpuNodePool, and add it here",
        )
    elif derived.pool is None:
        yield Finding(
            "placement.pool" if name else "gpu.types",
            "must be a pool of the cluster" if name else "must be types of a pool of the cluster",
            name or ", ".join(settings.gpu.types or ()),
            "no pod could ever be placed",
            f"write one of: {known}",
        )
    elif derived.pool.static and cluster.nodes == "karpenter" and STATIC_GATE not in cluster.feature_gates:
        yield Finding(
            "cluster.feature_gates",
            f"must have {STATIC_GATE} for the pool {derived.pool.name}, which has a fixed number of nodes",
            ", ".join(cluster.feature_gates) or "none",
            "Karpenter would start no node of the pool",
            "turn it on in Karpenter's settings, and add it here",
        )


def _types(settings: GpuEndpointSettings, model: Model, derived: Derived) -> Iterator[Finding]:
    region, pool = settings.cluster.region, derived.pool
    needed = model.gpu_memory_mib(settings.serving.max_length)
    fitting = _fitting(settings, model, needed)
    names = ", ".join(each.name for each in fitting) or "none in the region"
    if pool and not derived.types:
        yield Finding(
            "gpu.types",
            f"must hold the model: {needed} MiB of GPU memory at compute capability {model.capability / 10}",
            f"{', '.join(pool.types)} (the pool {pool.name})",
            "the engine would run out of memory while it loads the model",
            f"add one of these types to the pool: {names}"
            if fitting
            else "lower `serving.max_length`, package the model in fewer bits, or use another region",
        )
        return
    for index, each in enumerate(derived.types if settings.gpu.types else ()):
        path = f"gpu.types.{index}"
        unused = "it would never be used as a fallback"
        yield from type_finding(path, each, region, pool, unused, f"fitting there: {names}")
        if each.capability < model.capability:
            yield Finding(
                path,
                f"must have compute capability {model.capability / 10} or higher for this artifact",
                f"{each.name} ({each.gpu}, {each.capability / 10})",
                "the engine would refuse to start",
                f"fitting there: {names}",
            )
        enough = [n for n in GPU_COUNTS if n <= each.gpus and each.gpu_memory_mib * n >= needed]
        count = min(derived.gpus, each.gpus)
        if each.gpu_memory_mib * count < needed:
            yield Finding(
                path,
                f"must hold the model: {needed} MiB of GPU memory",
                f"{each.gpu_memory_mib * count} MiB ({count} x {each.gpu})",
                "the engine would run out of memory while it loads the model",
                (f"write `gpu.count: {enough[0]}`, or " if enough else "")
                + f"lower `serving.max_length`; fitting there: {names}",
            )
        elif each.gpus < derived.gpus:
            yield Finding(
                "gpu.count",
                f"must be at most the number of GPUs of a {each.name}, {each.gpus}",
                str(derived.gpus),
                "no node could run a replica",
                f"write {enough[0] if enough else each.gpus}, or use another type",
            )


def _fitting(settings: GpuEndpointSettings, model: Model, needed: int) -> list[GpuType]:
    """The types that hold the model with the declared number of GPUs, or else with the fewest."""
    region, counts = settings.cluster.region, (settings.gpu.count,) if settings.gpu.count else GPU_COUNTS
    found = (cheapest(region, gpus=n, gpu_memory_mib=needed, capability=model.capability) for n in counts)
    return next((types for types in found if types), [])


def _resources(settings: GpuEndpointSettings, derived: Derived) -> Iterator[Finding]:
    if not derived.types:
        return
    smallest = min(derived.types, key=lambda each: each.memory_mib / each.gpus)
    share = derived.gpus / smallest.gpus
    allocatable = int(allocatable_mib(smallest) * share)
    given = settings.overrides
    if given.memory_gib and derived.memory_mib > allocatable:
        yield Finding(
            "overrides.memory_gib",
            f"must leave memory of a {smallest.name} to the system: it has "
            f"{smallest.memory_mib * share / 1024:.0f} GiB for each replica",
            str(derived.memory_mib // 1024),
            "no node could run a replica",
            f"write {int(smallest.memory_mib * share * 8 // 10 // 1024)}",
        )
    if derived.shm_mib * 2 > derived.memory_mib:
        yield Finding(
            "overrides.shm_gib",
            "must be at most half of the replica's memory, of which it is a part",
            str(derived.shm_mib // 1024),
            "the engine would run out of memory when it uses it",
            f"write {max(derived.memory_mib // 2048, 1)}",
        )
    cores = min(each.vcpus * derived.gpus / each.gpus for each in derived.types)
    if given.cpu and derived.cpu_millis > 950 * cores:
        yield Finding(
            "overrides.cpu",
            f"must leave CPU to the system: each type has {cores:g} cores for each replica",
            f"{derived.cpu_millis / 1000:g}",
            "a node could not run as many replicas as it has GPUs for",
            f"write {max(cores * 8 // 10, 0.5):g}",
        )


def _limits(settings: GpuEndpointSettings, derived: Derived) -> Iterator[Finding]:
    scaling, pool = settings.scaling, derived.pool
    assert pool
    a_node = derived.types[0]
    wanted = gpus_bought(scaling.max + scaling.buffer, derived.gpus, a_node)
    fitting = most_gpus(pool, a_node) // a_node.gpus * max(a_node.gpus // derived.gpus, 1) - scaling.buffer
    yield from room_finding(
        "scaling.max",
        pool,
        a_node,
        wanted,
        f"{scaling.max} and a buffer of {scaling.buffer}, which are {wanted} GPUs of {a_node.name}",
        f"write `max: {fitting}`, or " if fitting >= max(1, awake(settings)) else "",
    )
    quota = settings.cluster.gpu_quota.get(settings.namespace)
    counted = quota_replicas(settings, pool, scaling.max) * derived.gpus
    if quota is not None and counted > quota:
        fitting = quota // derived.gpus - (quota_replicas(settings, pool, scaling.max) - scaling.max)
        yield Finding(
            "scaling.max",
            f"must fit the namespace's quota of {quota} GPUs",
            f"{counted} GPUs with {scaling.max} replicas",
            "the last replicas would be refused",
            (f"write `max: {fitting}`, or " if fitting >= max(1, awake(settings)) else "")
            + f"raise the quota to {counted}",
        )


def _cap(settings: GpuEndpointSettings, derived: Derived) -> Iterator[Finding]:
    cap, worst = settings.scaling.cap_usd_per_hour, derived.usd_per_hour
    if cap is None or not derived.types:
        return
    if worst is None:
        unpriced = [each.name for each in derived.types if hourly(each.name, settings.cluster.region) is None]
        yield Finding(
            "scaling.cap_usd_per_hour",
            "requires a price for each type",
            ", ".join(unpriced),
            "the cost would not be bounded",
            "use other types",
        )
    elif worst > cap:
        replicas = settings.scaling.max + settings.scaling.buffer
        fitting = int(cap / (worst / replicas)) - settings.scaling.buffer
        yield Finding(
            "scaling.cap_usd_per_hour",
            "must be at least the on-demand cost of all replicas and the buffer",
            f"{cap:g}, while {replicas} nodes cost {worst:.2f}",
            "the cap could be exceeded within the hour",
            (f"write `scaling.max: {fitting}`, or " if fitting >= max(1, awake(settings)) else "")
            + f"raise the cap to {worst:.2f}",
        )


def _tolerations(settings: GpuEndpointSettings, derived: Derived) -> Iterator[Finding]:
    pool = derived.pool
    if pool is None:
        return
    taints = {(taint.key, taint.value, taint.effect) for taint in pool.taints}
    for index, toleration in enumerate(settings.placement.tolerations):
        if (toleration.key, toleration.value, toleration.effect) not in taints:
            value = f"={toleration.value}" if toleration.value else ""
            yield Finding(
                f"placement.tolerations.{index}",
                f"must match a taint of the pool {pool.name}",
                f"{toleration.key}{value}:{toleration.effect}",
                "it would have no effect there, and allow the pods on nodes of other pools",
                "remove it: the taints of the pool are tolerated already",
            )


def _without_metrics(settings: GpuEndpointSettings) -> Iterator[Finding]:
    replicas = settings.scaling.without_metrics
    if replicas is None or 0 < replicas <= settings.scaling.max:
        return
    yield Finding(
        "scaling.without_metrics",
        f"must be from 1 to `max`, {settings.scaling.max}",
        str(replicas),
        "an endpoint whose metrics cannot be read would be scaled to 0 under load"
        if not replicas
        else "KEDA would exceed the maximum",
        f"write {min(max(replicas, awake(settings)), settings.scaling.max)}, or remove the setting",
    )


def _budget(settings: GpuEndpointSettings) -> Iterator[Finding]:
    least, floor = settings.placement.min_available, awake(settings)
    if least is not None and least >= floor:
        yield Finding(
            "placement.min_available",
            f"must be below the minimum number of running replicas, {floor}",
            str(least),
            "no node with a replica on it could ever be drained",
            f"write {floor - 1}, or remove the setting"
            if floor > 1
            else "remove the setting: one pod at a time may be drained",
        )
