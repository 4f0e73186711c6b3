"""The kind `asynchronous`: SageMaker Asynchronous Inference on instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from model_packaging.artifact.reader import open_artifact
from model_packaging.findings import Finding
from scaletozero.cold_start.remembered import Recalled, Served
from scaletozero.endpoints.guarded_costs import instances_guarded
from scaletozero.endpoints.kind import Examined, Invocation, Kind, Site
from scaletozero.endpoints.kind_costs import Workload, asynchronous_priced, asynchronous_workload, on_asynchronous
from scaletozero.endpoints.kind_fleets import asynchronous_fleet
from scaletozero.endpoints.kind_usage import asynchronous_metering
from scaletozero.endpoints.sagemaker_kind import (
    arguments,
    asynchronous_remembering,
    exports,
    image_address,
    on_dashboard,
    sagemaker_declared,
    sagemaker_deployed,
    sagemaker_findings,
    say_measured,
)
from scaletozero.endpoints.state import Resource
from scaletozero.observability.asynchronous import asynchronous_alarms, asynchronous_panels
from scaletozero.observability.panels import Panel, Watched
from scaletozero.observability.plan import Alarm
from scaletozero.observability.usage import Metering
from scaletozero.residency.resource import DeclaredResource
from scaletozero.scaling.fleet_advice import DeclaredFleet
from scaletozero.settings.account import QuotaShare
from scaletozero.settings.alarms import Alarms
from scaletozero.settings.asynchronous import AsynchronousEndpoint
from scaletozero.settings.guard import Over
from scaletozero.settings.instances import instance_conflicts
from scaletozero.spending.estimate import Alternative, Guard, Priced
from scaletozero.spending.guard import asynchronous_guard
from scaletozero.spending.prices import PriceTable

if TYPE_CHECKING:
    import pulumi


class AsynchronousKind(Kind[AsynchronousEndpoint]):
    """Instances that are added while requests wait in the queue, and removed when it is empty."""

    name = "asynchronous"
    settings = AsynchronousEndpoint
    component = "scaletozero:index:AsyncEndpoint"
    invocation = Invocation.QUEUE

    def site_findings(self, settings: AsynchronousEndpoint, region: str) -> Iterable[Finding]:
        yield from sagemaker_findings(settings, region)
        yield from instance_conflicts(settings.instance_type, region, "instance_type")

    def declared_resources(self, name: str, settings: AsynchronousEndpoint, region: str) -> Iterable[DeclaredResource]:
        return sagemaker_declared(name, settings, region)

    def quota_share(self, settings: AsynchronousEndpoint) -> QuotaShare:
        return QuotaShare(instances={settings.instance_type: settings.scaling.max})

    def alarms(self, settings: Alarms, provisioned: bool) -> list[Alarm]:
        return asynchronous_alarms(settings, provisioned)

    def panels(self, watched: Watched) -> list[Panel]:
        return asynchronous_panels(watched)

    def on_dashboard(self, name: str, settings: AsynchronousEndpoint, memory_mb: int | None) -> dict[str, Any]:
        return on_dashboard(name, settings)

    def examine(self, name: str, settings: AsynchronousEndpoint, site: Site) -> Examined:
        return Examined([], open_artifact(site.root / settings.artifact))

    def declare(
        self,
        name: str,
        settings: AsynchronousEndpoint,
        site: Site,
        bucket: pulumi.Output[str],
        opts: pulumi.ResourceOptions,
    ) -> dict[str, Any]:
        from scaletozero.endpoints.asynchronous import AsyncEndpoint

        endpoint = AsyncEndpoint(name, arguments(name, settings, site, bucket), opts)
        say_measured(self, name, settings, site, endpoint)
        return {
            **exports(settings, endpoint),
            "instance_type": settings.instance_type,
            "requests": endpoint.requests,
        }

    def deployed(self, children: Mapping[str, Resource]) -> dict[str, Any]:
        return sagemaker_deployed(children)

    def metering(self, deployed: Mapping[str, Any], region: str, table: PriceTable) -> Metering:
        return asynchronous_metering(deployed["instance_type"], region, table)

    def size(self, deployed: Mapping[str, Any]) -> str:
        return deployed.get("instance_type", "?")

    def priced(self, settings: AsynchronousEndpoint, opened: Any, region: str, table: PriceTable) -> Priced:
        alarms = asynchronous_alarms(settings.alarms, False) if settings.alarms else ()
        return asynchronous_priced(settings, opened.manifest, region, table, alarms)

    def guard(self, over: Over) -> Guard:
        return asynchronous_guard(over)

    def guarded(self, settings: AsynchronousEndpoint, priced: Priced) -> dict[str, Any]:
        return {"kind": self.name, "instance_type": settings.instance_type, **instances_guarded(priced.cost)}

    def as_fleet(self, settings: AsynchronousEndpoint, opened: Any, region: str, table: PriceTable) -> DeclaredFleet:
        return asynchronous_fleet(settings, opened.manifest, region, table)

    def served(self, settings: AsynchronousEndpoint, opened: Any, region: str) -> Served:
        return Served(region, (settings.instance_type,), image_address(settings, region), opened.digest)

    def remembering(self, settings: AsynchronousEndpoint, recalled: Recalled) -> AsynchronousEndpoint:
        return asynchronous_remembering(settings, recalled)

    def workload(self, settings: AsynchronousEndpoint, opened: Any) -> Workload:
        return asynchronous_workload(settings, opened.manifest)

    def alternative(self, work: Workload, region: str, table: PriceTable) -> Alternative | None:
        return on_asynchronous(work, region, table)
