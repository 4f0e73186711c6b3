"""The settings of GPU nodes that are kept warm for an endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator

from model_packaging.findings import Finding
from model_packaging.validation import Settings
from scaletozero.settings.cluster import Amount, Cluster, Count, DnsLabel, DnsSubdomain, Taint, not_empty, unique
from scaletozero.settings.gpu import date_findings
from scaletozero.settings.gpu_types import GpuInstanceType
from scaletozero.settings.pinned_images import Image, image_region
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import within
from scaletozero.settings.schedules import Window, window_findings


class GpuWarmPoolSettings(Settings):
    """The settings of `GpuWarmPoolArgs`.

    Attributes:
        cluster: the cluster.
        namespace: namespace of the endpoint.
        endpoint: name of the Deployment for which nodes are kept ready.
        image: serving image of the endpoint. Placeholders pull it, so that it is on the node when a replica starts.
        pool: name of the pool that its pods run on.
        types, gpus, cpu_millis, memory_mib: what a replica requests.
        tolerations: taints that its pods tolerate, besides those of the pool.
        replicas: number of further replicas for which nodes are always ready.
        schedule: windows in which nodes for more replicas are ready.
        backend: how the nodes are kept ready; `auto` chooses the means that fits the cluster.
        residency: regions that the nodes and the image may be in. Default: any region.
    """

    cluster: Cluster
    namespace: DnsLabel
    endpoint: DnsLabel
    image: Image
    pool: DnsSubdomain
    types: Annotated[tuple[GpuInstanceType, ...], AfterValidator(not_empty), AfterValidator(unique)]
    gpus: Count
    cpu_millis: Count
    memory_mib: Count
    tolerations: tuple[Taint, ...] = ()
    replicas: Amount = 0
    schedule: tuple[Window, ...] = ()
    backend: Literal["auto", "buffer", "placeholder", "static", "managed"] = "auto"
    residency: tuple[Region, ...] = ()

    @property
    def most(self) -> int:
        """The maximum number of replicas for which nodes are ever ready."""
        return max([self.replicas, *(window.min for window in self.schedule)])

    def conflicts(self) -> Iterable[Finding]:
        for found in self.cluster.conflicts():
            yield replace(found, path=f"cluster.{found.path}")
        yield from within(self.residency, self.cluster.region, "cluster.region")
        if where := image_region(self.image):
            yield from within(self.residency, where, "image")
        yield from window_findings(self.schedule, floor=self.replicas, ceiling=1000, unit="replicas")
        yield from date_findings(self.schedule)
        if not self.replicas and not self.schedule:
            yield Finding("replicas", "must be 1 or more without a schedule", "0", "nothing would be kept warm")
        if self.cluster.pool(self.pool) is None:
            known = ", ".join(pool.name for pool in self.cluster.pools) or "none"
            yield Finding(
                "pool",
                "must be a pool of the cluster",
                self.pool,
                "no node would be kept warm",
                f"write one of: {known}",
            )
