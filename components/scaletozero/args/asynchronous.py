"""The arguments of `AsyncEndpoint`."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.framework_image import ServedImage
from scaletozero.args.scaling import AlarmsArgs, InstanceScalingArgs, WindowArgs


class VpcArgs(TypedDict):
    """The network that instances are attached to."""

    subnet_ids: pulumi.Input[list[pulumi.Input[str]]]
    """1 to 16 subnets, each with a route to S3."""
    security_group_ids: pulumi.Input[list[pulumi.Input[str]]]
    """1 to 5 security groups."""


class AsyncEndpointArgs(TypedDict):
    """The arguments of `AsyncEndpoint`."""

    artifact: str
    """The folder that `scaletozero package` wrote: the model's archive and its manifest."""
    bucket: pulumi.Input[str]
    """The name of the bucket for the archive, the requests and the results, for example `ArtifactStore.bucket`."""
    image: ServedImage
    """The serving image: in ECR, in the endpoint's region and account, pinned by a digest or an exact tag; or an image
    of AWS by framework and version."""
    region: str
    """AWS region of the endpoint and of everything that belongs to it."""
    instance_type: str
    """Instance type of SageMaker hosting, such as `ml.g5.xlarge`."""
    concurrency: NotRequired[int]
    """Requests that an instance works on at a time. Default: 1."""
    scaling: NotRequired[InstanceScalingArgs]
    """Minimum, maximum and idle time of its instances."""
    schedule: NotRequired[list[WindowArgs]]
    """Windows in which more instances run."""
    cold_start_seconds: NotRequired[int]
    """Seconds from when an instance is asked for until it responds: how much earlier schedules begin. Default: 600."""
    vpc: NotRequired[pulumi.Input[VpcArgs]]
    """The network of its instances. Default: SageMaker's own."""
    network_isolation: NotRequired[bool]
    """Whether the containers have no network. Default: true. SageMaker itself delivers the archive and the requests;
    set false for a server that downloads something itself."""
    alarms: NotRequired[AlarmsArgs]
    """The thresholds of its alarms. Default: no alarms."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key of the bucket, the topics, the logs and the instances' disks. Default: the services'
    own keys."""
    folder: NotRequired[str]
    """The folder of requests and results, below `async/` in the bucket. Default: the component's name."""
    residency: NotRequired[list[str]]
    """Allowed regions. Default: any region."""
    endpoint_name: NotRequired[str]
    """The endpoint's name at SageMaker. Default: made of the project's, the stack's and the component's. Another name
    is another endpoint: a renamed component keeps its endpoint by this and by an alias."""
    log_retention_days: NotRequired[int]
    """Days for which the containers' logs are kept. Default: 30."""
    tags: NotRequired[dict[str, str]]
    """Additional tags."""
