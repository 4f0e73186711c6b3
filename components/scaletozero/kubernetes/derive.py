"""Values that follow from a declaration, a model and a cluster: GPUs, types, memory, deadlines, surge, price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model_packaging.findings import Finding
from scaletozero.cold_start.figures import STREAMS
from scaletozero.cold_start.predict import filling_streams
from scaletozero.cold_start.remembered import Served, Start, recall
from scaletozero.kubernetes.cold_start import ColdStart, Deadlines, cold_start, deadlines
from scaletozero.kubernetes.facts.backend import choose_backend
from scaletozero.kubernetes.model import Model
from scaletozero.settings.cluster import Pool
from scaletozero.settings.gpu import GpuEndpointSettings
from scaletozero.settings.gpu_types import TYPES, GpuType
from scaletozero.spending.gpu_prices import cheapest, hourly

_ALLOCATABLE = 0.925
"""Of an instance's memory, the part that Karpenter counts with (its default `vmMemoryOverheadPercent`, 0.075)."""
_RESERVED_MIB = 1024
"""Memory that the kubelet keeps: 255 MiB, 11 for each pod that fits, and 100 for eviction (EKS's defaults)."""

_USABLE = 0.8
"""The usable part of an instance's CPU and memory: kubelet, system and daemons need the rest."""

GPU_COUNTS = (1, 2, 4, 8)
"""Possible numbers of GPUs of a replica: they divide the attention heads of nearly every model evenly."""


@dataclass(frozen=True)
class Derived:
    """Values that were not declared.

    Attributes:
        pool: the pool of nodes; None if no pool fits.
        gpus: number of GPUs of a replica.
        types: instance types in order of preference; empty if none fits.
        cpu_millis, memory_mib, shm_mib: CPU and memory of a replica.
        streams: reads from S3 at a time for each GPU, while weights are loaded.
        cold, deadlines: see each.
        surge: whether a rollout may run one replica more than `max`.
        waits: whether a new replica of a rollout may have to wait until an old one has drained.
        usd_per_hour: maximum on-demand price, in USD per hour; None without a price.
        stale: the finding on measured starts that are of something else; None otherwise.
    """

    pool: Pool | None
    gpus: int
    types: tuple[GpuType, ...]
    cpu_millis: int
    memory_mib: int
    shm_mib: int
    streams: int
    cold: ColdStart
    deadlines: Deadlines
    surge: bool
    waits: bool
    usd_per_hour: float | None
    stale: Finding | None = None


def derive(settings: GpuEndpointSettings, model: Model, starts: Sequence[Start] = ()) -> Derived:
    """Derives the values. It never fails: what does not fit is omitted, and reported by the checks.

    Args:
        settings: the endpoint.
        model: its packaged model.
        starts: its measured starts.
    """
    cluster = settings.cluster
    pool = pool_of(settings, model)
    gpus, types = _gpus(settings, model, pool)
    cpu_millis, memory_mib = share(gpus, types)
    given = settings.overrides
    served = Served(cluster.region, tuple(each.name for each in types), settings.image, model.digest)
    recalled = recall(starts, served)
    cold = cold_start(settings, model.weights_bytes, cluster, pool, recalled)
    worst = [row.usd for each in types if (row := hourly(each.name, cluster.region))]
    replicas, cap = settings.scaling.max + settings.scaling.buffer, settings.scaling.cap_usd_per_hour
    within = cap is None or not worst or (replicas + 1) * max(worst) <= cap
    surge = within and _fits(settings, pool, gpus, types, settings.scaling.max + 1)
    # The Deployment does not count terminating replicas: it starts the second new one while the first old one drains.
    most = settings.scaling.max
    waits = not surge or (most > 1 and not _fits(settings, pool, gpus, types, 2 * most))
    return Derived(
        pool=pool,
        gpus=gpus,
        types=types,
        cpu_millis=int(given.cpu * 1000) if given.cpu else cpu_millis,
        memory_mib=given.memory_gib * 1024 if given.memory_gib else memory_mib,
        shm_mib=(given.shm_gib or 2 * gpus) * 1024,
        streams=_streams(settings, gpus, types),
        cold=cold,
        deadlines=deadlines(settings, cold, surge=surge, waits=waits),
        surge=surge,
        waits=waits,
        usd_per_hour=round(replicas * max(worst), 6) if len(worst) == len(types) and worst else None,
        stale=recalled.stale,
    )


def _streams(settings: GpuEndpointSettings, gpus: int, types: tuple[GpuType, ...]) -> int:
    """The declared number, or as many as fill the fastest network that a replica may get."""
    if settings.serving.streams:
        return settings.serving.streams
    filled = [found for each in types if (found := filling_streams(each.name))]
    return -(-max(filled, default=STREAMS) // gpus)


def share(gpus: int, types: tuple[GpuType, ...]) -> tuple[int, int]:
    """CPU in thousandths of a core, and memory in MiB, of a replica on the smallest of the types."""
    memory = min((gpus / each.gpus * each.memory_mib for each in types), default=0) * _USABLE
    cores = min((gpus / each.gpus * each.vcpus for each in types), default=0) * _USABLE
    return int(cores * 10) * 100, int(memory) // 1024 * 1024


def pool_of(settings: GpuEndpointSettings, model: Model) -> Pool | None:
    """The named pool, or the first pool that has one of the declared types, or a type that holds the model.

    If no pool has a type that holds the model, it is the first pool, and the checks report it.
    """
    pools = settings.cluster.pools
    if settings.placement.pool:
        return settings.cluster.pool(settings.placement.pool)
    if wanted := set(settings.gpu.types or ()):
        return next((pool for pool in pools if wanted & set(pool.types)), None)
    return next((pool for pool in pools if _gpus(settings, model, pool)[1]), pools[0] if pools else None)


def _gpus(settings: GpuEndpointSettings, model: Model, pool: Pool | None) -> tuple[int, tuple[GpuType, ...]]:
    region, needed = settings.cluster.region, model.gpu_memory_mib(settings.serving.max_length)
    counts = (settings.gpu.count,) if settings.gpu.count else GPU_COUNTS
    if settings.gpu.types:
        types = tuple(TYPES[name] for name in settings.gpu.types)
        fitting = (n for n in counts if all(each.gpu_memory_mib * n >= needed for each in types))
        return next(fitting, counts[-1]), types
    buyable = set(pool.types) if pool else set()
    for count in counts:
        found = cheapest(region, gpus=count, gpu_memory_mib=needed, capability=model.capability)
        if kept := tuple(each for each in found if each.name in buyable):
            return count, kept
    return counts[0], ()


def gpus_bought(replicas: int, gpus: int, each: GpuType) -> int:
    """The number of GPUs of all nodes that `replicas` need."""
    a_node = max(each.gpus // gpus, 1)
    return -(-replicas // a_node) * each.gpus


def allocatable_mib(each: GpuType) -> int:
    """Memory of an instance that pods can request, in MiB."""
    return int(each.memory_mib * _ALLOCATABLE) - _RESERVED_MIB


def most_gpus(pool: Pool, each: GpuType) -> int:
    """The maximum number of GPUs of the pool with nodes of a type, also if its number of nodes is fixed."""
    return pool.max_gpus if pool.static is None else min(pool.max_gpus, pool.static * each.gpus)


def quota_replicas(settings: GpuEndpointSettings, pool: Pool | None, replicas: int) -> int:
    """The number of pods that count against the namespace's quota, including placeholders."""
    kind = choose_backend(settings.cluster, pool, settings.scaling.buffer_by).kind
    placeholders = settings.scaling.buffer and kind == "placeholder"
    return replicas + (settings.scaling.buffer if placeholders else 0)


def _fits(
    settings: GpuEndpointSettings, pool: Pool | None, gpus: int, types: tuple[GpuType, ...], replicas: int
) -> bool:
    if not pool or not types:
        return False
    quota = settings.cluster.gpu_quota.get(settings.namespace)
    in_quota = quota is None or quota_replicas(settings, pool, replicas) * gpus <= quota
    wanted = gpus_bought(replicas + settings.scaling.buffer, gpus, types[0])
    return in_quota and wanted <= most_gpus(pool, types[0])
