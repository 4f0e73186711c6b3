"""Dashboards on CloudWatch: of one endpoint, and of all the endpoints of an environment."""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pulumi
import pulumi_aws as aws

from scaletozero.args.dashboards import EndpointDashboardArgs, EnvironmentDashboardArgs
from scaletozero.component import Component, validated
from scaletozero.endpoints.dashboard_sections import function_usd, section, watched
from scaletozero.observability.cloudwatch_dashboard import check_body, dashboard_bodies
from scaletozero.observability.gateway_panels import gateway_section
from scaletozero.settings.dashboards import (
    DashboardEndpoint,
    DashboardGateway,
    EndpointDashboardSettings,
    EnvironmentDashboardSettings,
)


class EndpointDashboard(Component):
    """A dashboard on CloudWatch of one endpoint: requests, errors, latencies, cold starts, and what they cost.

    The thresholds of its alarms are drawn as lines. CloudWatch's dashboards belong to no region and have no tags; the
    metrics that they show are those of the endpoint's region. An account has three dashboards of up to 50 metrics free
    of charge.

    Its child is the attribute `dashboard`.

    Raises:
        FindingsError: when an argument breaks a rule, before anything is declared.
    """

    type_name = "scaletozero:index:EndpointDashboard"

    dashboard_name: pulumi.Output[str]
    """The name of the dashboard."""

    def __init__(self, name: str, args: EndpointDashboardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, inputs = validated(EndpointDashboardSettings, args, name=name, inputs=["endpoint_name"])
        bodies, count = _plan(name, settings.title, [settings], settings.region)
        super().__init__(name, opts, region=settings.region, tags={})
        (self.dashboard,) = _declare(self, bodies, count, [inputs["endpoint_name"]], settings.region)
        self.dashboard_name = self.dashboard.dashboard_name
        self.register_outputs({"dashboard_name": self.dashboard_name})


class EnvironmentDashboard(Component):
    """A dashboard on CloudWatch of several endpoints, one below the other, with the panels of `EndpointDashboard`.

    A `gateway` is shown above them: its function's requests, refusals, times and failures, and what its time costs.

    Endpoints that are more than a dashboard of CloudWatch can hold (500 widgets, 2500 metrics) are shown on several.

    Its children are the attribute `dashboards`.

    Raises:
        FindingsError: when an argument breaks a rule, before anything is declared.
    """

    type_name = "scaletozero:index:EnvironmentDashboard"

    dashboard_names: pulumi.Output[list[str]]
    """The names of the dashboards."""

    def __init__(self, name: str, args: EnvironmentDashboardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, _ = validated(EnvironmentDashboardSettings, args, name=name, inputs=["endpoints", "gateway"])
        title = settings.title or f"{pulumi.get_project()}, {pulumi.get_stack()}"
        bodies, count = _plan(name, title, settings.endpoints, settings.region, settings.gateway)
        super().__init__(name, opts, region=settings.region, tags={})
        names = [each["endpoint_name"] for each in args["endpoints"]]
        if settings.gateway is not None and "gateway" in args:
            names.append(args["gateway"]["function_name"])
        self.dashboards = _declare(self, bodies, count, names, settings.region)
        self.dashboard_names = pulumi.Output.all(*(each.dashboard_name for each in self.dashboards))
        self.register_outputs({"dashboard_names": self.dashboard_names})


Bodies: TypeAlias = Callable[[Sequence[str]], list[dict[str, Any]]]
"""The dashboards' bodies, from the endpoints' names."""


def _plan(
    component: str,
    title: str | None,
    endpoints: Sequence[DashboardEndpoint],
    region: str,
    gateway: DashboardGateway | None = None,
) -> tuple[Bodies, int]:
    """The bodies, and how many they are, which does not depend on the endpoints' names, nor the gateway's, the last.

    Raises:
        FindingsError: CloudWatch would refuse one of them.
    """
    seen_of = [watched(each, region) for each in endpoints]

    def bodies(names: Sequence[str]) -> list[dict[str, Any]]:
        found = zip(endpoints, seen_of, names[: len(endpoints)], strict=True)
        sections = [section(each, seen, name) for each, seen, name in found]
        if gateway is not None:
            usd = function_usd(gateway.memory_mb, region)
            sections.insert(0, gateway_section(names[-1], gateway.title, usd, api=gateway.api))
        return dashboard_bodies(title or names[0], sections, region)

    first = bodies(["e" * 63] * (len(endpoints) + (gateway is not None)))
    for number, body in enumerate(first, 1):
        check_body(body, f"{component}.dashboard {number}")
    return bodies, len(first)


def _declare(
    owner: Component, bodies: Bodies, count: int, names: Sequence[pulumi.Input[str]], region: str
) -> list[aws.cloudwatch.Dashboard]:
    found = pulumi.Output.all(*names).apply(bodies)
    return [
        aws.cloudwatch.Dashboard(
            owner.child(suffix, limit=255),
            region=region,
            dashboard_name=owner.physical_name(*filter(None, [suffix]), limit=255),
            dashboard_body=found.apply(lambda known, at=index: json.dumps(known[at])),
            opts=owner.options(),
        )
        for index in range(count)
        for suffix in [str(index + 1) if index else ""]
    ]
