"""The arguments of `GpuNodePool` and `GpuNodeGroup`."""

from enum import StrEnum
from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.cluster import TaintArgs


class PoolProvider(StrEnum):
    """What adds nodes to a pool."""

    KARPENTER = "karpenter"
    """Karpenter."""
    AUTO_MODE = "auto-mode"
    """EKS Auto Mode."""


class CapacityType(StrEnum):
    """How a node is purchased."""

    SPOT = "spot"
    """At the spot price. AWS may reclaim the node."""
    ON_DEMAND = "on-demand"
    """At the on-demand price."""
    RESERVED = "reserved"
    """From a capacity reservation."""


class WarmState(StrEnum):
    """The state of the instances in a warm pool."""

    STOPPED = "stopped"
    """Stopped: only their volumes cost."""
    RUNNING = "running"
    """Running."""


class QuietHoursArgs(TypedDict):
    """Hours, in UTC, in which no node is replaced because of drift."""

    start: str
    """The time at which they begin, such as "07:00"."""
    hours: int
    """The number of hours, 1 to 24."""
    days: NotRequired[str]
    """The days, such as `mon-fri` or `mon,wed`, or as numbers of cron. Default: Monday to Friday."""


class NodesArgs(TypedDict):
    """The configuration of the nodes."""

    role: pulumi.Input[str]
    """The name of the IAM role of the nodes."""
    discovery_tag: NotRequired[str]
    """The tag that selects subnets and security groups; its value is the cluster's name.

    Default: `karpenter.sh/discovery`.
    """
    image: NotRequired[str]
    """The alias and version of the node image. Default: `bottlerocket@v1.54.0`."""
    volume_gib: NotRequired[int]
    """The size of the data volume in GiB, 50 to 16384. Default: 200."""
    snapshot: NotRequired[str]
    """The id of an EBS snapshot of the data volume that holds the serving image. Karpenter only."""
    parallel_pull: NotRequired[bool]
    """Whether nodes pull and unpack the layers of an image in parallel. Karpenter only. Default: false."""
    reservations: NotRequired[list[str]]
    """The ids of capacity reservations. Required if `capacity` has `reserved`."""
    kms_key: NotRequired[str]
    """The ARN of the KMS key of the volumes. Karpenter only. Default: the account's key for EBS."""


class GpuNodePoolArgs(TypedDict):
    """The arguments of `GpuNodePool`."""

    cluster: str
    """The name of the EKS cluster."""
    region: str
    """The region of the cluster."""
    types: list[str]
    """The instance types of the pool."""
    max_gpus: int
    """The maximum number of GPUs. With the price, it bounds the cost."""
    nodes: NodesArgs
    """The configuration of the nodes."""
    provider: NotRequired[PoolProvider]
    """What adds nodes. Default: Karpenter."""
    capacity: NotRequired[list[CapacityType]]
    """How nodes may be purchased. Default: on demand."""
    zones: NotRequired[list[str]]
    """The Availability Zones of the pool. Default: all zones of the region."""
    static: NotRequired[int]
    """The number of nodes that always run.

    Where `max_gpus` has room for one node more, Karpenter replaces a drifted node before it removes it; otherwise the
    node stays until it expires. Default: nodes are added and removed with the demand.
    """
    idle_seconds: NotRequired[int]
    """The time in seconds after which an empty node is removed. Default: 300."""
    termination_grace_seconds: NotRequired[int]
    """The time in seconds after which a draining node is terminated. Default: 1800."""
    taints: NotRequired[list[TaintArgs]]
    """The taints of the nodes. Default: `nvidia.com/gpu`."""
    quiet_hours: NotRequired[list[QuietHoursArgs]]
    """Hours in which no node is replaced because of drift. Default: none."""
    residency: NotRequired[list[str]]
    """Regions that it may be in. Default: any region."""


class WarmNodesArgs(TypedDict):
    """Instances that a managed node group keeps ready to join."""

    nodes: int
    """The number of instances."""
    state: NotRequired[WarmState]
    """The state of the instances. Default: stopped."""


class GpuNodeGroupArgs(TypedDict):
    """The arguments of `GpuNodeGroup`."""

    cluster: str
    """The name of the EKS cluster."""
    region: str
    """The region of the cluster."""
    types: list[str]
    """The instance types of the group, all with the same number of GPUs."""
    max_gpus: int
    """The maximum number of GPUs."""
    role_arn: pulumi.Input[str]
    """The ARN of the IAM role of the nodes."""
    subnets: pulumi.Input[list[pulumi.Input[str]]]
    """The ids of the subnets. They determine the Availability Zones."""
    volume_gib: NotRequired[int]
    """The size of the nodes' volumes in GiB, 50 to 16384. Default: 200."""
    warm: NotRequired[WarmNodesArgs]
    """The warm pool of the group. Default: none."""
    taints: NotRequired[list[TaintArgs]]
    """The taints of the nodes. Default: `nvidia.com/gpu`."""
    residency: NotRequired[list[str]]
    """Regions that it may be in. Default: any region."""
    tags: NotRequired[dict[str, str]]
    """Extra tags."""
