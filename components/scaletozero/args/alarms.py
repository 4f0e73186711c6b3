"""The arguments of `EndpointAlarms`."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.scaling import AlarmsArgs
from scaletozero.settings.alarms import EndpointKind


class EndpointAlarmsArgs(TypedDict):
    """The arguments of `EndpointAlarms`."""

    endpoint_name: pulumi.Input[str]
    """Name of the endpoint."""
    region: str
    """AWS region of the endpoint."""
    kind: EndpointKind
    """Kind of the endpoint, which decides its metrics."""
    provisioned: NotRequired[bool]
    """Whether the endpoint has provisioned concurrency, which calls can exceed. Default: false."""
    variant: NotRequired[str]
    """Variant of the endpoint. Default: `AllTraffic`."""
    alarms: NotRequired[AlarmsArgs]
    """The thresholds and the topics. Default: each threshold's default, and no topics."""
    residency: NotRequired[list[str]]
    """Regions that it may be in. Default: any region."""
    tags: NotRequired[dict[str, str]]
    """Additional tags."""
