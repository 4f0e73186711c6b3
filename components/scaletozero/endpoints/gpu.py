"""An endpoint on Kubernetes GPUs, which runs no pod and no node while there are no requests, and loses no request."""

import pulumi

from model_packaging.findings import FindingsError
from scaletozero.args.gpu_endpoint import GpuEndpointArgs
from scaletozero.cluster.objects import declare, need_cluster
from scaletozero.cluster.warm_pool import GpuWarmPool
from scaletozero.component import Component, validated
from scaletozero.endpoints.gpu_parts import GpuModelAccess, GpuMonitoring, GpuScaling
from scaletozero.kubernetes.manifests.objects import BUCKET
from scaletozero.kubernetes.manifests.scaling import own_host
from scaletozero.kubernetes.packaged import plan_packaged
from scaletozero.kubernetes.plan import prefixed
from scaletozero.kubernetes.table import text
from scaletozero.residency.egress import egress_findings
from scaletozero.settings.gpu import GpuEndpointSettings

SCALING = ("InterceptorRoute", "TriggerAuthentication", "ScaledObject")
MONITORING = ("PodMonitor", "PrometheusRule")


class GpuEndpoint(Component):
    """A model on GPUs of a Kubernetes cluster, which scales to zero and holds the requests that wake it.

    KEDA manages the replicas, and Karpenter or EKS Auto Mode the nodes. The component declares what they act on, and
    refuses a declaration that could not work. Its options must have a Kubernetes provider.

    The objects of its workload are the attribute `objects`, and the role of its pods, if it has a bucket, is `role`.

    Raises:
        FindingsError: an argument is invalid, the artifact is incomplete, or model, cluster and deadlines do not fit
            each other. Nothing is declared.
    """

    type_name = "scaletozero:index:GpuEndpoint"

    endpoint_name: pulumi.Output[str]
    """The name of the endpoint's objects in the cluster."""
    host: pulumi.Output[str]
    """The host name by which the interceptor routes requests to the endpoint."""
    artifact_digest: pulumi.Output[str]
    """The SHA-256 digest of the served model, in hexadecimal."""
    cold_start_seconds: pulumi.Output[int]
    """The time in seconds from the first request to the first response, with nothing warm."""
    usd_per_hour: pulumi.Output[float]
    """The maximum cost of all replicas and the buffer at on-demand prices, in USD per hour."""

    def __init__(self, name: str, args: GpuEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, inputs = validated(GpuEndpointSettings, args, name=name, inputs=["bucket", "kms_key_arn"])
        packaged = plan_packaged(name, settings, args["artifact"])
        plan, model = packaged.plan, packaged.model
        hosts = {f"egress.{index}": host for index, host in enumerate(settings.egress)}
        outside = egress_findings(hosts, settings.residency, settings.approved_hosts)
        if found := [*plan.findings, *outside]:
            raise FindingsError(prefixed(name, found))
        region = settings.cluster.region
        super().__init__(name, opts, region=region, tags={"endpoint": name, **settings.tags})
        need_cluster(self)
        pulumi.log.info(text(plan, settings), resource=self)

        access: GpuModelAccess | None = None
        substitutions = {}
        if settings.bucket is not None:
            substitutions[BUCKET] = inputs["bucket"]
            key = inputs["kms_key_arn"] if settings.kms_key_arn is not None else None
            access = GpuModelAccess(
                f"{name}-model", plan, settings, model, packaged.files, inputs["bucket"], key, self.options()
            )
        seconds = f"{plan.derived.deadlines.deploy}s"
        workload = declare(
            self,
            [each for each in plan.objects if each["kind"] not in (*SCALING, *MONITORING)],
            primary="Deployment",
            substitutions=substitutions,
            depends_on=[access] if access else [],
            more={
                "Deployment": pulumi.ResourceOptions(
                    # KEDA manages the replicas.
                    ignore_changes=["spec.replicas"],
                    custom_timeouts=pulumi.CustomTimeouts(create=seconds, update=seconds),
                )
            },
        )
        after = self.options(depends_on=workload)
        GpuScaling(f"{name}-scaling", [each for each in plan.objects if each["kind"] in SCALING], region, after)
        if monitors := [each for each in plan.objects if each["kind"] in MONITORING]:
            GpuMonitoring(f"{name}-monitoring", monitors, region, self.options())
        if plan.warm and plan.warm.objects:
            GpuWarmPool(plan.warm.name, plan.warm.settings.model_dump(), after)  # pyright: ignore[reportArgumentType]

        self.endpoint_name = pulumi.Output.from_input(name)
        self.host = pulumi.Output.from_input(own_host(name, settings))
        self.artifact_digest = pulumi.Output.from_input(model.digest)
        self.cold_start_seconds = pulumi.Output.from_input(plan.derived.cold.total())
        self.usd_per_hour = pulumi.Output.from_input(plan.derived.usd_per_hour or 0.0)
        # Not annotated in the class, because the plugin takes every annotation of a component for an output.
        self.objects = workload
        self.role = access.role if access else None
        self.register_outputs(
            {
                "endpoint_name": self.endpoint_name,
                "host": self.host,
                "artifact_digest": self.artifact_digest,
                "cold_start_seconds": self.cold_start_seconds,
                "usd_per_hour": self.usd_per_hour,
            }
        )
