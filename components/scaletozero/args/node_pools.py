"""The arguments of `GpuNodePool` and `GpuNodeGroup`."""

from enum import StrEnum
from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.cluster import TaintArgs


class PoolProvider(StrEnum):
    """Who fills a pool."""

    KARPENTER = "karpenter"
    """Karpenter."""
    AUTO_MODE = "auto-mode"
    """EKS Auto Mode."""


class CapacityType(StrEnum):
    """How a node is bought."""

    SPOT = "spot"
    """At the price of the moment, and it can be taken away."""
    ON_DEMAND = "on-demand"
    """At the list price."""
    RESERVED = "reserved"
    """From a capacity reservation."""


class WarmState(StrEnum):
    """What a warm pool's instances do meanwhile."""

    STOPPED = "stopped"
    """They are stopped: only their volumes are paid for."""
    RUNNING = "running"
    """They run."""


class QuietHoursArgs(TypedDict):
    """Hours, in UTC, in which no node is replaced because it drifted."""

    start: str
    """When they begin: "07:00"."""
    hours: int
    """How long."""
    days: NotRequired[str]
    """As `mon-fri` or `mon,wed`, or as cron counts them; Monday to Friday unless given."""


class NodesArgs(TypedDict):
    """What nodes are made of."""

    role: pulumi.Input[str]
    """The name of their IAM role."""
    discovery_tag: NotRequired[str]
    """The tag by which subnets and security groups are found; `karpenter.sh/discovery` unless given."""
    image: NotRequired[str]
    """Alias and version of the node image."""
    volume_gib: NotRequired[int]
    """Of the data volume; 200 unless given."""
    snapshot: NotRequired[str]
    """A snapshot of it that holds the serving image. Karpenter only."""
    reservations: NotRequired[list[str]]
    """Ids of capacity reservations."""
    kms_key: NotRequired[str]
    """ARN of the key for the volumes. Karpenter only."""


class GpuNodePoolArgs(TypedDict):
    """The arguments of `GpuNodePool`."""

    cluster: str
    """The EKS cluster's name."""
    region: str
    """Its region."""
    types: list[str]
    """The instance types that may be bought."""
    max_gpus: int
    """The most GPUs at a time."""
    nodes: NodesArgs
    """What they are made of."""
    provider: NotRequired[PoolProvider]
    """Who brings them; Karpenter unless given."""
    capacity: NotRequired[list[CapacityType]]
    """Ways to buy; on demand unless given."""
    zones: NotRequired[list[str]]
    """Where in the region; anywhere unless given."""
    static: NotRequired[int]
    """A fixed number of nodes that always run."""
    idle_seconds: NotRequired[int]
    """How long an empty node stays; 300 unless given."""
    termination_grace_seconds: NotRequired[int]
    """After which a draining node is gone; 1800 unless given."""
    taints: NotRequired[list[TaintArgs]]
    """Of the nodes; `nvidia.com/gpu` unless given."""
    quiet_hours: NotRequired[list[QuietHoursArgs]]
    """No drift in them."""


class WarmNodesArgs(TypedDict):
    """Instances that a managed node group keeps ready to join."""

    nodes: int
    """How many."""
    state: NotRequired[WarmState]
    """What they do meanwhile; stopped unless given."""


class GpuNodeGroupArgs(TypedDict):
    """The arguments of `GpuNodeGroup`."""

    cluster: str
    """The EKS cluster's name."""
    region: str
    """Its region."""
    types: list[str]
    """The instance types that may be bought, all with as many GPUs."""
    max_gpus: int
    """The most GPUs at a time."""
    role_arn: pulumi.Input[str]
    """The nodes' IAM role."""
    subnets: list[str]
    """Ids of the subnets."""
    volume_gib: NotRequired[int]
    """Of the nodes' volume; 200 unless given."""
    warm: NotRequired[WarmNodesArgs]
    """What its warm pool keeps."""
    taints: NotRequired[list[TaintArgs]]
    """Of the nodes; `nvidia.com/gpu` unless given."""
    tags: NotRequired[dict[str, str]]
    """Further tags."""
