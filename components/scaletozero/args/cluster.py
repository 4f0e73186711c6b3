"""The arguments that the components on Kubernetes share: a cluster, its pools, a taint."""

from enum import StrEnum
from typing import NotRequired, TypedDict


class NodeProvider(StrEnum):
    """Who brings nodes."""

    KARPENTER = "karpenter"
    """Karpenter, installed by the platform team."""
    AUTO_MODE = "auto-mode"
    """EKS Auto Mode."""
    MANAGED = "managed"
    """Managed node groups with Cluster Autoscaler."""


class TaintEffect(StrEnum):
    """What a taint does to pods that don't tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    """They are not placed there."""
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    """They are placed elsewhere if they can be."""
    NO_EXECUTE = "NoExecute"
    """They are removed from there."""


class WarmBackend(StrEnum):
    """By which means nodes are kept warm."""

    AUTO = "auto"
    """What fits the cluster; it says why."""
    BUFFER = "buffer"
    """A CapacityBuffer of Karpenter's."""
    PLACEHOLDER = "placeholder"
    """Pods of a low priority that hold the nodes."""
    STATIC = "static"
    """A pool whose nodes always run."""
    MANAGED = "managed"
    """The warm pool of a managed node group."""


class TaintArgs(TypedDict):
    """What keeps pods that don't tolerate it off a node."""

    key: str
    """Its key."""
    value: NotRequired[str]
    """Its value; empty unless given."""
    effect: NotRequired[TaintEffect]
    """What it does; NoSchedule unless given."""


class PoolArgs(TypedDict):
    """A pool of GPU nodes."""

    name: str
    """Of the NodePool or the managed node group."""
    types: list[str]
    """The instance types that it may buy."""
    max_gpus: int
    """Its limit of GPUs."""
    zones: NotRequired[list[str]]
    """Where it may buy them; anywhere in the region unless given."""
    taints: NotRequired[list[TaintArgs]]
    """Of its nodes; `nvidia.com/gpu` unless given."""
    static: NotRequired[int]
    """How many nodes always run."""
    warm: NotRequired[int]
    """How many nodes a managed node group's warm pool keeps."""
    reserved: NotRequired[bool]
    """Whether it runs on reserved capacity."""
    termination_grace_seconds: NotRequired[int]
    """After which a draining node is gone."""
    idle_seconds: NotRequired[int]
    """How long an empty node stays."""
    cached_image: NotRequired[bool]
    """Whether its nodes start with the serving image on their disk."""


class HopArgs(TypedDict):
    """Something between the client and the interceptor."""

    name: str
    """Its name."""
    timeout_seconds: int
    """How long it lets a request wait for its first byte."""


class PrometheusArgs(TypedDict):
    """Where KEDA asks for metrics."""

    address: str
    """Its address."""
    amp_region: NotRequired[str]
    """The region, where it is Amazon Managed Prometheus."""


class ClusterArgs(TypedDict):
    """A cluster, as it is."""

    name: str
    """Of the EKS cluster."""
    region: str
    """Its region."""
    version: NotRequired[str]
    """Of Kubernetes; 1.34 unless given."""
    nodes: NotRequired[NodeProvider]
    """Who brings its nodes; Karpenter unless given."""
    karpenter: NotRequired[str]
    """The version of Karpenter."""
    feature_gates: NotRequired[list[str]]
    """Karpenter's feature gates that are on, such as `CapacityBuffer=true`."""
    keda: NotRequired[str]
    """The version of KEDA."""
    http_addon: NotRequired[str]
    """The version of KEDA's HTTP add-on."""
    crds: NotRequired[list[str]]
    """Names of the custom resources there are."""
    pools: NotRequired[list[PoolArgs]]
    """Its pools of GPU nodes."""
    namespaces: NotRequired[list[str]]
    """Its namespaces; not checked unless given."""
    services: NotRequired[dict[str, list[str]]]
    """Namespace to the services in it."""
    gpu_quota: NotRequired[dict[str, int]]
    """Namespace to the GPUs of its quota."""
    route: NotRequired[list[HopArgs]]
    """What lies between the client and the interceptor."""
    endpoint_picker_ttl_seconds: NotRequired[int]
    """How long an endpoint picker holds a request, where there is one."""
    prometheus: NotRequired[PrometheusArgs]
    """Where KEDA asks for metrics."""
    s3_cidrs: NotRequired[list[str]]
    """The networks in which S3 answers."""
    cdi: NotRequired[bool]
    """Whether GPUs are handed to containers by CDI."""
    keda_namespace: NotRequired[str]
    """Where KEDA and its add-on run; `keda` unless given."""
    monitoring_namespace: NotRequired[str]
    """Where Prometheus runs; `monitoring` unless given."""
