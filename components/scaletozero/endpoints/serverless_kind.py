"""The kind `serverless`: SageMaker Serverless Inference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from model_packaging.artifact.manifest import Manifest
from model_packaging.artifact.reader import open_artifact
from model_packaging.findings import Finding
from scaletozero.cold_start.remembered import Recalled, Served
from scaletozero.endpoints.guarded_costs import serverless_guarded
from scaletozero.endpoints.kind import Examined, Invocation, Kind, Site, without_none
from scaletozero.endpoints.kind_costs import Workload, on_serverless, serverless_priced, serverless_workload
from scaletozero.endpoints.kind_usage import serverless_metering, serverless_provisioned
from scaletozero.endpoints.sagemaker_kind import (
    arguments,
    exports,
    image_address,
    on_dashboard,
    sagemaker_declared,
    sagemaker_deployed,
    sagemaker_findings,
    say_measured,
    serverless_remembering,
    serverless_type,
)
from scaletozero.endpoints.state import Resource
from scaletozero.observability.panels import Panel, Watched
from scaletozero.observability.plan import Alarm
from scaletozero.observability.provisioned import Provisioned
from scaletozero.observability.serverless import serverless_alarms, serverless_panels
from scaletozero.observability.usage import Metering
from scaletozero.residency.resource import DeclaredResource
from scaletozero.scaling.advice import Declared, Plan
from scaletozero.scaling.cost import rates
from scaletozero.settings.account import QuotaShare
from scaletozero.settings.alarms import Alarms
from scaletozero.settings.fit import fit_findings, memory_of
from scaletozero.settings.guard import Over
from scaletozero.settings.regions import serverless_conflicts
from scaletozero.settings.scaling import WarmBy
from scaletozero.settings.serverless import ServerlessEndpoint
from scaletozero.spending.estimate import Alternative, Guard, Priced
from scaletozero.spending.guard import serverless_guard
from scaletozero.spending.prices import PriceTable

if TYPE_CHECKING:
    import pulumi


class ServerlessKind(Kind[ServerlessEndpoint]):
    """CPU containers that start on demand and cost nothing while idle."""

    name = "serverless"
    settings = ServerlessEndpoint
    component = "scaletozero:index:ServerlessEndpoint"
    invocation = Invocation.RESPONSE
    billed_per_call = True
    closed_by_callers = True

    def site_findings(self, settings: ServerlessEndpoint, region: str) -> Iterable[Finding]:
        yield from sagemaker_findings(settings, region)
        yield from serverless_conflicts(region, "kind")

    def declared_resources(self, name: str, settings: ServerlessEndpoint, region: str) -> Iterable[DeclaredResource]:
        return sagemaker_declared(name, settings, region)

    def quota_share(self, settings: ServerlessEndpoint) -> QuotaShare:
        return QuotaShare(
            serverless_endpoints=1,
            concurrency=settings.scaling.max,
            provisioned_concurrency=_provisioned_at_most(settings),
        )

    def alarms(self, settings: Alarms, provisioned: bool) -> list[Alarm]:
        return serverless_alarms(settings, provisioned)

    def panels(self, watched: Watched) -> list[Panel]:
        return serverless_panels(watched)

    def on_dashboard(self, name: str, settings: ServerlessEndpoint, memory_mb: int | None) -> dict[str, Any]:
        by_calls = settings.scaling.warm_by is WarmBy.CALLS
        return {
            **on_dashboard(name, settings),
            **without_none({"memory_mb": memory_mb}),
            "provisioned": bool(settings.scaling.min) and not by_calls,
        }

    def memory_mb(self, name: str, settings: ServerlessEndpoint, site: Site) -> int:
        artifact = site.opened.get(name) or open_artifact(site.root / settings.artifact)
        return memory_of(artifact.manifest, settings.memory_mb)

    def examine(self, name: str, settings: ServerlessEndpoint, site: Site) -> Examined:
        artifact = open_artifact(site.root / settings.artifact)
        return Examined(fit_findings(artifact.manifest, settings.memory_mb, f"endpoints.{name}"), artifact)

    def declare(
        self,
        name: str,
        settings: ServerlessEndpoint,
        site: Site,
        bucket: pulumi.Output[str],
        opts: pulumi.ResourceOptions,
    ) -> dict[str, Any]:
        from scaletozero.endpoints import serverless

        endpoint = serverless.ServerlessEndpoint(name, arguments(name, settings, site, bucket), opts)
        say_measured(self, name, settings, site, endpoint)
        return {**exports(settings, endpoint), "memory_mb": endpoint.memory_mb}

    def deployed(self, children: Mapping[str, Resource]) -> dict[str, Any]:
        return sagemaker_deployed(children)

    def metering(self, deployed: Mapping[str, Any], region: str, table: PriceTable) -> Metering:
        return serverless_metering(int(deployed["memory_mb"]), region, table)

    def provisioned(
        self, settings: ServerlessEndpoint, deployed: Mapping[str, Any], region: str, table: PriceTable
    ) -> Provisioned | None:
        if not _provisioned_at_most(settings):
            return None
        grows = settings.scaling.target is not None
        return serverless_provisioned(int(deployed["memory_mb"]), region, table, grows=grows)

    def size(self, deployed: Mapping[str, Any]) -> str:
        return f"{deployed.get('memory_mb', '?')} MB"

    def priced(self, settings: ServerlessEndpoint, opened: Any, region: str, table: PriceTable) -> Priced:
        most = _provisioned_at_most(settings)
        alarms = serverless_alarms(settings.alarms, bool(most)) if settings.alarms else ()
        return serverless_priced(settings, opened.manifest, region, table, alarms, most)

    def guard(self, over: Over) -> Guard:
        return serverless_guard(over)

    def guarded(self, settings: ServerlessEndpoint, priced: Priced) -> dict[str, Any]:
        return {"kind": self.name, **serverless_guarded(priced.cost)}

    def remembering(self, settings: ServerlessEndpoint, recalled: Recalled) -> ServerlessEndpoint:
        return serverless_remembering(settings, recalled)

    def served(self, settings: ServerlessEndpoint, opened: Any, region: str) -> Served:
        return Served(
            region,
            (serverless_type(memory_of(opened.manifest, settings.memory_mb)),),
            image_address(settings, region),
            opened.digest,
        )

    def workload(self, settings: ServerlessEndpoint, opened: Any) -> Workload:
        return serverless_workload(settings, opened.manifest)

    def alternative(self, work: Workload, region: str, table: PriceTable) -> Alternative | None:
        return on_serverless(work, region, table)

    def as_declared(self, settings: ServerlessEndpoint, manifest: Manifest, region: str) -> Declared:
        scaling, memory_mb = settings.scaling, memory_of(manifest, settings.memory_mb)
        plan = Plan("as declared", scaling.min, settings.schedule, scaling.warm_by is WarmBy.CALLS)
        return Declared(plan, scaling.max, memory_mb, rates(region, memory_mb))


def _provisioned_at_most(endpoint: ServerlessEndpoint) -> int:
    """The maximum provisioned concurrency that its scaling and schedule can request."""
    scaling = endpoint.scaling
    if not scaling.min:
        return 0
    return scaling.max if scaling.target else max([scaling.min, *(window.min for window in endpoint.schedule)])
