"""The arguments of `GpuWarmPool`."""

from typing import NotRequired, TypedDict

from scaletozero.args.cluster import ClusterArgs, TaintArgs, WarmBackend
from scaletozero.args.scaling import WindowArgs


class GpuWarmPoolArgs(TypedDict):
    """The arguments of `GpuWarmPool`."""

    cluster: ClusterArgs
    """The cluster."""
    namespace: str
    """The endpoint's."""
    endpoint: str
    """The name of the Deployment that the nodes are kept for."""
    image: str
    """What it runs; placeholders pull it."""
    pool: str
    """The pool that its pods run on."""
    types: list[str]
    """The instance types that they run on."""
    gpus: int
    """GPUs of one replica."""
    cpu_millis: int
    """Thousandths of a core of one replica."""
    memory_mib: int
    """Memory of one replica."""
    tolerations: NotRequired[list[TaintArgs]]
    """What its pods tolerate besides the pool's own taints."""
    replicas: NotRequired[int]
    """How many more replicas there is always room for; 0 unless given."""
    schedule: NotRequired[list[WindowArgs]]
    """Windows in which there is room for more."""
    backend: NotRequired[WarmBackend]
    """By which means; `auto` unless given."""
