"""The kind `gpu`: GPUs of a Kubernetes cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import LATER, parse
from scaletozero.cold_start.image import ImageContent
from scaletozero.cold_start.predict import Predicted
from scaletozero.endpoints.kind import Examined, Invocation, Kind, Site, common_exports, without_none
from scaletozero.endpoints.kind_costs import Workload, gpu_priced, gpu_workload, on_kubernetes
from scaletozero.endpoints.kind_fleets import gpu_fleet
from scaletozero.endpoints.state import Resource, properties, whole
from scaletozero.observability.panels import Panel
from scaletozero.residency.egress import outside_hosts
from scaletozero.residency.resource import DeclaredResource
from scaletozero.scaling.fleet_advice import DeclaredFleet
from scaletozero.settings.gpu import GpuEndpoint, GpuEndpointSettings
from scaletozero.spending.estimate import Alternative, Priced
from scaletozero.spending.prices import PriceTable

if TYPE_CHECKING:
    import pulumi


class GpuKind(Kind[GpuEndpoint]):
    """Pods that KEDA scales, on nodes that Karpenter or EKS Auto Mode provisions."""

    name = "gpu"
    settings = GpuEndpoint
    component = "scaletozero:index:GpuEndpoint"
    invocation = Invocation.CLUSTER
    on_cluster = True

    def declared_resources(self, name: str, settings: GpuEndpoint, region: str) -> Iterable[DeclaredResource]:
        path, serving = f"endpoints.{name}", settings.serving
        env = [{"name": key, "value": value} for key, value in serving.environment.items()]
        container = {"image": settings.image, "env": env, "args": list(serving.arguments)}
        at = "spec.template.spec.containers[0]"
        written = {
            f"{at}.image": f"{path}.image",
            **{f"{at}.env[{i}].value": f"{path}.serving.environment.{each['name']}" for i, each in enumerate(env)},
            **{f"{at}.args[{i}]": f"{path}.serving.arguments.{i}" for i in range(len(serving.arguments))},
        }
        spec = {"spec": {"template": {"spec": {"containers": [container]}}}}
        yield DeclaredResource("kubernetes:apps/v1:Deployment", path, spec, written=written)
        if settings.egress:
            # Which policy enforces the hosts depends on the cluster; what it says of them is the same.
            allowed = {"spec": {"egress": [{"to": [{"domainNames": list(settings.egress)}]}]}}
            at = "spec.egress[0].to[0].domainNames"
            lines = {f"{at}[{index}]": f"{path}.egress.{index}" for index in range(len(settings.egress))}
            policy = "kubernetes:networking.k8s.aws/v1alpha1:ApplicationNetworkPolicy"
            yield DeclaredResource(policy, path, allowed, written=lines)

    def outside_hosts(self, settings: GpuEndpoint) -> tuple[str, ...]:
        return settings.egress

    def examine(self, name: str, settings: GpuEndpoint, site: Site) -> Examined:
        from scaletozero.kubernetes.packaged import plan_packaged  # for environments with a cluster

        try:
            declared = parse(GpuEndpointSettings, {**_arguments(name, settings, site), "bucket": LATER})
        except FindingsError as error:
            return Examined(_as_written(name, error.findings))
        packaged = plan_packaged(name, declared, site.root / settings.artifact, site.starts.get(name, ()))
        return Examined(_as_written(name, packaged.plan.findings), packaged)

    def declare(
        self, name: str, settings: GpuEndpoint, site: Site, bucket: pulumi.Output[str], opts: pulumi.ResourceOptions
    ) -> dict[str, Any]:
        from scaletozero.endpoints import gpu
        from scaletozero.kubernetes.manifests.scaling import interceptor_address

        assert site.kubernetes
        args: Any = {**_arguments(name, settings, site), "bucket": bucket}
        endpoint = gpu.GpuEndpoint(name, args, opts)
        entrance = interceptor_address(site.kubernetes.cluster.keda_namespace)
        return {
            **common_exports(settings),
            "name": endpoint.endpoint_name,
            "namespace": site.kubernetes.namespace,
            "host": endpoint.host,
            "interceptor_address": entrance,
            "enter_at": entrance,  # the name of `interceptor_address` before 0.2; for one release
            "digest": endpoint.artifact_digest,
            "cold_start_seconds": endpoint.cold_start_seconds,
            "usd_per_hour": endpoint.usd_per_hour,
        }

    def cluster_panels(self, name: str, opened: Any) -> list[Panel]:
        from scaletozero.kubernetes.manifests.scaling import http_trigger
        from scaletozero.observability.gpu import OnCluster, gpu_panels

        settings, derived = opened.settings, opened.plan.derived
        replicas, usd = settings.scaling.max + settings.scaling.buffer, derived.usd_per_hour
        seen = OnCluster(
            name,
            settings.namespace,
            settings.scaling.max,
            vllm=settings.serving.engine == "vllm",
            held=http_trigger(settings) is not None,
            usd_per_replica_hour=None if usd is None else usd / replicas,
        )
        return gpu_panels(seen)

    def deployed(self, children: Mapping[str, Resource]) -> dict[str, Any]:
        deployment = children.get("kubernetes:Deployment")
        if not deployment:
            return {}
        metadata = properties(deployment).get("metadata") or {}
        scaled = properties(children.get("kubernetes:ScaledObject")).get("spec") or {}
        return {
            "name": metadata.get("name"),
            "namespace": metadata.get("namespace"),
            "max": whole(scaled.get("maxReplicaCount")),
        }

    def size(self, deployed: Mapping[str, Any]) -> str:
        return "GPU"

    def priced(self, settings: GpuEndpoint, opened: Any, region: str, table: PriceTable) -> Priced:
        return gpu_priced(settings, opened, region, table)

    def image(self, settings: GpuEndpoint, region: str) -> str | None:
        return settings.image

    def predicted(self, settings: GpuEndpoint, opened: Any, image: ImageContent | None = None) -> Predicted | None:
        from scaletozero.kubernetes.predicted import predict_gpu

        return predict_gpu(opened.settings, opened.model, opened.plan.derived, image)

    def budget(self, opened: Any) -> Mapping[str, int]:
        return {each.name: each.seconds for each in opened.plan.derived.cold.phases}

    def as_fleet(self, settings: GpuEndpoint, opened: Any, region: str, table: PriceTable) -> DeclaredFleet:
        return gpu_fleet(settings, opened, region, table)

    def workload(self, settings: GpuEndpoint, opened: Any) -> Workload:
        return gpu_workload(settings, opened)

    def alternative(self, work: Workload, region: str, table: PriceTable) -> Alternative | None:
        return on_kubernetes(work, region, table)


def _arguments(name: str, settings: GpuEndpoint, site: Site) -> dict[str, Any]:
    """The arguments of `GpuEndpoint`, except its bucket."""
    assert site.kubernetes
    approved = list(outside_hosts(settings.egress, site.residency))
    return {
        **settings.model_dump(exclude={"kind", "artifact", "tags"}, exclude_unset=True),
        "artifact": site.opened.get(name) or str(site.root / settings.artifact),
        "cluster": site.kubernetes.cluster.model_dump(exclude_unset=True),
        "namespace": site.kubernetes.namespace,
        "tags": site.tags_of(settings),
        **({"residency": list(site.residency)} if site.residency else {}),
        # The environment checks them itself, with its exceptions, attestations and locations.
        **({"approved_hosts": approved} if approved else {}),
        **without_none({"kms_key_arn": site.kms_key_arn}),
    }


def _as_written(name: str, findings: Iterable[Finding]) -> list[Finding]:
    """Findings of one endpoint, with their paths in the environment."""

    def path(found: Finding) -> str:
        of_cluster = found.path.partition(".")[0] in ("cluster", "namespace")
        return f"kubernetes.{found.path}" if of_cluster else f"endpoints.{name}.{found.path}"

    return [replace(found, path=path(found)) for found in findings]
