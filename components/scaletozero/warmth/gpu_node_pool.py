"""Pools of GPU nodes that come and go: with Karpenter or EKS Auto Mode, or as a managed node group."""

from enum import StrEnum
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from model_packaging.findings import FindingsError, refuse
from scaletozero.component import Component, validated
from scaletozero.kubernetes.checks_name import name_findings
from scaletozero.kubernetes.nodes import ROLE, plan_gpu_node_pool
from scaletozero.kubernetes.plan import below
from scaletozero.kubernetes_objects import declare, need_cluster
from scaletozero.settings.gpu_pools import GpuNodeGroupSettings, GpuNodePoolSettings
from scaletozero.settings.gpu_types import TYPES
from scaletozero.warmth.gpu_args import TaintArgs


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


class GpuNodePool(Component):
    """A pool of GPU nodes and their node class: limited, tainted, in one region, never emptied to save money.

    Raises:
        FindingsError: when an argument breaks a rule, before anything is declared.
    """

    type_name = "scaletozero:index:GpuNodePool"

    pool_name: pulumi.Output[str]
    """The pool's name, for an endpoint's `placement` and `cluster.pools`."""
    usd_per_hour: pulumi.Output[float]
    """What all its GPUs cost on demand."""

    def __init__(self, name: str, args: GpuNodePoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, wired = validated(GpuNodePoolSettings, args, name=name, wired=["nodes"])
        if found := name_findings(name):
            raise FindingsError(below(name, found))
        plan = plan_gpu_node_pool(name, settings)
        super().__init__(name, opts, region=settings.region, tags={})
        need_cluster(self)
        declare(
            self, plan.objects, primary="NodePool", filled={ROLE: wired["nodes"].apply(lambda known: known["role"])}
        )

        self.pool_name = pulumi.Output.from_input(name)
        self.usd_per_hour = pulumi.Output.from_input(plan.usd_per_hour)
        self.register_outputs({"pool_name": self.pool_name, "usd_per_hour": self.usd_per_hour})


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


LONGEST_GROUP = 63
"""Characters of a managed node group's name."""


class GpuNodeGroup(Component):
    """A managed group of GPU nodes from none up, for clusters with Cluster Autoscaler, with a warm pool if asked for.

    Change `max_gpus` with `pulumi up --refresh`: EKS is told the number of nodes with it, and without a refresh that is
    the one that the state remembers.

    Raises:
        FindingsError: when an argument breaks a rule, before anything is declared.
    """

    type_name = "scaletozero:index:GpuNodeGroup"

    pool_name: pulumi.Output[str]
    """The group's name, for an endpoint's `placement` and `cluster.pools`."""

    def __init__(self, name: str, args: GpuNodeGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, wired = validated(GpuNodeGroupSettings, args, name=name, wired=["role_arn"])
        if len(name) > LONGEST_GROUP:
            rule = f"must have at most {LONGEST_GROUP} characters, as the group is named so"
            raise refuse("the component's name", rule, name, "EKS would refuse the group", "shorten it")
        super().__init__(name, opts, region=settings.region, tags=settings.tags)
        warm = settings.warm
        effects = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
        group = aws.eks.NodeGroup(
            self.child(),
            region=settings.region,
            cluster_name=settings.cluster,
            # Endpoints name it, and other groups have to be told from it.
            node_group_name=name,
            node_role_arn=wired["role_arn"],
            subnet_ids=list(settings.subnets),
            instance_types=list(settings.types),
            ami_type="BOTTLEROCKET_x86_64_NVIDIA",
            disk_size=settings.volume_gib,
            scaling_config={"min_size": 0, "desired_size": 0, "max_size": settings.max_nodes},
            taints=[
                aws.eks.NodeGroupTaintArgs(key=taint.key, effect=effects[taint.effect], value=taint.value or None)
                for taint in settings.taints
            ],
            warm_pool_config={
                "min_size": warm.nodes,
                "max_group_prepared_capacity": settings.max_nodes,
                "pool_state": warm.state.upper(),
                "reuse_on_scale_in": False,
            }
            if warm
            else None,
            tags={
                **self._tags,
                "k8s.io/cluster-autoscaler/node-template/resources/nvidia.com/gpu": str(TYPES[settings.types[0]].gpus),
            },
            # The number of nodes is Cluster Autoscaler's.
            opts=pulumi.ResourceOptions.merge(
                self.options(), pulumi.ResourceOptions(ignore_changes=["scalingConfig.desiredSize"])
            ),
        )
        self.pool_name = group.node_group_name
        self.register_outputs({"pool_name": self.pool_name})
