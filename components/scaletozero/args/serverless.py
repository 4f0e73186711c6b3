"""The arguments of `ServerlessEndpoint`."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.framework_image import ServedImage
from scaletozero.args.scaling import AlarmsArgs, ServerlessScalingArgs, WindowArgs


class ServerlessEndpointArgs(TypedDict):
    """The arguments of `ServerlessEndpoint`."""

    artifact: str
    """The folder that `scaletozero package` wrote: the model's archive and its manifest."""
    bucket: pulumi.Input[str]
    """The name of the bucket that the archive is uploaded to, for example `ArtifactStore.bucket`."""
    image: ServedImage
    """The serving image: in ECR, in the endpoint's region and account, pinned by a digest or an exact tag; or an image
    of AWS by framework and version."""
    region: str
    """AWS region of the endpoint and of everything that belongs to it."""
    memory_mb: NotRequired[int]
    """Memory of a container in MB, 1024 to 6144 in steps of 1024. Default: the recommendation in the manifest."""
    scaling: NotRequired[ServerlessScalingArgs]
    """Minimum, maximum and headroom of its containers."""
    schedule: NotRequired[list[WindowArgs]]
    """Windows in which more containers stay warm."""
    cold_start_seconds: NotRequired[int]
    """Seconds until a container responds: how much earlier schedules begin. Default: the figure in the manifest."""
    alarms: NotRequired[AlarmsArgs]
    """The thresholds of its alarms. Default: no alarms."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key of the bucket and the logs. Default: the services' own keys. The endpoint's role may
    decrypt with it."""
    residency: NotRequired[list[str]]
    """Allowed regions. Default: any region."""
    endpoint_name: NotRequired[str]
    """The endpoint's name at SageMaker. Default: made of the project's, the stack's and the component's. Another name
    is another endpoint: a renamed component keeps its endpoint by this and by an alias."""
    log_retention_days: NotRequired[int]
    """Days for which the containers' logs are kept. Default: 30."""
    tags: NotRequired[dict[str, str]]
    """Additional tags."""
