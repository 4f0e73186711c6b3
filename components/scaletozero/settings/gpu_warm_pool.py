"""What a user may declare of GPU nodes that are kept warm for one endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator

from model_packaging.findings import Finding
from model_packaging.validation import Settings
from scaletozero.settings.cluster import Amount, Cluster, Count, DnsLabel, DnsSubdomain, Taint, not_empty, unique
from scaletozero.settings.gpu import Image, date_findings
from scaletozero.settings.gpu_types import GpuInstanceType
from scaletozero.settings.schedules import Window, window_findings


class GpuWarmPoolSettings(Settings):
    """`GpuWarmPoolArgs`.

    Attributes:
        cluster: the cluster.
        namespace: the endpoint's.
        endpoint: the name of the Deployment that the nodes are kept for.
        image: what it runs; placeholders pull it, so that it is there when a node is taken over.
        pool: the pool that its pods run on.
        types, gpus, cpu_millis, memory_mib: what one of its replicas asks for.
        tolerations: what its pods tolerate besides the pool's own taints.
        replicas: how many more replicas there is always room for.
        schedule: windows in which there is room for more.
        backend: by which means; `auto` chooses, and says why.
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

    @property
    def most(self) -> int:
        """The most replicas that there is ever room for."""
        return max([self.replicas, *(window.min for window in self.schedule)])

    def conflicts(self) -> Iterable[Finding]:
        for found in self.cluster.conflicts():
            yield replace(found, path=f"cluster.{found.path}")
        yield from window_findings(self.schedule, floor=self.replicas, ceiling=1000, unit="replicas")
        yield from date_findings(self.schedule)
        if not self.replicas and not self.schedule:
            yield Finding("replicas", "must be 1 or more without a schedule", "0", "nothing would be kept warm")
        if self.cluster.pool(self.pool) is None:
            known = ", ".join(pool.name for pool in self.cluster.pools) or "none"
            yield Finding("pool", "must be a pool of the cluster", self.pool, "other nodes would be warm", known)
