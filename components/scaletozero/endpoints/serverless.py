"""An endpoint on SageMaker Serverless Inference: nothing runs, and nothing is billed, without requests."""

import pulumi
import pulumi_aws as aws

from model_packaging.artifact.manifest import Manifest
from model_packaging.artifact.reader import open_artifact
from model_packaging.findings import FindingsError
from scaletozero.args.scaling import PoolScalingArgs
from scaletozero.args.serverless import ServerlessEndpointArgs
from scaletozero.args.warm_calls import WarmCallsArgs
from scaletozero.component import Component, validated
from scaletozero.endpoints.model import declare_model, fail_on_rollback
from scaletozero.observability.alarms import PlannedAlarms
from scaletozero.observability.serverless import serverless_alarms
from scaletozero.scaling.cost import warm_cost
from scaletozero.scaling.sample import sample_input, work_seconds
from scaletozero.scaling.timeline import lead_minutes
from scaletozero.scaling.warm_calls import WarmCalls
from scaletozero.scaling.warm_pool import WarmPool
from scaletozero.settings.fit import fit_findings, memory_of
from scaletozero.settings.names import VARIANT
from scaletozero.settings.pools import WarmUnit
from scaletozero.settings.scaling import WarmBy
from scaletozero.settings.serverless import ServerlessEndpointSettings


class ServerlessEndpoint(Component):
    """A model that costs nothing while there are no requests, unless it is configured to stay warm.

    The archive is uploaded under its own digest. A changed model is thus a new object, model and configuration, to
    which the endpoint moves before the old ones are deleted; an unchanged model changes nothing.

    Its main children are attributes, for an organisation's own stack to add to: `endpoint`, `configuration`, `model`,
    `role`, `log_group_resource` and `archive`.

    Raises:
        FindingsError: an argument is invalid, the artifact is incomplete, or by its manifest's measurements it does not
            fit the service (memory, disk, time to start, size of a request). Nothing is declared.
    """

    type_name = "scaletozero:index:ServerlessEndpoint"

    endpoint_name: pulumi.Output[str]
    """The name by which callers invoke the endpoint."""
    endpoint_arn: pulumi.Output[str]
    """The endpoint's ARN, for callers' policies."""
    artifact_digest: pulumi.Output[str]
    """The SHA-256 digest of the served archive, in hexadecimal."""
    memory_mb: pulumi.Output[int]
    """The memory of one container in MB."""
    log_group: pulumi.Output[str]
    """The name of the containers' log group."""

    def __init__(self, name: str, args: ServerlessEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, inputs = validated(
            ServerlessEndpointSettings, args, name=name, inputs=["bucket", "image", "kms_key_arn", "alarms"]
        )
        artifact = open_artifact(args["artifact"])
        scaling, manifest = settings.scaling, artifact.manifest
        if findings := fit_findings(manifest, settings.memory_mb, name):
            raise FindingsError(findings)
        by_calls = scaling.warm_by is WarmBy.CALLS
        sample = sample_input(artifact) if by_calls else ""
        memory_mb = memory_of(manifest, settings.memory_mb)
        tags = {"endpoint": name, **settings.tags}
        super().__init__(name, opts, region=settings.region, tags=tags)
        region = settings.region
        endpoint_name = settings.endpoint_name or self.physical_name(limit=63)
        key = inputs["kms_key_arn"] if settings.kms_key_arn is not None else None

        served = declare_model(
            self,
            name=name,
            endpoint_name=endpoint_name,
            region=region,
            artifact=artifact,
            bucket=inputs["bucket"],
            image=inputs["image"],
            processor=settings.processor,
            key=key,
            log_days=settings.log_retention_days,
        )
        serverless = aws.sagemaker.EndpointConfigurationProductionVariantServerlessConfigArgs(
            memory_size_in_mb=memory_mb,
            max_concurrency=scaling.max,
            provisioned_concurrency=scaling.min or None,
        )
        configuration = aws.sagemaker.EndpointConfiguration(
            self.child("configuration", limit=63),
            region=region,
            production_variants=[
                aws.sagemaker.EndpointConfigurationProductionVariantArgs(
                    variant_name=VARIANT, model_name=served.model.name, serverless_config=serverless
                )
            ],
            tags=self._tags,
            opts=self.options(),
        )
        endpoint = aws.sagemaker.Endpoint(
            self.child(),
            region=region,
            name=endpoint_name,
            endpoint_config_name=configuration.name,
            tags=self._tags,
            # Logs written before the group exists would create one whose logs never expire.
            opts=self.options(depends_on=[served.logs]),
        )
        fail_on_rollback(self, endpoint, configuration)
        cold_seconds = settings.cold_start_seconds or manifest.cold_start.total_ms / 1000
        schedule = args.get("schedule") or []
        if by_calls:
            calls: WarmCallsArgs = {
                "endpoint_name": endpoint.name,
                "endpoint_arn": endpoint.arn,
                "region": region,
                "residency": list(settings.residency),
                "sample_input": sample,
                "schedule": schedule,
                "cold_start_seconds": cold_seconds,
                "log_retention_days": settings.log_retention_days,
                "reserve_concurrency": scaling.reserve_concurrency,
                "tags": tags,
            }
            if key is not None:
                calls["kms_key_arn"] = key
            WarmCalls(self.child("warm"), calls, self.options())
            pulumi.info(_price_of_calls(settings, memory_mb, manifest), self)
        elif scaling.target is not None or schedule:
            pool: PoolScalingArgs = {"min": scaling.min, "max": scaling.max}
            if scaling.buffer is not None:
                pool["buffer"] = scaling.buffer
            WarmPool(
                self.child("warm"),
                {
                    "endpoint_name": endpoint.name,
                    "region": region,
                    "residency": list(settings.residency),
                    "unit": WarmUnit.PROVISIONED_CONCURRENCY,
                    "scaling": pool,
                    "schedule": schedule,
                    "cold_start_seconds": cold_seconds,
                    "tags": tags,
                },
                self.options(),
            )
        if settings.alarms is not None:
            PlannedAlarms(
                self.child("alarms"),
                {
                    "endpoint_name": endpoint.name,
                    "region": region,
                    "residency": list(settings.residency),
                    "provisioned": bool(scaling.min),
                    "alarms": args.get("alarms") or {},
                    "tags": tags,
                },
                serverless_alarms,
                self.options(),
            )

        self.endpoint_name = endpoint.name
        self.endpoint_arn = endpoint.arn
        self.artifact_digest = pulumi.Output.from_input(artifact.digest)
        self.memory_mb = pulumi.Output.from_input(memory_mb)
        self.log_group = served.logs.name
        # Not annotated in the class, because the plugin takes every annotation of a component for an output.
        self.endpoint = endpoint
        self.configuration = configuration
        self.model = served.model
        self.role = served.role
        self.log_group_resource = served.logs
        self.archive = served.archive
        self.register_outputs(
            {
                "endpoint_name": self.endpoint_name,
                "endpoint_arn": self.endpoint_arn,
                "artifact_digest": self.artifact_digest,
                "memory_mb": self.memory_mb,
                "log_group": self.log_group,
            }
        )


def _price_of_calls(settings: ServerlessEndpointSettings, memory_mb: int, manifest: Manifest) -> str:
    seconds = work_seconds(manifest)
    try:
        cost = warm_cost(
            settings.schedule,
            base=0,
            lead=lead_minutes(manifest.cold_start.total_ms / 1000),
            region=settings.region,
            memory_mb=memory_mb,
            call_seconds=seconds,
        )
    except FindingsError:
        return f"no price for {settings.region} is on record, so what keeping it warm costs cannot be said"
    return (
        f"kept warm by calls of {seconds * 1000:.0f} ms: {cost.calls:.2f} USD a month; by provisioned concurrency "
        f"it would be {cost.provisioned:.2f} (a derived price)"
    )
