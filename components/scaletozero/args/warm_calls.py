"""The arguments of `WarmCalls`."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.scaling import WindowArgs


class WarmCallsArgs(TypedDict):
    """The arguments of `WarmCalls`."""

    endpoint_name: pulumi.Input[str]
    """The endpoint."""
    endpoint_arn: pulumi.Input[str]
    """Its ARN: the function may call this one and no other."""
    region: str
    """The AWS region of the endpoint."""
    sample_input: str
    """The JSON that the model is asked."""
    schedule: list[WindowArgs]
    """The windows in which it is kept warm."""
    cold_start_seconds: float
    """How long a container takes to be warm: calls begin that much earlier."""
    tags: NotRequired[dict[str, str]]
    """Further tags."""
