"""Checks of a warm pool: whether its nodes can be provided, and its objects created."""

from __future__ import annotations

from collections.abc import Iterator

from model_packaging.findings import Finding
from scaletozero.kubernetes.checks.cluster import crd_findings, crds_wanted, namespace_findings, version_findings
from scaletozero.kubernetes.checks.name import name_findings
from scaletozero.kubernetes.checks.pool import room_finding, type_finding
from scaletozero.kubernetes.derive import allocatable_mib, gpus_bought, most_gpus
from scaletozero.kubernetes.facts.backend import Backend
from scaletozero.settings.gpu_types import TYPES
from scaletozero.settings.gpu_warm_pool import GpuWarmPoolSettings


def warm_findings(name: str, settings: GpuWarmPoolSettings, backend: Backend) -> Iterator[Finding]:
    """Everything about a warm pool except its means."""
    yield from name_findings(name)
    if name == settings.endpoint:
        yield Finding(
            "name",
            "must not be the endpoint's own",
            name,
            "its Deployment would replace the endpoint's",
            "write another name",
        )
    yield from namespace_findings(settings.cluster, settings.namespace)
    if settings.schedule and backend.kind == "placeholder":
        yield from version_findings(settings.cluster, http=False)
        yield from crd_findings(
            settings.cluster, crds_wanted(http=False, monitoring=False, signed_metrics=False, buffer=False)
        )
    yield from _types(settings)
    if backend.kind in ("buffer", "placeholder"):
        yield from _limits(settings, backend)


def _types(settings: GpuWarmPoolSettings) -> Iterator[Finding]:
    region, pool = settings.cluster.region, settings.cluster.pool(settings.pool)
    for index, each in enumerate(TYPES[name] for name in settings.types):
        yield from type_finding(f"types.{index}", each, region, pool, "no such node would be kept warm")
        if settings.gpus > each.gpus:
            rule, fix = f"must be at most the number of GPUs of a {each.name}, {each.gpus}", f"write {each.gpus}"
            yield Finding("gpus", rule, str(settings.gpus), "no node could run a replica", fix)
        share = min(settings.gpus / each.gpus, 1)
        for field, whole, most in (
            ("cpu_millis", each.vcpus * 1000, each.vcpus * 950),
            ("memory_mib", each.memory_mib, allocatable_mib(each)),
        ):
            if (given := getattr(settings, field)) > most * share:
                yield Finding(
                    field,
                    f"must be at most the share of a replica in a {each.name}, {int(most * share)}",
                    str(given),
                    "a node could not run as many replicas as it has GPUs for",
                    f"write {int(whole * share * 8 // 10)} or less",
                )


def _limits(settings: GpuWarmPoolSettings, backend: Backend) -> Iterator[Finding]:
    pool, most = settings.cluster.pool(settings.pool), settings.most
    path = "replicas" if most == settings.replicas else "schedule"
    if pool:
        wanted = {name: gpus_bought(most, settings.gpus, TYPES[name]) for name in settings.types}
        worst = max(settings.types, key=lambda name: wanted[name] - most_gpus(pool, TYPES[name]))
        got = f"{most} replicas, which are {wanted[worst]} GPUs of {worst}"
        yield from room_finding(path, pool, TYPES[worst], wanted[worst], got, "write less, or ")
    quota = settings.cluster.gpu_quota.get(settings.namespace)
    # A CapacityBuffer has no pods.
    if backend.kind == "placeholder" and quota is not None and most * settings.gpus > quota:
        yield Finding(
            path,
            f"must fit the namespace's quota of {quota} GPUs",
            f"{most * settings.gpus} GPUs with {most} replicas",
            "the last replicas would be refused",
            f"write less, or raise the quota to {most * settings.gpus}",
        )
