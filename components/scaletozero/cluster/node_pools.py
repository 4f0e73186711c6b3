"""Pools of GPU nodes: of Karpenter or EKS Auto Mode, or as a managed node group."""

import pulumi
import pulumi_aws as aws

from model_packaging.findings import FindingsError, refuse
from scaletozero.args.node_pools import GpuNodeGroupArgs, GpuNodePoolArgs
from scaletozero.cluster.objects import declare, need_cluster
from scaletozero.component import Component, validated
from scaletozero.kubernetes.checks.name import name_findings
from scaletozero.kubernetes.manifests.nodes import ROLE, plan_gpu_node_pool
from scaletozero.kubernetes.plan import prefixed
from scaletozero.settings.gpu_pools import GpuNodeGroupSettings, GpuNodePoolSettings
from scaletozero.settings.gpu_types import TYPES
from scaletozero.spending.gpu_prices import offer_findings


class GpuNodePool(Component):
    """A pool of GPU nodes and its node class: limited, tainted, and in one region.

    Nodes with a replica are never consolidated.

    The objects in the cluster are the attribute `objects`.

    Raises:
        FindingsError: an argument is invalid. Nothing is declared.
    """

    type_name = "scaletozero:index:GpuNodePool"

    pool_name: pulumi.Output[str]
    """The name of the pool, for an endpoint's `placement.pool` and `cluster.pools`."""
    usd_per_hour: pulumi.Output[float]
    """The on-demand price of `max_gpus` GPUs, in USD per hour."""

    def __init__(self, name: str, args: GpuNodePoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, inputs = validated(GpuNodePoolSettings, args, name=name, inputs=["nodes"])
        if found := name_findings(name):
            raise FindingsError(prefixed(name, found))
        plan = plan_gpu_node_pool(name, settings)
        if plan.findings:
            raise FindingsError(prefixed(name, plan.findings))
        super().__init__(name, opts, region=settings.region, tags={})
        need_cluster(self)
        objects = declare(
            self,
            plan.objects,
            primary="NodePool",
            substitutions={ROLE: pulumi.Output.from_input(inputs["nodes"]).apply(lambda known: known["role"])},
        )

        self.pool_name = pulumi.Output.from_input(name)
        self.usd_per_hour = pulumi.Output.from_input(plan.usd_per_hour)
        # Not annotated in the class, because the plugin takes every annotation of a component for an output.
        self.objects = objects
        self.register_outputs({"pool_name": self.pool_name, "usd_per_hour": self.usd_per_hour})


LONGEST_GROUP = 63
"""Maximum number of characters in the name of a managed node group."""


class GpuNodeGroup(Component):
    """A managed group of GPU nodes that scales from 0, for Cluster Autoscaler, with an optional warm pool.

    Change `max_gpus` with `pulumi up --refresh`: the update also sets the number of nodes, and without a refresh that
    is the number in the state.

    The group itself is the attribute `group`.

    Raises:
        FindingsError: an argument is invalid. Nothing is declared.
    """

    type_name = "scaletozero:index:GpuNodeGroup"

    pool_name: pulumi.Output[str]
    """The name of the group, for an endpoint's `placement.pool` and `cluster.pools`."""

    def __init__(self, name: str, args: GpuNodeGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, inputs = validated(GpuNodeGroupSettings, args, name=name, inputs=["role_arn", "subnets"])
        if len(name) > LONGEST_GROUP:
            rule = f"must have at most {LONGEST_GROUP} characters, because it is the name of the group"
            raise refuse("the component's name", rule, name, "EKS would refuse the group", "shorten it")
        if found := offer_findings(settings.types, settings.region):
            raise FindingsError(prefixed(name, found))
        super().__init__(name, opts, region=settings.region, tags=settings.tags)
        warm = settings.warm
        effects = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
        group = aws.eks.NodeGroup(
            self.child(),
            region=settings.region,
            cluster_name=settings.cluster,
            # Endpoints refer to the group by its name.
            node_group_name=name,
            node_role_arn=inputs["role_arn"],
            subnet_ids=inputs["subnets"],
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
            # Cluster Autoscaler sets the number of nodes.
            opts=pulumi.ResourceOptions.merge(
                self.options(), pulumi.ResourceOptions(ignore_changes=["scalingConfig.desiredSize"])
            ),
        )
        self.pool_name = group.node_group_name
        # Not annotated in the class, because the plugin takes every annotation of a component for an output.
        self.group = group
        self.register_outputs({"pool_name": self.pool_name})
