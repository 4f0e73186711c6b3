"""An endpoint on SageMaker Asynchronous Inference: GPU instances that run only while requests wait."""

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from model_packaging.artifact.reader import open_artifact
from scaletozero.args.asynchronous import AsyncEndpointArgs
from scaletozero.component import Component, validated
from scaletozero.endpoints.artifact_store import ANSWERS
from scaletozero.endpoints.model import Statement, declare_model, fail_on_rollback
from scaletozero.observability.alarms import PlannedAlarms
from scaletozero.observability.asynchronous import asynchronous_alarms
from scaletozero.partitions import arn, bucket_arn
from scaletozero.scaling.warm_pool import WarmPool
from scaletozero.settings.asynchronous import AsyncEndpointSettings
from scaletozero.settings.instances import has_local_storage
from scaletozero.settings.names import VARIANT
from scaletozero.settings.pools import WarmUnit

WAKE_SECONDS = 600.0
"""The default of how long an instance takes from its start to its first response: about what was measured
for a small language model on ml.g5.xlarge, 9 min 24 s, of which most is SageMaker's own time."""


class AsyncEndpoint(Component):
    """A model whose requests wait in a queue, served by instances that scale to zero.

    SageMaker creates no endpoint without an instance: a new or changed one starts the larger of 1 and `min`, and
    scaling terminates unneeded instances after `idle_seconds`.

    Its main children are attributes, for an organisation's own stack to add to: `endpoint`, `configuration`, `model`,
    `role`, `log_group_resource`, `archive`, `success_topic`, `error_topic` and `warm_pool`.

    Raises:
        FindingsError: an argument is invalid, or the artifact is incomplete. Nothing is declared.
    """

    type_name = "scaletozero:index:AsyncEndpoint"

    endpoint_name: pulumi.Output[str]
    """The name by which callers invoke the endpoint."""
    endpoint_arn: pulumi.Output[str]
    """The endpoint's ARN, for callers' policies."""
    requests: pulumi.Output[str]
    """The s3:// address below which callers put their requests."""
    success_topic_arn: pulumi.Output[str]
    """The ARN of the topic that is notified of every result."""
    error_topic_arn: pulumi.Output[str]
    """The ARN of the topic that is notified of every failure."""
    artifact_digest: pulumi.Output[str]
    """The SHA-256 digest of the served archive, in hexadecimal."""
    log_group: pulumi.Output[str]
    """The name of the containers' log group."""

    def __init__(self, name: str, args: AsyncEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, inputs = validated(
            AsyncEndpointSettings, args, name=name, inputs=["bucket", "image", "kms_key_arn", "vpc", "alarms"]
        )
        artifact = open_artifact(args["artifact"])
        tags = {"endpoint": name, **settings.tags}
        super().__init__(name, opts, region=settings.region, tags=tags)
        region, scaling = settings.region, settings.scaling
        # Different from a serverless endpoint's name here: the engine creates the new one before deleting the old one.
        endpoint_name = settings.endpoint_name or self.physical_name("async", limit=63)
        folder_name = settings.folder or name
        key = inputs["kms_key_arn"] if settings.kms_key_arn is not None else None
        vpc = inputs["vpc"]

        topics = {
            what: aws.sns.Topic(
                self.child(what, limit=80),
                region=region,
                kms_master_key_id=key,
                tags=self._tags,
                opts=self.options(),
            )
            for what in ("answered", "failed")
        }
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
            isolated=settings.network_isolation,
            more=pulumi.Output.all(inputs["bucket"], topics["answered"].arn, topics["failed"].arn, key, vpc).apply(
                lambda known: async_statements(region, folder_name, *known)
            ),
            vpc=None
            if settings.vpc is None
            else {"subnets": vpc["subnet_ids"], "security_group_ids": vpc["security_group_ids"]},
        )
        folder = pulumi.Output.format("s3://{0}/{1}/{2}", inputs["bucket"], ANSWERS, folder_name)
        configuration = aws.sagemaker.EndpointConfiguration(
            self.child("configuration", limit=63),
            region=region,
            production_variants=[
                {
                    "variant_name": VARIANT,
                    "model_name": served.model.name,
                    "instance_type": settings.instance_type,
                    "initial_instance_count": max(1, scaling.min),
                }
            ],
            async_inference_config={
                "client_config": {"max_concurrent_invocations_per_instance": settings.concurrency},
                "output_config": {
                    "s3_output_path": pulumi.Output.format("{0}/answers", folder),
                    "s3_failure_path": pulumi.Output.format("{0}/failures", folder),
                    "kms_key_id": key,
                    "notification_config": {
                        "success_topic": topics["answered"].arn,
                        "error_topic": topics["failed"].arn,
                    },
                },
            },
            # SageMaker refuses a key for instances whose own disks are encrypted by the hardware.
            kms_key_arn=None if has_local_storage(settings.instance_type) else key,
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
        warm_pool = WarmPool(
            self.child("warm"),
            {
                "endpoint_name": endpoint.name,
                "region": region,
                "residency": list(settings.residency),
                "unit": WarmUnit.INSTANCES,
                "scaling": {
                    "min": scaling.min,
                    "max": scaling.max,
                    "backlog": settings.backlog,
                    "idle_seconds": scaling.idle_seconds,
                },
                "schedule": args.get("schedule") or [],
                "cold_start_seconds": settings.cold_start_seconds or WAKE_SECONDS,
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
                    "alarms": args.get("alarms") or {},
                    "tags": tags,
                },
                asynchronous_alarms,
                self.options(),
            )

        self.endpoint_name = endpoint.name
        self.endpoint_arn = endpoint.arn
        self.requests = pulumi.Output.format("{0}/requests", folder)
        self.success_topic_arn = topics["answered"].arn
        self.error_topic_arn = topics["failed"].arn
        self.artifact_digest = pulumi.Output.from_input(artifact.digest)
        self.log_group = served.logs.name
        # Not annotated in the class, because the plugin takes every annotation of a component for an output.
        self.endpoint = endpoint
        self.configuration = configuration
        self.model = served.model
        self.role = served.role
        self.log_group_resource = served.logs
        self.archive = served.archive
        self.success_topic = topics["answered"]
        self.error_topic = topics["failed"]
        self.warm_pool = warm_pool
        self.register_outputs(
            {
                "endpoint_name": self.endpoint_name,
                "endpoint_arn": self.endpoint_arn,
                "requests": self.requests,
                "success_topic_arn": self.success_topic_arn,
                "error_topic_arn": self.error_topic_arn,
                "artifact_digest": self.artifact_digest,
                "log_group": self.log_group,
            }
        )


def async_statements(
    region: str, folder: str, bucket: str, success: str, error: str, key: str | None, vpc: dict[str, Any] | None
) -> Sequence[Statement]:
    """The additional permissions of an asynchronous endpoint's role: read requests, write results, notify topics.

    The actions that describe networks have no resource to name; they are limited by the region.
    """
    objects = f"{bucket_arn(region, bucket)}/{ANSWERS}/{folder}"
    statements: list[Statement] = [
        {"Sid": "ReadRequests", "Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{objects}/requests/*"},
        {
            "Sid": "WriteResults",
            "Effect": "Allow",
            "Action": ["s3:PutObject", "s3:AbortMultipartUpload"],
            "Resource": [f"{objects}/answers/*", f"{objects}/failures/*"],
        },
        {
            "Sid": "ListRequests",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": bucket_arn(region, bucket),
            "Condition": {"StringLike": {"s3:prefix": f"{ANSWERS}/{folder}/*"}},
        },
        {"Sid": "PublishNotifications", "Effect": "Allow", "Action": "sns:Publish", "Resource": [success, error]},
    ]
    if key:
        statements.append(
            {"Sid": "EncryptResults", "Effect": "Allow", "Action": "kms:GenerateDataKey", "Resource": key}
        )
    if vpc:
        interfaces = arn("ec2", region, "*", "network-interface/*")
        subnets = [arn("ec2", region, "*", f"subnet/{each}") for each in vpc["subnet_ids"]]
        groups = [arn("ec2", region, "*", f"security-group/{each}") for each in vpc["security_group_ids"]]
        statements += [
            {
                "Sid": "CreateNetworkInterfaces",
                "Effect": "Allow",
                "Action": "ec2:CreateNetworkInterface",
                "Resource": [interfaces, *subnets, *groups],
            },
            {
                "Sid": "AttachAndDeleteNetworkInterfaces",
                "Effect": "Allow",
                "Action": [
                    "ec2:CreateNetworkInterfacePermission",
                    "ec2:DeleteNetworkInterface",
                    "ec2:DeleteNetworkInterfacePermission",
                ],
                "Resource": interfaces,
                # An interface's name is not known in advance, and SageMaker does not tag it: only its subnet is known.
                "Condition": {"ArnEquals": {"ec2:Subnet": subnets}},
            },
            {
                "Sid": "DescribeNetworks",
                "Effect": "Allow",
                "Action": [
                    "ec2:DescribeDhcpOptions",
                    "ec2:DescribeNetworkInterfaces",
                    "ec2:DescribeSecurityGroups",
                    "ec2:DescribeSubnets",
                    "ec2:DescribeVpcs",
                ],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:RequestedRegion": region}},
            },
        ]
    return statements
