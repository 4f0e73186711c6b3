"""The arguments of `WarmCalls`."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.scaling import WindowArgs


class WarmCallsArgs(TypedDict):
    """The arguments of `WarmCalls`."""

    endpoint_name: pulumi.Input[str]
    """Name of the endpoint."""
    endpoint_arn: pulumi.Input[str]
    """ARN of the endpoint, the only one that the function may call."""
    region: str
    """AWS region of the endpoint."""
    sample_input: str
    """The request, in JSON; at most 4 MiB."""
    schedule: list[WindowArgs]
    """Windows in which the endpoint is kept warm."""
    cold_start_seconds: float
    """Duration of a cold start in seconds; calls begin that much earlier."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key of the function's logs and of the schedules. Default: the services' own keys."""
    log_retention_days: NotRequired[int]
    """Days for which the function's logs are kept. Default: 14."""
    reserve_concurrency: NotRequired[bool]
    """Whether the function has reserved concurrency. Default: true. Lambda refuses it in an account whose quota of
    concurrent executions is about 100 or less."""
    residency: NotRequired[list[str]]
    """Regions that it may be in. Default: any region."""
    tags: NotRequired[dict[str, str]]
    """Additional tags."""
