"""Nodes with GPUs that are kept ready for an endpoint's next replicas."""

from typing import NotRequired, TypedDict

import pulumi

from model_packaging.findings import FindingsError
from scaletozero.component import Component, validated
from scaletozero.kubernetes.plan import below
from scaletozero.kubernetes.warm import PLACEHOLDER_SECONDS, plan_warm_pool
from scaletozero.kubernetes_objects import declare, kebab, need_cluster
from scaletozero.settings.gpu_warm_pool import GpuWarmPoolSettings
from scaletozero.warmth.args import WindowArgs
from scaletozero.warmth.gpu_args import ClusterArgs, TaintArgs, WarmBackend


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


class GpuWarmPool(Component):
    """Keeps nodes ready, by the means that the cluster has, and says by which and why.

    An endpoint with a `buffer` has one of its own; this is for one that is kept warm in windows, or by somebody else.

    Raises:
        FindingsError: when an argument breaks a rule, or the cluster lacks the means, before anything is declared.
    """

    type_name = "scaletozero:index:GpuWarmPool"

    backend: pulumi.Output[str]
    """By which means."""
    reason: pulumi.Output[str]
    """Why by those."""
    usd_per_hour: pulumi.Output[float]
    """What the nodes cost while they wait, on demand: as many as it ever holds."""

    def __init__(self, name: str, args: GpuWarmPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, _ = validated(GpuWarmPoolSettings, args, name=name)
        plan = plan_warm_pool(name, settings)
        if plan.findings:
            raise FindingsError(below(name, plan.findings))
        super().__init__(name, opts, region=settings.cluster.region, tags={})
        need_cluster(self)
        pulumi.log.info(f"warm nodes by {plan.backend.kind}: {plan.backend.reason}", resource=self)
        seconds = f"{PLACEHOLDER_SECONDS}s"
        placeholders = pulumi.ResourceOptions(
            # With a schedule they are KEDA's.
            ignore_changes=["spec.replicas"] if settings.schedule else [],
            custom_timeouts=pulumi.CustomTimeouts(create=seconds, update=seconds),
        )
        declare(
            self,
            plan.objects,
            primary="CapacityBuffer" if plan.backend.kind == "buffer" else "Deployment",
            more={"Deployment": placeholders},
            suffix=lambda manifest: kebab(manifest["kind"]),
        )

        self.backend = pulumi.Output.from_input(plan.backend.kind)
        self.reason = pulumi.Output.from_input(plan.backend.reason)
        self.usd_per_hour = pulumi.Output.from_input(plan.usd_per_hour or 0.0)
        self.register_outputs({"backend": self.backend, "reason": self.reason, "usd_per_hour": self.usd_per_hour})
