"""The arguments of `EndpointDashboard` and `EnvironmentDashboard`."""

from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.scaling import AlarmsArgs
from scaletozero.settings.alarms import EndpointKind


class DashboardEndpointArgs(TypedDict):
    """One endpoint on a dashboard."""

    endpoint_name: pulumi.Input[str]
    """Name of the endpoint."""
    kind: EndpointKind
    """Kind of the endpoint, which decides its metrics."""
    title: NotRequired[str]
    """Its heading. Default: the endpoint's name."""
    variant: NotRequired[str]
    """Variant of the endpoint. Default: `AllTraffic`."""
    provisioned: NotRequired[bool]
    """Whether it has provisioned concurrency, which calls can exceed. Default: false."""
    memory_mb: NotRequired[int]
    """Memory of one container in MB, from which the spending is computed. Default: spending is not shown. Serverless
    endpoints only."""
    alarms: NotRequired[AlarmsArgs]
    """The thresholds of its alarms, which are drawn as lines. Default: no lines."""
    cap_usd_per_month: NotRequired[float]
    """The most that a month of it may cost, in USD, as its `SpendingGuard` has it with `over` set to `month` or `both`:
    what the month has cost is shown with the cap, what is left of it, and what the month costs at that rate. Default:
    the month is not shown."""


class EndpointDashboardArgs(TypedDict):
    """The arguments of `EndpointDashboard`."""

    endpoint_name: pulumi.Input[str]
    """Name of the endpoint."""
    kind: EndpointKind
    """Kind of the endpoint, which decides its metrics."""
    region: str
    """AWS region of the endpoint, whose metrics are shown."""
    title: NotRequired[str]
    """Its heading. Default: the endpoint's name."""
    variant: NotRequired[str]
    """Variant of the endpoint. Default: `AllTraffic`."""
    provisioned: NotRequired[bool]
    """Whether it has provisioned concurrency, which calls can exceed. Default: false."""
    memory_mb: NotRequired[int]
    """Memory of one container in MB, from which the spending is computed. Default: spending is not shown. Serverless
    endpoints only."""
    alarms: NotRequired[AlarmsArgs]
    """The thresholds of its alarms, which are drawn as lines. Default: no lines."""
    cap_usd_per_month: NotRequired[float]
    """The most that a month of it may cost, in USD, as its `SpendingGuard` has it with `over` set to `month` or `both`:
    what the month has cost is shown with the cap, what is left of it, and what the month costs at that rate. Default:
    the month is not shown."""
    residency: NotRequired[list[str]]
    """Regions that it may be in. Default: any region."""


class DashboardGatewayArgs(TypedDict):
    """A gateway on a dashboard."""

    function_name: pulumi.Input[str]
    """Name of its function."""
    title: NotRequired[str]
    """Its heading. Default: `Gateway`."""
    memory_mb: NotRequired[int]
    """Memory of its function in MB, from which the spending is computed. Default: spending is not shown."""
    api: NotRequired[bool]
    """Whether an API is before it, and not a URL. Default: false."""


class EnvironmentDashboardArgs(TypedDict):
    """The arguments of `EnvironmentDashboard`."""

    region: str
    """AWS region of the endpoints, whose metrics are shown."""
    endpoints: list[DashboardEndpointArgs]
    """The endpoints, in the order in which they are shown."""
    gateway: NotRequired[DashboardGatewayArgs]
    """The gateway, which is shown first. Default: none."""
    title: NotRequired[str]
    """The heading of the dashboard. Default: the project and the stack."""
    residency: NotRequired[list[str]]
    """Regions that it may be in. Default: any region."""
