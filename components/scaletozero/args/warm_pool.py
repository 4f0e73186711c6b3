"""The arguments of `WarmPool`."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.scaling import PoolScalingArgs, WindowArgs
from scaletozero.settings.pools import WarmUnit


class WarmPoolArgs(TypedDict):
    """The arguments of `WarmPool`."""

    endpoint_name: pulumi.Input[str]
    """Name of the endpoint."""
    region: str
    """AWS region of the endpoint."""
    unit: WarmUnit
    """What is kept warm."""
    scaling: NotRequired[PoolScalingArgs]
    """Minimum, maximum and headroom. Default: those of each unit."""
    cold_start_seconds: float
    """Seconds of a cold start; windows open that much earlier."""
    schedule: NotRequired[list[WindowArgs]]
    """Windows in which more is warm."""
    variant: NotRequired[str]
    """Variant of the endpoint. Default: `AllTraffic`."""
    residency: NotRequired[list[str]]
    """Regions that it may be in. Default: any region."""
    tags: NotRequired[dict[str, str]]
    """Additional tags."""
