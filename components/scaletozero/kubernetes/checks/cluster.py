"""Checks of the cluster: whether it has what a declaration requires, and whether requests and data stay in their
regions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from model_packaging.findings import Finding
from model_packaging.validation import nearest
from scaletozero.kubernetes.derive import Derived
from scaletozero.kubernetes.facts.backend import BUFFER_CRD, backend_findings
from scaletozero.kubernetes.manifests.hosts import AUTO_MODE_CRD, CILIUM_CRD, enforcer
from scaletozero.kubernetes.manifests.monitoring import RULES_CRD
from scaletozero.kubernetes.manifests.scaling import http_trigger, own_host
from scaletozero.kubernetes.model import TARGET, Model
from scaletozero.settings.cluster import Cluster, numbers
from scaletozero.settings.gpu import GpuEndpointSettings, PrometheusTrigger
from scaletozero.settings.pinned_images import image_region

KUBERNETES = "1.30"
"""The first version with the sleep action of container hooks."""
KEDA = "2.17"
"""The first version whose fallback can keep the current number of replicas."""
HTTP_ADDON = "0.14"
"""The first version with InterceptorRoute, and with timeouts that are long enough for a cold start."""

REJECTING_ADDON = "0.15"
"""The first version that responds instead of an endpoint, and scales correctly on two metrics at once."""

_OWN_METRICS = re.compile(r"\b(vllm:(?!num_incoming_requests_total)|sglang:|tgi_|DCGM_|container_|kube_pod_)")
_UTILISATION = re.compile(
    r"DCGM_FI_DEV_(GPU_UTIL|MEM_COPY_UTIL)|nvidia_gpu_duty_cycle|gpu_utili[sz]ation", re.IGNORECASE
)


def cluster_findings(name: str, settings: GpuEndpointSettings, model: Model, derived: Derived) -> Iterator[Finding]:
    """Everything about the cluster, triggers, artifact and regions."""
    http = http_trigger(settings) is not None
    yield from version_findings(settings.cluster, http=http, rejects=settings.on_cold.action == "reject")
    yield from _crds(settings)
    yield from namespace_findings(settings.cluster, settings.namespace)
    if settings.scaling.buffer:
        yield from backend_findings(
            settings.cluster,
            derived.pool,
            settings.scaling.buffer_by,
            "scaling.buffer_by",
            replicas=settings.scaling.buffer,
        )
    yield from _wakes(settings)
    yield from _artifact(settings, model)
    yield from _fallback(settings)
    yield from _regions(settings)
    yield from _hosts(name, settings)
    yield from _egress(settings)


def version_findings(cluster: Cluster, *, http: bool = True, rejects: bool = False) -> Iterator[Finding]:
    """What is missing in the cluster or too old."""
    if numbers(cluster.version) < numbers(KUBERNETES):
        yield Finding(
            "cluster.version",
            f"must be {KUBERNETES} or later",
            cluster.version,
            "pods could not drain without a shell in their image",
            "upgrade the cluster",
        )
    wanted = [("keda", "KEDA", cluster.keda, KEDA, "no replica would ever be started")]
    if http:
        least = REJECTING_ADDON if rejects else HTTP_ADDON
        wanted.append(("http_addon", "KEDA's HTTP add-on", cluster.http_addon, least, "requests would be lost"))
    for field, what, version, least, consequence in wanted:
        if version is None or numbers(version) < numbers(least):
            yield Finding(
                f"cluster.{field}",
                f"must be {what} {least} or later",
                version or "not installed",
                consequence,
                "declare ClusterPrerequisites, or ask the platform team to upgrade it"
                if version
                else "declare ClusterPrerequisites, or ask the platform team to install it",
            )


def crds_wanted(
    *, http: bool = True, monitoring: bool = True, signed_metrics: bool = True, buffer: bool = True
) -> dict[str, str]:
    """The custom resource definitions that an endpoint's objects require -> their purpose."""
    wanted = {"scaledobjects.keda.sh": "scaling"}
    if http:
        wanted["interceptorroutes.http.keda.sh"] = "holding requests"
    if monitoring:
        wanted["podmonitors.monitoring.coreos.com"] = "overrides.monitoring"
        wanted[RULES_CRD] = "overrides.monitoring"
    if signed_metrics:
        wanted["triggerauthentications.keda.sh"] = "Amazon Managed Prometheus"
    if buffer:
        wanted[BUFFER_CRD] = "a CapacityBuffer"
    return wanted


def _crds(settings: GpuEndpointSettings) -> Iterator[Finding]:
    cluster = settings.cluster
    wanted = crds_wanted(
        http=http_trigger(settings) is not None,
        monitoring=settings.overrides.monitoring,
        signed_metrics=bool(cluster.prometheus and cluster.prometheus.amp_region),
        buffer=False,  # `backend_findings` checks it, and names another means
    )
    yield from crd_findings(cluster, wanted)


def crd_findings(cluster: Cluster, wanted: Mapping[str, str]) -> Iterator[Finding]:
    """The custom resource definitions that are missing; see `crds_wanted`."""
    for crd, feature in wanted.items():
        if crd not in cluster.crds:
            off = "write `overrides.monitoring: false`, or " if feature == "overrides.monitoring" else ""
            yield Finding(
                "cluster.crds",
                f"must have {crd}, for {feature}",
                "not installed",
                "the API server would refuse the object",
                f"{off}install the product that defines it",
            )


def namespace_findings(cluster: Cluster, namespace: str) -> Iterator[Finding]:
    """Whether the namespace exists."""
    there = cluster.namespaces
    if there is not None and namespace not in there:
        guess = nearest(namespace, there)
        yield Finding(
            "namespace",
            f"must exist in the cluster {cluster.name}",
            namespace,
            "the API server would refuse every object",
            f"write `{guess}`" if guess else "declare ClusterPrerequisites, or ask the platform team to create it",
        )


def _wakes(settings: GpuEndpointSettings) -> Iterator[Finding]:
    scaling = settings.scaling
    queries = [each for each in scaling.triggers if isinstance(each, PrometheusTrigger)]
    outside = [each for each in queries if not _OWN_METRICS.search(each.query)]
    if scaling.min == 0 and not (http_trigger(settings) or outside or settings.schedule):
        yield Finding(
            "scaling.triggers",
            "must have a trigger that works without pods, where `min` is 0",
            "only metrics of the pods themselves",
            "once asleep, the endpoint would never wake",
            "add `{kind: http}`, or a query of a gateway's metrics",
        )
    if not http_trigger(settings) and "on_cold" in settings.model_fields_set:
        yield Finding(
            "on_cold",
            "requires a trigger of kind `http`",
            settings.on_cold.action,
            "no request would be held",
            "add `{kind: http}` to `scaling.triggers`",
        )
    for index, trigger in enumerate(scaling.triggers):
        if not isinstance(trigger, PrometheusTrigger):
            continue
        path = f"scaling.triggers.{index}.query"
        if found := _UTILISATION.search(trigger.query):
            yield Finding(
                path,
                "must not be the utilisation of a GPU",
                found[0],
                "an engine that batches keeps it near 100 % at any load: the endpoint would stay at `max`",
                "query the waiting requests, such as `sum(vllm:num_requests_waiting)`",
            )
        if settings.cluster.prometheus is None:
            yield Finding(
                path,
                "requires `cluster.prometheus`",
                "nothing",
                "KEDA would have no server to query",
                "write `cluster.prometheus: {address: http://...}`",
            )


def _artifact(settings: GpuEndpointSettings, model: Model) -> Iterator[Finding]:
    if settings.serving.engine == "vllm" and model.target != TARGET:
        yield Finding(
            "artifact",
            f"must be packaged for {TARGET}",
            model.target,
            "vLLM could not load it",
            f"package the model with `target: {TARGET}`, or serve this one with a ServerlessEndpoint",
        )
    if settings.serving.engine == "vllm" and settings.bucket is None:
        yield Finding("bucket", "is required", "nothing", "there would be no model to load", "add `bucket: ...`")
    if settings.bucket is not None and not settings.cluster.s3_cidrs:
        yield Finding(
            "cluster.s3_cidrs",
            "must have the networks of S3",
            "none",
            "the network policy would block the download of the model",
            "write those of the VPC's S3 endpoint, or of the region's S3 prefix list",
        )


def _fallback(settings: GpuEndpointSettings) -> Iterator[Finding]:
    service = settings.on_cold.service
    if service is None:
        return
    there = settings.cluster.services.get(settings.namespace, ())
    if service.name not in there:
        yield Finding(
            "on_cold.service.name",
            f"must be a service in the namespace {settings.namespace}",
            service.name,
            "requests to a sleeping endpoint would fail with 502",
            f"write one of: {', '.join(there)}" if there else "deploy the service, and list it in `cluster.services`",
        )


def _hosts(name: str, settings: GpuEndpointSettings) -> Iterator[Finding]:
    own = own_host(name, settings)
    if own in settings.hosts:
        said = "must not have the endpoint's own host name, which is always included"
        yield Finding("hosts", said, own, "the API server would refuse the route", "remove it")


def _egress(settings: GpuEndpointSettings) -> Iterator[Finding]:
    cluster = settings.cluster
    if not settings.egress or enforcer(cluster):
        return
    lacking, fix = CILIUM_CRD, "install Cilium, or remove `egress` and allow addresses by a policy of your own"
    if cluster.nodes == "auto-mode":
        lacking, fix = AUTO_MODE_CRD, "upgrade the cluster, or remove `egress`"
    yield Finding(
        "egress",
        "requires a cluster that enforces host names: EKS Auto Mode, or any other with Cilium",
        f"a cluster (nodes: {cluster.nodes}) without {lacking}",
        "a NetworkPolicy knows addresses only: names are not enforced, and the pods could reach none of these hosts",
        fix,
    )


def _regions(settings: GpuEndpointSettings) -> Iterator[Finding]:
    region = settings.cluster.region
    allowed = settings.residency or (region,)
    said = f"must be within the residency, {', '.join(allowed)}"
    if region not in allowed:
        yield Finding("cluster.region", said, region, "the endpoint itself would be outside")
    if settings.on_cold.service and settings.on_cold.service.region not in allowed:
        yield Finding(
            "on_cold.service.region",
            said,
            settings.on_cold.service.region,
            "every request to a sleeping endpoint would leave it",
            f"use a fallback in {allowed[0]}",
        )
    prometheus = settings.cluster.prometheus
    if prometheus and prometheus.amp_region and prometheus.amp_region not in allowed:
        yield Finding("cluster.prometheus.amp_region", said, prometheus.amp_region, "the metrics would leave it")
    where = image_region(settings.image)
    if where and where != region:
        yield Finding(
            "image",
            f"must be in the cluster's region, {region}",
            where,
            "each node would pull it across regions, which makes cold starts slower and is charged by the GB",
            f"copy it to that region and write `{settings.image.replace(where, region, 1)}`",
        )
