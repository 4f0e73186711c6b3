"""A Kubernetes cluster, as its platform team declares it or `read_cluster` finds it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Int, Later, Settings, Text, reject
from scaletozero.settings.gpu_types import GpuInstanceType
from scaletozero.settings.kubernetes_names import LABEL, Cidr, DnsLabel
from scaletozero.settings.regions import Region

GPU = "nvidia.com/gpu"
"""The name of the extended resource, and of the taint that keeps other pods off its nodes."""

_VERSION = re.compile(r"v?\d+\.\d+(\.\d+)?([-+].*)?")


def _dns_subdomain(value: str) -> str:
    if len(value) > 253 or not all(LABEL.fullmatch(part) for part in value.split(".")):
        reject(
            "must be a DNS subdomain: lowercase letters, digits and inner hyphens and dots, at most 253 characters",
            "the API server accepts no object with that name",
        )
    return value


DnsSubdomain = Annotated[Text, AfterValidator(_dns_subdomain)]
"""A name that Kubernetes accepts for most objects, including node pools."""


def _version(value: str) -> str:
    if not _VERSION.fullmatch(value):
        reject("must be a version such as 1.34 or 2.20.2")
    return value


Version = Annotated[Text, AfterValidator(_version)]
"""A version. Only its numbers are compared."""


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, for comparisons: (1, 34, 0) of `v1.34`."""
    found = [int(each) for each in re.split(r"[.+-]", version.removeprefix("v"))[:3] if each.isdigit()]
    return tuple([*found, 0, 0, 0][:3])


def positive(value: int) -> int:
    """Rejects numbers below 1."""
    if value < 1:
        reject("must be 1 or more", fix="write 1")
    return value


def not_negative(value: int) -> int:
    """Rejects numbers below 0."""
    if value < 0:
        reject("must be 0 or more", fix="write 0")
    return value


def not_empty(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Rejects an empty list."""
    if not value:
        reject("must have at least one item")
    return value


def unique(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Rejects duplicates."""
    for index, each in enumerate(value):
        if not isinstance(each, Later) and each in value[:index]:
            reject("must not be a duplicate", "the API server would refuse the object", "remove one", at=str(index))
    return value


Count = Annotated[Int, AfterValidator(positive)]
Amount = Annotated[Int, AfterValidator(not_negative)]
Seconds = Annotated[Int, AfterValidator(positive)]


def zone_findings(zones: Iterable[str], region: str, path: str) -> Iterable[Finding]:
    """The zones that are not in the region."""
    for zone in zones:
        if not re.fullmatch(rf"{region}([a-z]|-[a-z0-9-]+)", zone):
            yield Finding(
                path,
                f"must be a zone of the region, {region}",
                zone,
                "no node could be added there, or data would leave the region",
                f"write a zone such as {region}a",
            )


_QUALIFIED = (
    r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
)
"""A taint's key and value, as in the schema of a NodePool."""


class Taint(Settings):
    """A taint, which keeps pods that do not tolerate it off a pool's nodes."""

    key: Annotated[Text, Field(pattern=f"^{_QUALIFIED}$")]
    value: Annotated[str, Field(pattern=f"^({_QUALIFIED})?$")] = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"


class Pool(Settings):
    """A pool of GPU nodes.

    Attributes:
        name: name of the NodePool or of the managed node group.
        types: instance types of the pool.
        max_gpus: maximum number of GPUs; 0 if the pool is paused.
        zones: Availability Zones; empty for all zones of the region.
        taints: taints of the nodes.
        static: number of nodes that always run; None if nodes are added and removed with the demand.
        warm: number of stopped instances in the warm pool of a managed node group.
        reserved: whether the pool uses reserved capacity.
        termination_grace_seconds: time after which a draining node is terminated; None if it waits for its pods.
        idle_seconds: time after which an empty node is removed.
        cached_image: whether nodes start with the serving image on their disk.
        parallel_pull: whether nodes pull and unpack the layers of an image in parallel.
    """

    name: DnsSubdomain
    types: Annotated[tuple[GpuInstanceType, ...], AfterValidator(not_empty), AfterValidator(unique)]
    max_gpus: Amount
    zones: Annotated[tuple[Text, ...], AfterValidator(unique)] = ()
    taints: Annotated[tuple[Taint, ...], AfterValidator(unique)] = (Taint(key=GPU),)
    static: Count | None = None
    warm: Amount = 0
    reserved: bool = False
    termination_grace_seconds: Amount | None = None
    idle_seconds: Amount = 300
    cached_image: bool = False
    parallel_pull: bool = False


class Proxy(Settings):
    """A proxy between the client and the interceptor, and how long it waits for the first byte of a response."""

    name: Text
    timeout_seconds: Seconds


class Prometheus(Settings):
    """The Prometheus server that KEDA queries; `amp_region` if it is Amazon Managed Service for Prometheus."""

    address: Annotated[Text, Field(pattern=r"^https?://[^\s/]+(/\S*)?$")]
    amp_region: Region | None = None


class Cluster(Settings):
    """A cluster.

    Attributes:
        name: name of the EKS cluster.
        region: region of the cluster.
        version: version of Kubernetes.
        nodes: what adds nodes.
        karpenter, keda, http_addon: versions; None if not installed.
        feature_gates: feature gates of Karpenter that are on.
        crds: names of the custom resource definitions, such as `scaledobjects.keda.sh`.
        pools: pools of GPU nodes.
        namespaces: names of the namespaces; None if they are not known.
        services: namespace -> the names of its services.
        gpu_quota: namespace -> the `requests.nvidia.com/gpu` of its ResourceQuota.
        route: proxies between the client and the interceptor, from the outside in.
        endpoint_picker_ttl_seconds: time that an endpoint picker holds a request; None if there is no picker.
        prometheus: the Prometheus server that KEDA queries.
        s3_cidrs: networks of S3, the only ones that pods may reach besides DNS and Pod Identity.
        cdi: whether containers get their GPUs through CDI, whose hook needs a writable root file system.
        keda_namespace, monitoring_namespace: namespaces of KEDA with its add-on, and of Prometheus.
    """

    name: Annotated[Text, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
    region: Region
    version: Version = "1.34"
    nodes: Literal["karpenter", "auto-mode", "managed"] = "karpenter"
    karpenter: Version | None = None
    feature_gates: tuple[Text, ...] = ()
    keda: Version | None = None
    http_addon: Version | None = None
    crds: tuple[Text, ...] = ()
    pools: tuple[Pool, ...] = ()
    namespaces: tuple[DnsLabel, ...] | None = None
    services: dict[DnsLabel, tuple[DnsLabel, ...]] = Field(default_factory=dict)
    gpu_quota: dict[DnsLabel, Amount] = Field(default_factory=dict)
    route: tuple[Proxy, ...] = ()
    endpoint_picker_ttl_seconds: Seconds | None = None
    prometheus: Prometheus | None = None
    s3_cidrs: tuple[Cidr, ...] = ()
    cdi: bool = False
    keda_namespace: DnsLabel = "keda"
    monitoring_namespace: DnsLabel = "monitoring"

    def conflicts(self) -> Iterable[Finding]:
        for index, pool in enumerate(self.pools):
            yield from zone_findings(pool.zones, self.region, f"pools.{index}.zones")
        names = [pool.name for pool in self.pools]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield Finding("pools", "must have different names", name, "one of them would be ignored")

    def pool(self, name: str) -> Pool | None:
        """The pool of that name."""
        return next((pool for pool in self.pools if pool.name == name), None)
