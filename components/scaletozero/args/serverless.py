"""The arguments of `ServerlessEndpoint`."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.scaling import AlarmsArgs, ServerlessScalingArgs, WindowArgs


class ServerlessEndpointArgs(TypedDict):
    """The arguments of `ServerlessEndpoint`."""

    artifact: str
    """The folder that the packaging wrote: the model's archive and its manifest."""
    bucket: pulumi.Input[str]
    """The name of the bucket that the archive is uploaded to; `ArtifactStore.bucket`."""
    image: pulumi.Input[str]
    """The serving image: in ECR, in the endpoint's region and account, pinned by digest or exact tag."""
    region: str
    """The AWS region of the endpoint and of all that belongs to it."""
    memory_mb: NotRequired[int]
    """1024 to 6144 in steps of 1024; what the artifact's manifest recommends unless given."""
    scaling: NotRequired[ServerlessScalingArgs]
    """How far it scales."""
    schedule: NotRequired[list[WindowArgs]]
    """Windows in which more is warm."""
    alarms: NotRequired[AlarmsArgs]
    """When somebody is told; no alarms unless given."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key of the bucket and the logs; default: the services' own. The endpoint's role may decrypt
    with it."""
    residency: NotRequired[list[str]]
    """The regions that it may be in; any unless given."""
    endpoint_name: NotRequired[str]
    """The endpoint's name at SageMaker; default: made of the project's, the stack's and the component's. Another name
    is another endpoint: a component that is renamed keeps its endpoint by this and by an alias."""
    log_retention_days: NotRequired[int]
    """How long the containers' logs are kept; default: 30 days."""
    tags: NotRequired[dict[str, str]]
    """Further tags."""
