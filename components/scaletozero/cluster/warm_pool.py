"""GPU nodes that are kept ready for an endpoint's next replicas."""

import pulumi

from model_packaging.findings import FindingsError
from scaletozero.args.gpu_warm_pool import GpuWarmPoolArgs
from scaletozero.cluster.objects import declare, kebab, need_cluster
from scaletozero.component import Component, validated
from scaletozero.kubernetes.plan import prefixed
from scaletozero.kubernetes.warm import PLACEHOLDER_SECONDS, plan_warm_pool
from scaletozero.settings.gpu_warm_pool import GpuWarmPoolSettings


class GpuWarmPool(Component):
    """Keeps nodes ready for the next replicas of an endpoint, by the means that the cluster has.

    An endpoint with a `buffer` has its own warm pool. Use this component for one that follows a schedule, or that
    another team manages.

    The objects in the cluster are the attribute `objects`.

    Raises:
        FindingsError: an argument is invalid, or the cluster lacks the means. Nothing is declared.
    """

    type_name = "scaletozero:index:GpuWarmPool"

    backend: pulumi.Output[str]
    """How the nodes are kept ready: `buffer`, `placeholder`, `static` or `managed`."""
    reason: pulumi.Output[str]
    """Why this means was chosen."""
    usd_per_hour: pulumi.Output[float]
    """The on-demand price of the maximum number of nodes that are kept ready, in USD per hour."""

    def __init__(self, name: str, args: GpuWarmPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, _ = validated(GpuWarmPoolSettings, args, name=name)
        plan = plan_warm_pool(name, settings)
        if plan.findings:
            raise FindingsError(prefixed(name, plan.findings))
        super().__init__(name, opts, region=settings.cluster.region, tags={})
        need_cluster(self)
        pulumi.log.info(f"warm nodes by {plan.backend.kind}: {plan.backend.reason}", resource=self)
        seconds = f"{PLACEHOLDER_SECONDS}s"
        placeholders = pulumi.ResourceOptions(
            # With a schedule, KEDA sets the number.
            ignore_changes=["spec.replicas"] if settings.schedule else [],
            custom_timeouts=pulumi.CustomTimeouts(create=seconds, update=seconds),
        )
        objects = declare(
            self,
            plan.objects,
            primary="CapacityBuffer" if plan.backend.kind == "buffer" else "Deployment",
            more={"Deployment": placeholders},
            suffix=lambda manifest: kebab(manifest["kind"]),
        )

        self.backend = pulumi.Output.from_input(plan.backend.kind)
        self.reason = pulumi.Output.from_input(plan.backend.reason)
        self.usd_per_hour = pulumi.Output.from_input(plan.usd_per_hour or 0.0)
        # Not annotated in the class, because the plugin takes every annotation of a component for an output.
        self.objects = objects
        self.register_outputs({"backend": self.backend, "reason": self.reason, "usd_per_hour": self.usd_per_hour})
