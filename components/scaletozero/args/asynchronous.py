"""The arguments of `AsyncEndpoint`."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.scaling import AlarmsArgs, InstanceScalingArgs, WindowArgs


class VpcArgs(TypedDict):
    """The network that instances are attached to."""

    subnet_ids: list[pulumi.Input[str]]
    """1 to 16 subnets, each with a way to S3."""
    security_group_ids: list[pulumi.Input[str]]
    """1 to 5 security groups."""


class AsyncEndpointArgs(TypedDict):
    """The arguments of `AsyncEndpoint`."""

    artifact: str
    """The folder that the packaging wrote: the model's archive and its manifest."""
    bucket: pulumi.Input[str]
    """The name of the bucket for the archive, the requests and the answers; `ArtifactStore.bucket`."""
    image: pulumi.Input[str]
    """The serving image: in ECR, in the endpoint's region and account, pinned by digest or exact tag."""
    region: str
    """The AWS region of the endpoint and of all that belongs to it."""
    instance_type: str
    """Of SageMaker hosting, such as `ml.g5.xlarge`."""
    concurrency: NotRequired[int]
    """How many requests an instance works on at a time; 1 unless given."""
    scaling: NotRequired[InstanceScalingArgs]
    """How far it scales."""
    schedule: NotRequired[list[WindowArgs]]
    """Windows in which more instances are there."""
    vpc: NotRequired[VpcArgs]
    """The network of its instances; SageMaker's own unless given."""
    alarms: NotRequired[AlarmsArgs]
    """When somebody is told; no alarms unless given."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key of the bucket, the topics and the instances' disks; the services' own unless given."""
    residency: NotRequired[list[str]]
    """The regions that it may be in; any unless given."""
    tags: NotRequired[dict[str, str]]
    """Further tags."""
