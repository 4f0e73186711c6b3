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
    """The unit that is kept warm."""
    scaling: NotRequired[PoolScalingArgs]
    """Minimum, maximum and headroom. Default: each unit's defaults."""
    cold_start_seconds: float
    """Duration of a cold start in seconds; windows open that much earlier."""
    schedule: NotRequired[list[WindowArgs]]
    """Windows in which more units are warm."""
    variant: NotRequired[str]
    """Variant of the endpoint. Default: `AllTraffic`."""
    residency: NotRequired[list[str]]
    """Regions that it may be in. Default: any region."""
    tags: NotRequired[dict[str, str]]
    """Additional tags."""
