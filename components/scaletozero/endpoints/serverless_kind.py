"""The kind `serverless`: SageMaker Serverless Inference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from model_packaging.artifact.reader import open_artifact
from model_packaging.findings import Finding
from scaletozero.endpoints.kind import Invocation, Kind, Site
from scaletozero.endpoints.sagemaker_kind import arguments, exports, sagemaker_findings
from scaletozero.settings.account import QuotaShare
from scaletozero.settings.fit import fit_findings
from scaletozero.settings.serverless import ServerlessEndpoint

if TYPE_CHECKING:
    import pulumi


class ServerlessKind(Kind[ServerlessEndpoint]):
    """CPU containers that start with the request and cost nothing while idle."""

    name = "serverless"
    settings = ServerlessEndpoint
    invocation = Invocation.RESPONSE

    def site_findings(self, settings: ServerlessEndpoint, region: str) -> Iterable[Finding]:
        return sagemaker_findings(settings, region)

    def quota_share(self, settings: ServerlessEndpoint) -> QuotaShare:
        return QuotaShare(
            serverless_endpoints=1,
            concurrency=settings.scaling.max,
            provisioned_concurrency=_provisioned_at_most(settings),
        )

    def artifact_findings(self, name: str, settings: ServerlessEndpoint, site: Site) -> list[Finding]:
        manifest = open_artifact(site.root / settings.artifact).manifest
        return fit_findings(manifest, settings.memory_mb, f"endpoints.{name}")

    def declare(
        self,
        name: str,
        settings: ServerlessEndpoint,
        site: Site,
        bucket: pulumi.Output[str],
        opts: pulumi.ResourceOptions,
    ) -> dict[str, Any]:
        from scaletozero.endpoints import serverless

        endpoint = serverless.ServerlessEndpoint(name, arguments(settings, site, bucket), opts)
        return {**exports(settings, endpoint), "memory_mb": endpoint.memory_mb}

    def size(self, exported: Mapping[str, Any]) -> str:
        return f"{exported['memory_mb']} MB"


def _provisioned_at_most(endpoint: ServerlessEndpoint) -> int:
    """The most provisioned concurrency that its scaling and schedule can ever ask for."""
    scaling = endpoint.scaling
    if not scaling.min:
        return 0
    return scaling.max if scaling.target else max([scaling.min, *(window.min for window in endpoint.schedule)])
