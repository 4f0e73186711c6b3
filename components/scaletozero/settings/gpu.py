"""The settings of an endpoint on Kubernetes GPUs, with every rule that needs no cluster and no model.

Settings that are omitted are derived from the artifact's manifest and the cold start budget, in
`scaletozero.kubernetes.plan`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, Text, may_be_later, reject
from scaletozero.settings.cluster import (
    Amount,
    Cluster,
    Count,
    DnsLabel,
    DnsSubdomain,
    Seconds,
    Taint,
    not_empty,
    unique,
)
from scaletozero.settings.common import KmsKeyArn, Tags, key_conflicts
from scaletozero.settings.gpu_types import GpuInstanceType
from scaletozero.settings.pinned_images import Image
from scaletozero.settings.regions import Region
from scaletozero.settings.residency import approved_findings
from scaletozero.settings.schedules import Window, window_findings


def _path(value: str) -> str:
    if not re.fullmatch(r"/[\w./~-]*", value):
        reject("must be a path such as /health")
    return value


Path = Annotated[Text, AfterValidator(_path)]

MOST_STREAMS = 512
"""A bound on the reads from S3 at a time: more than fill the fastest network of a supported instance type."""

LARGEST_IMAGE_GB = 200
"""A bound on the size of a serving image, larger than any that is known."""


def _port(value: int) -> int:
    if not 1024 <= value <= 65535:
        reject(
            "must be from 1024 to 65535",
            "a container that does not run as root cannot listen on a lower port",
            "write 8000",
        )
    return value


class Serving(Settings):
    """What runs in the pods.

    Attributes:
        engine: `vllm` (weights streamed from S3) or `container` (any image that serves the model by itself).
        port: the port that the container listens on.
        ready_path: the path that returns 200 once the model can respond. Default for vLLM: `/health`.
        metrics_path: the path of the Prometheus metrics.
        arguments: extra command-line arguments for the engine.
        environment: extra environment variables. Not for secrets: the values can be read in the cluster and the state.
        max_length: maximum number of tokens of a request with its response. Default: the model's own.
        image_gb: compressed size of the image in GB (10^9 bytes).
        request_seconds: maximum time until the first byte of a response, and for which a pod drains.
        compile_cache: storage class with ReadWriteMany volumes, on which vLLM keeps its compiled kernels.
        compile_fill: whether a Job compiles the kernels at deployment; replicas then only read the volume.
        graphs: CUDA graphs that vLLM captures before it responds: `all`, `few` (batches of up to 32), or `none`, which
            also compiles nothing.
        streams: reads from S3 at a time while weights are loaded, for each GPU; 0 for as many as fill the network.
    """

    engine: Literal["vllm", "container"] = "vllm"
    port: Annotated[Int, AfterValidator(_port)] = 8000
    ready_path: Path | None = None
    metrics_path: Path = "/metrics"
    arguments: tuple[Text, ...] = ()
    environment: dict[Annotated[Text, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = Field(default_factory=dict)
    max_length: Count | None = None
    image_gb: Annotated[float, Field(gt=0, le=LARGEST_IMAGE_GB)] = 15
    request_seconds: Seconds = 300
    compile_cache: DnsLabel | None = None
    compile_fill: bool = False
    graphs: Literal["all", "few", "none"] = "all"
    streams: Annotated[Int, Field(ge=0, le=MOST_STREAMS)] = 32

    def conflicts(self) -> Iterable[Finding]:
        if self.engine == "container" and self.ready_path is None:
            yield Finding(
                "ready_path",
                "is required for the engine `container`",
                "nothing",
                "requests would reach the container while the model is still loading",
                "write the path that returns 200 once the model can respond, such as `/health`",
            )
        if self.engine == "container" and self.compile_cache:
            yield Finding("compile_cache", "applies to vLLM only", self.compile_cache, "it would be ignored")
        if self.engine == "container" and self.max_length:
            yield Finding("max_length", "applies to vLLM only", str(self.max_length), "it would be ignored")
        if self.compile_fill and (self.compile_cache is None or self.graphs == "none"):
            without = self.compile_cache is None
            rule = (
                "needs `compile_cache`" if without else "must not be given with `graphs: none`, which compiles nothing"
            )
            fix = "write the storage class of a file system for many nodes" if without else "remove one of them"
            then = "there would be no volume to fill" if without else "the Job would keep nothing"
            yield Finding("compile_fill", rule, "true", then, fix)
        for name in ("graphs", "streams"):
            if self.engine == "container" and name in self.model_fields_set:
                yield Finding(
                    name, "applies to vLLM only", str(getattr(self, name)), "it would be ignored", "remove it"
                )
        yield from self._written_twice()

    def _written_twice(self) -> Iterable[Finding]:
        options = {
            "graphs": ("--enforce-eager", "--compilation-config", "--cuda-graph-sizes", "-O"),
            "streams": ("--model-loader-extra-config", "--load-format"),
        }
        for name, known in options.items():
            given = [each for each in self.arguments if each.startswith(known)]
            if given and name in self.model_fields_set:
                rule = f"must not be given together with {given[0].partition('=')[0]} in `arguments`"
                got, then = str(getattr(self, name)), "vLLM would use one of them only"
                yield Finding(name, rule, got, then, "remove one of them")


class Gpu(Settings):
    """The GPUs of a replica.

    Attributes:
        count: number of GPUs. Default: the fewest that hold the model.
        types: instance types in order of preference. Default: every type of the pool that holds the model, the
            cheapest first.
    """

    count: Annotated[Int, Field(ge=1, le=8)] | None = None
    types: Annotated[tuple[GpuInstanceType, ...], AfterValidator(not_empty), AfterValidator(unique)] | None = None


class HttpTrigger(Settings):
    """Scales on the requests that are held or in flight: `concurrency` of them for each replica."""

    kind: Literal["http"] = "http"
    concurrency: Count = 32


class PrometheusTrigger(Settings):
    """Scales on a query: `threshold` of it for each replica; the endpoint wakes above `activation`."""

    kind: Literal["prometheus"]
    query: Text
    threshold: Annotated[float, Field(gt=0)]
    activation: Annotated[float, Field(ge=0)] = 0


Trigger = Annotated[HttpTrigger | PrometheusTrigger, Field(discriminator="kind")]


class Scaling(Settings):
    """How the endpoint scales.

    Attributes:
        min: number of replicas that always run.
        wake: number of replicas that the first request starts, where `min` is 0.
        max: maximum number of replicas.
        together: number of replicas that may be started in 15 seconds, beyond `wake`. Default: those of Kubernetes, 4
            or as many as there are.
        buffer: number of further replicas for which nodes are kept ready.
        buffer_by: how these nodes are kept ready; `auto` chooses the means that fits the cluster.
        idle_seconds: time without a request until the endpoint sleeps. Default: the cold start, and at least 300.
        triggers: what the endpoint scales on.
        lead_seconds: time by which replicas are started before a window. Default: the cold start.
        without_metrics: number of replicas while a trigger cannot be read. Default: `min`, or `wake` where `min` is 0.
        cap_usd_per_hour: maximum cost in USD per hour, of all replicas and the buffer at on-demand prices.
    """

    min: Amount = 0
    wake: Count = 1
    max: Count = 1
    together: Count | None = None
    buffer: Amount = 0
    buffer_by: Literal["auto", "buffer", "placeholder", "static", "managed"] = "auto"
    idle_seconds: Amount | None = None
    triggers: Annotated[tuple[Trigger, ...], AfterValidator(not_empty)] = (HttpTrigger(),)
    lead_seconds: Amount | None = None
    without_metrics: Amount | None = None
    cap_usd_per_hour: Annotated[float, Field(gt=0)] | None = None

    def conflicts(self) -> Iterable[Finding]:
        for name in ("min", "wake"):
            value = getattr(self, name)
            if value > self.max:
                yield Finding(
                    name,
                    f"must be at most `max`, {self.max}",
                    str(value),
                    "KEDA would refuse the ScaledObject",
                    f"write {self.max}, or raise `max` to {value}",
                )
        if self.min and "wake" in self.model_fields_set:
            yield Finding("wake", "applies only where `min` is 0", str(self.wake), "it would be ignored", "remove it")
        if self.together is not None and self.together > self.max:
            yield Finding(
                "together",
                f"must be at most `max`, {self.max}",
                str(self.together),
                "more never start",
                f"write {self.max}",
            )
        kinds = [trigger.kind for trigger in self.triggers]
        if kinds.count("http") > 1:
            yield Finding(
                "triggers", "must have at most one of kind `http`", str(kinds.count("http")), "one would be ignored"
            )


class FallbackService(Settings):
    """A service in the endpoint's namespace that responds while no replica is ready.

    Attributes:
        name, port: the service.
        region: the region that it sends requests to.
    """

    name: DnsLabel
    port: Annotated[Int, Field(ge=1, le=65535)]
    region: Region


class OnCold(Settings):
    """What happens to a request while no replica is ready.

    Attributes:
        action: `hold` the request, send it to a `fallback`, or `reject` it with 503 and a Retry-After header. Each
            wakes the endpoint.
        after_seconds: maximum time that a request is held. Default: the cold start for `hold`, 2 for `fallback`.
        service: the fallback.
        objective_seconds: the endpoint's objective for cold starts: maximum 95th percentile of the time from a pod
            until it is ready. Default: no alert.
    """

    action: Literal["hold", "fallback", "reject"] = "hold"
    after_seconds: Seconds | None = None
    service: FallbackService | None = None
    objective_seconds: Seconds | None = None

    def conflicts(self) -> Iterable[Finding]:
        if (self.action == "fallback") != (self.service is not None):
            yield Finding(
                "service",
                "is required for the action `fallback`, and applies to no other",
                self.service.name if self.service else "nothing",
                "there would be no response" if self.action == "fallback" else "it would be ignored",
                "write `service: {name: ..., port: ..., region: ...}`" if self.action == "fallback" else "remove it",
            )
        if self.action == "reject" and self.after_seconds is not None:
            yield Finding("after_seconds", "does not apply to `reject`", str(self.after_seconds), "it would be ignored")


class Placement(Settings):
    """The nodes that the pods run on.

    Attributes:
        pool: name of the pool. Default: the first pool that has a fitting type.
        tolerations: taints that the pods tolerate, besides those of the pool.
        min_available: minimum number of replicas during a drain. Default: one replica at a time may be drained.
    """

    pool: DnsSubdomain | None = None
    tolerations: Annotated[tuple[Taint, ...], AfterValidator(unique)] = ()
    min_available: Amount | None = None


class ColdStartSeconds(Settings):
    """Measured phases of the cold start in seconds, instead of the defaults: node, image, weights, engine."""

    node: Amount | None = None
    pull: Amount | None = None
    weights: Amount | None = None
    engine: Amount | None = None


class Overrides(Settings):
    """Values that are derived by default.

    Attributes:
        cpu: CPU cores of a replica.
        memory_gib, shm_gib: memory of a replica, and the part of it that `/dev/shm` may use.
        startup_seconds: time until the engine must respond once its container runs.
        rollout_seconds: time until a new replica must be ready, for each replica.
        deploy_seconds: time until Pulumi reports a rollout of all replicas as failed.
        grace_seconds: time until a draining pod is killed.
        writable_root: whether containers may write to their root file system.
        monitoring: whether a PodMonitor and a PrometheusRule are declared.
    """

    cpu: Annotated[float, Field(gt=0)] | None = None
    memory_gib: Count | None = None
    shm_gib: Count | None = None
    startup_seconds: Seconds | None = None
    rollout_seconds: Seconds | None = None
    deploy_seconds: Seconds | None = None
    grace_seconds: Seconds | None = None
    writable_root: bool = False
    monitoring: bool = True


Host = Annotated[Text, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]


_LABELS = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+"
_OUTSIDE_HOST = re.compile(rf"(\*\.)?{_LABELS}")


def _outside_host(value: str) -> str:
    if not _OUTSIDE_HOST.fullmatch(value) or len(value) > 253 or value.rpartition(".")[2].isdigit():
        host = re.search(_LABELS, value.lower())
        reject(
            "must be a host name with a domain, such as api.example.com or *.example.com",
            "no network policy could be made from it",
            "write the name alone: no scheme, port, path or address"
            if host is None or host[0].rpartition(".")[2].isdigit()
            else f"write `{host[0]}`",
        )
    if value.endswith((".svc", ".cluster.local")):
        reject(
            "must be outside of the cluster",
            "policies by host name do not apply to services of the cluster",
            "remove it, and allow the service with a NetworkPolicy of its own",
        )
    return value


OutsideHost = Annotated[Text, AfterValidator(_outside_host)]
"""The name of a host outside of the cluster; `*.` in front stands for its subdomains."""


class GpuEndpoint(Settings):
    """An endpoint on Kubernetes GPUs.

    Attributes:
        kind: `gpu`.
        artifact: path of the folder that `scaletozero package` wrote, relative to the project's folder.
        image: the serving image.
        serving, gpu, scaling, on_cold, placement: see each.
        schedule: windows in which `min` is higher; replicas are started earlier by the cold start.
        cold_start: measured phases of the cold start.
        overrides: values that are derived by default.
        hosts: host names of requests to the endpoint, besides `<name>.<namespace>`.
        egress: hosts outside of the cluster that the pods may send HTTPS requests to (port 443). Default: none.
        tags: extra tags for the AWS resources.
    """

    kind: Literal["gpu"] = "gpu"
    artifact: Text
    image: Image
    serving: Serving = Serving()
    gpu: Gpu = Gpu()
    scaling: Scaling = Scaling()
    on_cold: OnCold = OnCold()
    schedule: tuple[Window, ...] = ()
    placement: Placement = Placement()
    cold_start: ColdStartSeconds = ColdStartSeconds()
    overrides: Overrides = Overrides()
    hosts: Annotated[tuple[Host, ...], AfterValidator(unique)] = ()
    egress: Annotated[tuple[OutsideHost, ...], AfterValidator(unique)] = ()
    tags: Tags = Field(default_factory=dict)

    def conflicts(self) -> Iterable[Finding]:
        for group in ("serving", "scaling", "on_cold"):
            for found in getattr(self, group).conflicts():
                yield replace(found, path=f"{group}.{found.path}")
        if self.on_cold.objective_seconds is not None and not self.overrides.monitoring:
            rule, then = "needs `overrides.monitoring`", "there would be no alert"
            given = f"{self.on_cold.objective_seconds} s, without it"
            yield Finding("on_cold.objective_seconds", rule, given, then, "remove `overrides.monitoring: false`")
        yield from window_findings(self.schedule, floor=self.scaling.min, ceiling=self.scaling.max, unit="replicas")
        yield from date_findings(self.schedule)


def date_findings(windows: Iterable[Window]) -> Iterable[Finding]:
    """The windows for a single date."""
    for index, window in enumerate(windows):
        if window.date is not None:
            yield Finding(
                f"schedule.{index}.date",
                "is not supported on Kubernetes",
                window.date.isoformat(),
                "KEDA's cron has no year: the window would open again every year",
                "write the day with `days`, and remove the window afterwards",
            )


class GpuEndpointSettings(GpuEndpoint):
    """The settings of `GpuEndpointArgs`: an endpoint, and where it runs.

    Attributes:
        cluster: the cluster.
        namespace: the namespace in the cluster.
        bucket: the bucket that the model is uploaded to.
        kms_key_arn: the key that encrypts the bucket, if it is not the service's own key.
        residency: the regions that requests, models and metrics may be in. Default: the cluster's region.
        approved_hosts: hosts of `egress` that `residency` does not refuse: their location is known to be within it, or
            an exception was approved.
    """

    cluster: Cluster
    namespace: DnsLabel
    bucket: Annotated[Text, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"), may_be_later] | None = None
    kms_key_arn: KmsKeyArn | None = None
    residency: tuple[Region, ...] = ()
    approved_hosts: Annotated[tuple[OutsideHost, ...], AfterValidator(unique)] = ()

    def conflicts(self) -> Iterable[Finding]:
        yield from super().conflicts()
        yield from approved_findings(self.approved_hosts, self.egress, "a host of `egress`")
        yield from (replace(found, path=f"cluster.{found.path}") for found in self.cluster.conflicts())
        yield from key_conflicts(self.kms_key_arn, self.cluster.region)
