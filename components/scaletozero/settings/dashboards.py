"""What a dashboard on CloudWatch shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from model_packaging.findings import Finding
from model_packaging.validation import Settings, Text, may_be_later
from scaletozero.settings.alarms import Alarms, EndpointKind
from scaletozero.settings.amounts import MonthlyCap
from scaletozero.settings.common import EndpointName
from scaletozero.settings.gateway_function import MemoryMb as FunctionMb
from scaletozero.settings.names import VARIANT
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import within
from scaletozero.settings.serverless import MemoryMb


class DashboardEndpoint(Settings):
    """One endpoint on a dashboard.

    Attributes:
        endpoint_name: the endpoint's name at the service.
        kind: the kind of the endpoint, which decides its metrics.
        title: its heading; default: the endpoint's name.
        variant: the endpoint's variant.
        provisioned: whether it has provisioned concurrency.
        memory_mb: the memory of one container, from which the spending is computed; default: spending is not shown.
        alarms: the thresholds of its alarms, which are drawn as lines; default: no lines.
        cap_usd_per_month: its cap over the month, where a spending guard measures the month; default: the month is not
            shown.
    """

    endpoint_name: EndpointName
    kind: EndpointKind
    title: Text | None = None
    variant: Text = VARIANT
    provisioned: bool = False
    memory_mb: MemoryMb | None = None
    alarms: Alarms | None = None
    cap_usd_per_month: MonthlyCap | None = None

    def conflicts(self) -> Iterable[Finding]:
        if self.kind is EndpointKind.ASYNCHRONOUS:
            given = {"memory_mb": self.memory_mb, "provisioned": self.provisioned or None}
            for key, value in given.items():
                if value is not None:
                    yield Finding(
                        key,
                        "is for serverless endpoints only",
                        str(value),
                        "the dashboard would show what the endpoint does not have",
                        "remove it",
                    )


class EndpointDashboardSettings(DashboardEndpoint):
    """`EndpointDashboardArgs`.

    Attributes:
        region: the AWS region of the endpoint.
        residency: the regions that it may be in. Default: any region.
    """

    region: Region
    residency: tuple[Region, ...] = ()

    def conflicts(self) -> Iterable[Finding]:
        yield from super().conflicts()
        yield from within(self.residency, self.region, "region")


class DashboardGateway(Settings):
    """A gateway on a dashboard.

    Attributes:
        function_name: the name of its function.
        title: its heading.
        memory_mb: the memory of its function, from which the spending is computed; default: spending is not shown.
        api: whether an API is before it, and not a URL.
    """

    function_name: Annotated[Text, may_be_later]
    title: Text = "Gateway"
    memory_mb: FunctionMb | None = None
    api: bool = False


class EnvironmentDashboardSettings(Settings):
    """`EnvironmentDashboardArgs`.

    Attributes:
        region: the AWS region of the endpoints.
        endpoints: the endpoints, in the order in which they are shown.
        gateway: the gateway, which is shown first; default: none.
        title: the heading; default: the project and the stack.
        residency: the regions that it may be in. Default: any region.
    """

    region: Region
    endpoints: Annotated[tuple[DashboardEndpoint, ...], Field(min_length=1)]
    gateway: DashboardGateway | None = None
    title: Text | None = None
    residency: tuple[Region, ...] = ()

    def conflicts(self) -> Iterable[Finding]:
        yield from within(self.residency, self.region, "region")
        seen: dict[tuple[str, str], int] = {}
        for index, endpoint in enumerate(self.endpoints):
            path = f"endpoints.{index}"
            yield from (replace(each, path=f"{path}.{each.path}") for each in endpoint.conflicts())
            if isinstance(endpoint.endpoint_name, str):
                first = seen.setdefault((endpoint.endpoint_name, endpoint.variant), index)
                if first != index:
                    yield Finding(
                        f"{path}.endpoint_name",
                        f"must differ from endpoints.{first}",
                        endpoint.endpoint_name,
                        "the dashboard would show it twice",
                        "remove one of them",
                    )
