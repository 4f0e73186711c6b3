"""The arguments that the components on Kubernetes share: a cluster, its pools, a taint."""

from enum import StrEnum
from typing import NotRequired, TypedDict


class NodeProvider(StrEnum):
    """What adds nodes to a cluster."""

    KARPENTER = "karpenter"
    """Karpenter, installed by the platform team."""
    AUTO_MODE = "auto-mode"
    """EKS Auto Mode."""
    MANAGED = "managed"
    """Managed node groups with Cluster Autoscaler."""


class TaintEffect(StrEnum):
    """The effect of a taint on pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    """They are not scheduled on the node."""
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    """They are scheduled on other nodes if possible."""
    NO_EXECUTE = "NoExecute"
    """They are not scheduled on the node, and evicted from it."""


class WarmBackend(StrEnum):
    """How nodes are kept warm."""

    AUTO = "auto"
    """The means that fits the cluster; preview shows which, and why."""
    BUFFER = "buffer"
    """A CapacityBuffer of Karpenter."""
    PLACEHOLDER = "placeholder"
    """Pods of low priority that hold the nodes."""
    STATIC = "static"
    """A pool whose nodes always run."""
    MANAGED = "managed"
    """The warm pool of a managed node group."""


class TaintArgs(TypedDict):
    """A taint, which keeps pods that do not tolerate it off a node."""

    key: str
    """The key."""
    value: NotRequired[str]
    """The value. Default: empty."""
    effect: NotRequired[TaintEffect]
    """The effect. Default: `NoSchedule`."""


class PoolArgs(TypedDict):
    """A pool of GPU nodes."""

    name: str
    """The name of the NodePool or of the managed node group."""
    types: list[str]
    """The instance types of the pool."""
    max_gpus: int
    """The maximum number of GPUs; 0 if the pool is paused."""
    zones: NotRequired[list[str]]
    """The Availability Zones of the pool. Default: all zones of the region."""
    taints: NotRequired[list[TaintArgs]]
    """The taints of the nodes. Default: `nvidia.com/gpu`."""
    static: NotRequired[int]
    """The number of nodes that always run. Default: nodes are added and removed with the demand."""
    warm: NotRequired[int]
    """The number of instances in the warm pool of a managed node group. Default: 0."""
    reserved: NotRequired[bool]
    """Whether the pool uses reserved capacity. Default: false."""
    termination_grace_seconds: NotRequired[int]
    """The time in seconds after which a draining node is terminated. Default: when its pods have ended."""
    idle_seconds: NotRequired[int]
    """The time in seconds after which an empty node is removed. Default: 300."""
    cached_image: NotRequired[bool]
    """Whether the nodes start with the serving image on their disk. Default: false."""
    parallel_pull: NotRequired[bool]
    """Whether the nodes pull and unpack the layers of an image in parallel. Default: false."""


class ProxyArgs(TypedDict):
    """A proxy between the client and the interceptor, such as a load balancer or a gateway."""

    name: str
    """The name, for messages."""
    timeout_seconds: int
    """The maximum time in seconds that the proxy waits for the first byte of a response."""


HopArgs = ProxyArgs
"""The name of `ProxyArgs` before 0.2; for one release."""


class PrometheusArgs(TypedDict):
    """The Prometheus server that KEDA queries."""

    address: str
    """The URL."""
    amp_region: NotRequired[str]
    """The region, if the server is Amazon Managed Service for Prometheus."""


class ClusterArgs(TypedDict):
    """A cluster as it is now."""

    name: str
    """The name of the EKS cluster."""
    region: str
    """The region of the cluster."""
    version: NotRequired[str]
    """The version of Kubernetes. Default: 1.34."""
    nodes: NotRequired[NodeProvider]
    """What adds nodes. Default: Karpenter."""
    karpenter: NotRequired[str]
    """The version of Karpenter. Default: not installed."""
    feature_gates: NotRequired[list[str]]
    """The feature gates of Karpenter that are on, such as `CapacityBuffer=true`. Default: none."""
    keda: NotRequired[str]
    """The version of KEDA. Default: not installed."""
    http_addon: NotRequired[str]
    """The version of KEDA's HTTP add-on. Default: not installed."""
    crds: NotRequired[list[str]]
    """The names of the custom resource definitions in the cluster. Default: none."""
    pools: NotRequired[list[PoolArgs]]
    """The pools of GPU nodes. Default: none."""
    namespaces: NotRequired[list[str]]
    """The namespaces. Default: not checked."""
    services: NotRequired[dict[str, list[str]]]
    """For each namespace, the names of its services. Default: none."""
    gpu_quota: NotRequired[dict[str, int]]
    """For each namespace, the number of GPUs in its quota. Default: no quota."""
    route: NotRequired[list[ProxyArgs]]
    """The proxies between the client and the interceptor, from the outside in. Default: none."""
    endpoint_picker_ttl_seconds: NotRequired[int]
    """The time in seconds that an endpoint picker holds a request. Default: there is no endpoint picker."""
    prometheus: NotRequired[PrometheusArgs]
    """The Prometheus server that KEDA queries. Required for triggers of kind `prometheus`."""
    s3_cidrs: NotRequired[list[str]]
    """The networks of S3, in CIDR notation, such as those of the VPC's S3 endpoint. Required with a `bucket`."""
    cdi: NotRequired[bool]
    """Whether containers get their GPUs through CDI. Default: false."""
    keda_namespace: NotRequired[str]
    """The namespace of KEDA and its add-on. Default: `keda`."""
    monitoring_namespace: NotRequired[str]
    """The namespace of Prometheus. Default: `monitoring`."""
