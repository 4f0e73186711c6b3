"""The arguments of `EndpointAlarms`."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.scaling import AlarmsArgs
from scaletozero.settings.alarms import EndpointKind


class EndpointAlarmsArgs(TypedDict):
    """The arguments of `EndpointAlarms`."""

    endpoint_name: pulumi.Input[str]
    """The endpoint."""
    region: str
    """The AWS region of the endpoint."""
    kind: EndpointKind
    """What it is: other kinds have other metrics."""
    provisioned: NotRequired[bool]
    """Whether it has provisioned concurrency, which calls can exceed."""
    variant: NotRequired[str]
    """The endpoint's variant; `AllTraffic` unless given."""
    alarms: NotRequired[AlarmsArgs]
    """Who is told, and when; defaults unless given."""
    tags: NotRequired[dict[str, str]]
    """Further tags."""
