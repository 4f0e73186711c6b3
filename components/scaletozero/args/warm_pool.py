"""The arguments of `WarmPool`."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.scaling import PoolScalingArgs, WindowArgs
from scaletozero.settings.pools import WarmUnit


class WarmPoolArgs(TypedDict):
    """The arguments of `WarmPool`."""

    endpoint_name: pulumi.Input[str]
    """The endpoint."""
    region: str
    """The AWS region of the endpoint."""
    unit: WarmUnit
    """What is kept warm."""
    scaling: NotRequired[PoolScalingArgs]
    """How much of it."""
    cold_start_seconds: float
    """How long one takes to be warm: windows are opened that much earlier."""
    schedule: NotRequired[list[WindowArgs]]
    """Windows in which more is warm."""
    variant: NotRequired[str]
    """The endpoint's variant; `AllTraffic` unless given."""
    tags: NotRequired[dict[str, str]]
    """Further tags."""
