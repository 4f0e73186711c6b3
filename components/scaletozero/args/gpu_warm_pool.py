"""The arguments of `GpuWarmPool`."""

from typing import NotRequired, TypedDict

from scaletozero.args.cluster import ClusterArgs, TaintArgs, WarmBackend
from scaletozero.args.scaling import WindowArgs


class GpuWarmPoolArgs(TypedDict):
    """The arguments of `GpuWarmPool`."""

    cluster: ClusterArgs
    """The cluster."""
    namespace: str
    """The namespace of the endpoint."""
    endpoint: str
    """The name of the Deployment for which nodes are kept ready."""
    image: str
    """The serving image of the endpoint. Placeholders pull it."""
    pool: str
    """The name of the pool that its pods run on."""
    types: list[str]
    """The instance types that they run on."""
    gpus: int
    """The number of GPUs of a replica."""
    cpu_millis: int
    """The CPU of a replica in thousandths of a core."""
    memory_mib: int
    """The memory of a replica in MiB."""
    tolerations: NotRequired[list[TaintArgs]]
    """Taints that its pods tolerate, besides those of the pool."""
    replicas: NotRequired[int]
    """The number of further replicas for which nodes are always ready. Default: 0."""
    schedule: NotRequired[list[WindowArgs]]
    """Windows in which nodes for more replicas are ready."""
    backend: NotRequired[WarmBackend]
    """How the nodes are kept ready. Default: `auto`."""
    residency: NotRequired[list[str]]
    """Regions that the nodes and the image may be in. Default: any region."""
