"""An endpoint on SageMaker Serverless Inference: nothing runs, and nothing is paid, while nobody asks."""

import json
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from model_packaging.artifact import open_artifact
from scaletozero.artifact_store import MODELS
from scaletozero.component import Component, validated
from scaletozero.settings.regions import partition_of
from scaletozero.settings.serverless import ServerlessEndpointSettings, image_repository_arn

VARIANT = "AllTraffic"
"""The name of the one variant that a serverless endpoint has; metrics carry it."""


class ServerlessScalingArgs(TypedDict):
    """How far a serverless endpoint scales."""

    max: NotRequired[int]
    """The most concurrent calls, 1 to 200, 10 unless given; further ones are answered with 429."""


class ServerlessEndpointArgs(TypedDict):
    """The arguments of `ServerlessEndpoint`."""

    artifact: str
    """The folder that the packaging wrote: the model's archive and its manifest."""
    bucket: pulumi.Input[str]
    """The name of the bucket that the archive is uploaded to; `ArtifactStore.bucket`."""
    image: pulumi.Input[str]
    """The serving image: in ECR, in the endpoint's region, pinned by digest or exact tag."""
    region: str
    """The AWS region of the endpoint and of all that belongs to it."""
    memory_mb: NotRequired[int]
    """1024 to 6144 in steps of 1024; what the artifact's manifest recommends unless given."""
    scaling: NotRequired[ServerlessScalingArgs]
    """How far it scales."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key that the bucket is encrypted with, if any; the endpoint's role may then decrypt."""
    tags: NotRequired[dict[str, str]]
    """Further tags."""


class ServerlessEndpoint(Component):
    """A model that answers queries and costs nothing while there are none.

    The archive is uploaded under its own digest. A changed model is thus another object, model and configuration, to
    which the endpoint moves before the old ones go; an unchanged one changes nothing.

    Raises:
        FindingsError: when an argument breaks a rule or the artifact is not whole, before anything is declared.
    """

    type_name = "scaletozero:index:ServerlessEndpoint"

    endpoint_name: pulumi.Output[str]
    """The name to invoke."""
    endpoint_arn: pulumi.Output[str]
    """The endpoint's ARN, for the callers' policies."""
    artifact_digest: pulumi.Output[str]
    """The sha256 of the archive that is served, in hex."""
    memory_mb: pulumi.Output[int]
    """The memory of one container."""
    log_group: pulumi.Output[str]
    """The log group of the containers."""

    def __init__(self, name: str, args: ServerlessEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, wired = validated(
            ServerlessEndpointSettings, args, name=name, wired=["bucket", "image", "kms_key_arn"]
        )
        key = wired["kms_key_arn"] if settings.kms_key_arn is not None else None
        artifact = open_artifact(settings.artifact)
        memory_mb = settings.memory_mb or artifact.manifest.memory.recommended_mb
        super().__init__(name, opts, region=settings.region, tags={"endpoint": name, **settings.tags})
        region = settings.region
        endpoint_name = self.physical_name(limit=63)

        archive = aws.s3.BucketObjectv2(
            self.child("artifact"),
            region=region,
            bucket=wired["bucket"],
            key=f"{MODELS}/{name}/{artifact.digest}/model.tar.gz",
            source=pulumi.FileAsset(str(artifact.archive)),
            checksum_algorithm="SHA256",
            content_type="application/gzip",
            kms_key_id=key,
            tags=self._own_tags,
            # An object takes ten tags; a provider's default ones could be more than are left.
            override_provider={"default_tags": {"tags": {}}},
            opts=self.options(),
        )
        logs = aws.cloudwatch.LogGroup(
            self.child("logs"),
            region=region,
            name=f"/aws/sagemaker/Endpoints/{endpoint_name}",
            retention_in_days=30,
            tags=self._tags,
            opts=self.options(),
        )
        role = aws.iam.Role(
            self.child("role", limit=64),
            description=f"What the containers of the endpoint {endpoint_name} may do",
            assume_role_policy=json.dumps(_TRUST),
            tags=self._tags,
            opts=self.options(),
        )
        permissions = aws.iam.RolePolicy(
            self.child("permissions", limit=128),
            role=role.name,
            policy=pulumi.Output.all(wired["image"], archive.bucket, archive.key, logs.arn, key).apply(
                lambda known: role_policy(region, *known)
            ),
            opts=self.options(),
        )
        model = aws.sagemaker.Model(
            self.child("model", limit=63),
            region=region,
            execution_role_arn=role.arn,
            primary_container={
                "image": wired["image"],
                "model_data_url": pulumi.Output.format("s3://{0}/{1}", archive.bucket, archive.key),
            },
            tags=self._tags,
            # SageMaker reads the archive with the role when the model is created.
            opts=self.options(depends_on=[permissions]),
        )
        configuration = aws.sagemaker.EndpointConfiguration(
            self.child("configuration", limit=63),
            region=region,
            production_variants=[
                {
                    "variant_name": VARIANT,
                    "model_name": model.name,
                    "serverless_config": {"memory_size_in_mb": memory_mb, "max_concurrency": settings.scaling.max},
                }
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
            # Logs written before the group exists would make one that is kept forever.
            opts=self.options(depends_on=[logs]),
        )

        self.endpoint_name = endpoint.name
        self.endpoint_arn = endpoint.arn
        self.artifact_digest = pulumi.Output.from_input(artifact.digest)
        self.memory_mb = pulumi.Output.from_input(memory_mb)
        self.log_group = logs.name
        self.register_outputs(
            {
                "endpoint_name": self.endpoint_name,
                "endpoint_arn": self.endpoint_arn,
                "artifact_digest": self.artifact_digest,
                "memory_mb": self.memory_mb,
                "log_group": self.log_group,
            }
        )


_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def role_policy(region: str, image: str, bucket: str, key: str, log_group_arn: str, kms_key_arn: str | None) -> str:
    """The policy of the endpoint's role: read this archive, pull this image, write these logs and metrics.

    Two actions have no resource that could be named (`ecr:GetAuthorizationToken`, `cloudwatch:PutMetricData`); each
    is bound by a condition instead.
    """
    archive = f"arn:{partition_of(region)}:s3:::{bucket}/{key}"
    here = {"StringEquals": {"aws:RequestedRegion": region}}
    statements = [
        {"Sid": "ReadArtifact", "Effect": "Allow", "Action": "s3:GetObject", "Resource": archive},
        {
            "Sid": "PullImage",
            "Effect": "Allow",
            "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            "Resource": image_repository_arn(image),
        },
        {
            "Sid": "LogInToRegistry",
            "Effect": "Allow",
            "Action": "ecr:GetAuthorizationToken",
            "Resource": "*",
            "Condition": here,
        },
        {
            "Sid": "WriteLogs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            "Resource": f"{log_group_arn}:*",
        },
        {
            "Sid": "WriteMetrics",
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": "/aws/sagemaker/Endpoints"}},
        },
    ]
    if kms_key_arn:
        statements.append(
            {"Sid": "DecryptArtifact", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": kms_key_arn}
        )
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
