"""What a user may declare of an endpoint on Kubernetes GPUs, with every rule on it that needs no cluster and no model.

What is left out is derived from the artifact's manifest and the cold start budget: `scaletozero.kubernetes.plan`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, Text, may_be_later, reject
from scaletozero.partitions import ECR_HOST, is_own_domain
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
from scaletozero.settings.regions import Region
from scaletozero.settings.schedules import Window, window_findings

_IMAGE = re.compile(
    r"(?P<registry>[a-z0-9.-]+\.[a-z]+(?::\d+)?)/(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_ECR = re.compile(ECR_HOST)


def _image(value: str) -> str:
    match = _IMAGE.fullmatch(value)
    if not match:
        reject(
            "must be an image with its registry, and a tag or a digest",
            "which registry a bare name comes from is each node's own setting",
            "write `<registry>/<repository>@sha256:<digest>`",
        )
    if not (match["tag"] or match["digest"]) or (match["tag"] == "latest" and not match["digest"]):
        reject(
            "must be pinned by a digest or an exact tag",
            "a replica that wakes would run whatever was pushed last",
            f"write `{value.removesuffix(':latest')}@sha256:<digest>`",
        )
    return value


Image = Annotated[Text, AfterValidator(_image)]
"""A pinned image with its registry."""


def image_region(image: str) -> str | None:
    """The region of an image in Amazon ECR; None for any other registry."""
    match = _ECR.fullmatch(image.partition("/")[0])
    return match["region"] if match and is_own_domain(match["region"], match["domain"]) else None


def _path(value: str) -> str:
    if not re.fullmatch(r"/[\w./~-]*", value):
        reject("must be a path such as /health")
    return value


Path = Annotated[Text, AfterValidator(_path)]

LARGEST_IMAGE_GB = 200
"""More than any serving image has."""


def _port(value: int) -> int:
    if not 1024 <= value <= 65535:
        reject("must be from 1024 to 65535", "a container that is not root cannot open a lower port", "write 8000")
    return value


class Serving(Settings):
    """What runs in the pods.

    Attributes:
        engine: `vllm` (weights streamed from S3) or `container` (any image that serves by itself).
        port: it listens on.
        ready_path: answers 200 once the model can answer; `/health` for vLLM.
        metrics_path: of its Prometheus metrics.
        arguments: further ones.
        environment: further variables. No secrets: they would be readable in the cluster and the state.
        max_length: tokens of a request with its answer; the model's own unless given.
        image_gb: compressed size of the image in GB (10^9 bytes).
        request_seconds: the longest that a request may wait for its answer's first byte, and that a pod drains.
        compile_cache: a storage class whose volumes many pods can write, to keep vLLM's compiled kernels on.
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

    def conflicts(self) -> Iterable[Finding]:
        if self.engine == "container" and self.ready_path is None:
            yield Finding(
                "ready_path",
                "is required of a container",
                "nothing",
                "requests would reach it while the model is still loading",
                "write the path that answers 200 once it can serve, such as `/health`",
            )
        if self.engine == "container" and self.compile_cache:
            yield Finding("compile_cache", "is for vLLM only", self.compile_cache, "it would have been ignored")
        if self.engine == "container" and self.max_length:
            yield Finding("max_length", "is for vLLM only", str(self.max_length), "it would have been ignored")


class Gpu(Settings):
    """Which GPUs.

    Attributes:
        count: of one replica; as few as hold the model unless given.
        types: instance types, the first preferred, each next a fallback; every fitting one that the pool may buy, the
            cheapest first, unless given.
    """

    count: Annotated[Int, Field(ge=1, le=8)] | None = None
    types: Annotated[tuple[GpuInstanceType, ...], AfterValidator(not_empty), AfterValidator(unique)] | None = None


class HttpTrigger(Settings):
    """Scales with the requests that are held or in flight: `concurrency` of them a replica."""

    kind: Literal["http"] = "http"
    concurrency: Count = 32


class PrometheusTrigger(Settings):
    """Scales with a metric: `threshold` of it a replica, awake above `activation`."""

    kind: Literal["prometheus"]
    query: Text
    threshold: Annotated[float, Field(gt=0)]
    activation: Annotated[float, Field(ge=0)] = 0


Trigger = Annotated[HttpTrigger | PrometheusTrigger, Field(discriminator="kind")]


class Scaling(Settings):
    """How far it scales.

    Attributes:
        min: replicas that always run.
        wake: replicas that the first request brings, where `min` is 0.
        max: the most replicas.
        buffer: replicas' worth of nodes that are kept ready beyond those in use.
        buffer_by: by which means; `auto` chooses, and says why.
        idle_seconds: how long without a request until it sleeps; the cold start, and at least 300, unless given.
        triggers: what it scales with.
        lead_seconds: how much earlier than a window its replicas are started; the cold start unless given.
        without_metrics: replicas while a trigger cannot be read; `min`, or `wake` where that is 0, unless given.
        cap_usd_per_hour: what it may cost at most, all replicas and the buffer on demand.
    """

    min: Amount = 0
    wake: Count = 1
    max: Count = 1
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
            yield Finding(
                "wake", "is for endpoints that sleep", str(self.wake), "it would have been ignored", "remove it"
            )
        kinds = [trigger.kind for trigger in self.triggers]
        if kinds.count("http") > 1:
            yield Finding("triggers", "may have one of kind `http`", str(kinds.count("http")), "one would be ignored")


class FallbackService(Settings):
    """A service in the endpoint's namespace that answers meanwhile; `region` where it sends requests to."""

    name: DnsLabel
    port: Annotated[Int, Field(ge=1, le=65535)]
    region: Region


class OnCold(Settings):
    """What a request gets while no replica is ready.

    Attributes:
        action: `hold` it, send it to a `fallback`, or `reject` it with 503 and a Retry-After. Each wakes the endpoint.
        after_seconds: how long it is held; the whole cold start with `hold`, 2 with `fallback`, unless given.
        service: the fallback.
    """

    action: Literal["hold", "fallback", "reject"] = "hold"
    after_seconds: Seconds | None = None
    service: FallbackService | None = None

    def conflicts(self) -> Iterable[Finding]:
        if (self.action == "fallback") != (self.service is not None):
            yield Finding(
                "service",
                "is required of `fallback` and of nothing else",
                self.service.name if self.service else "nothing",
                "there would be nobody to answer" if self.action == "fallback" else "it would have been ignored",
                "write `service: {name: ..., port: ..., region: ...}`" if self.action == "fallback" else "remove it",
            )
        if self.action == "reject" and self.after_seconds is not None:
            yield Finding("after_seconds", "is not for `reject`", str(self.after_seconds), "it would have been ignored")


class Placement(Settings):
    """On which nodes: the pool's name, what else its pods tolerate, and how many must run through a drain."""

    pool: DnsSubdomain | None = None
    tolerations: Annotated[tuple[Taint, ...], AfterValidator(unique)] = ()
    min_available: Amount | None = None


class ColdStartSeconds(Settings):
    """Measured phases of the cold start, in place of the defaults: the node, the image, the weights, the engine."""

    node: Amount | None = None
    pull: Amount | None = None
    weights: Amount | None = None
    engine: Amount | None = None


class Overrides(Settings):
    """What is derived, and may be given instead.

    Attributes:
        cpu: cores of a replica.
        memory_gib, shm_gib: memory of a replica, and how much of it `/dev/shm` may take.
        startup_seconds: until the engine must answer once its container runs.
        rollout_seconds: until a new replica must be ready once it was asked for; each begins anew.
        deploy_seconds: until Pulumi gives up on all of them.
        grace_seconds: until a pod that drains is killed.
        writable_root: whether containers may write their root file system.
        monitoring: whether to declare a PodMonitor and a PrometheusRule.
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


class GpuEndpoint(Settings):
    """One endpoint on Kubernetes GPUs.

    Attributes:
        kind: `gpu`.
        artifact: the folder that the packaging wrote, relative to the project's folder.
        image: the serving image.
        serving, gpu, scaling, on_cold, placement: see each.
        schedule: windows in which `min` is higher; started early by the cold start.
        cold_start: measured phases.
        overrides: what is derived otherwise.
        hosts: host names that requests come in under, besides `<name>.<namespace>`.
        tags: further tags for what belongs to it on AWS.
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
    tags: Tags = Field(default_factory=dict)

    def conflicts(self) -> Iterable[Finding]:
        for group in ("serving", "scaling", "on_cold"):
            for found in getattr(self, group).conflicts():
                yield replace(found, path=f"{group}.{found.path}")
        yield from window_findings(self.schedule, floor=self.scaling.min, ceiling=self.scaling.max, unit="replicas")
        yield from date_findings(self.schedule)


def date_findings(windows: Iterable[Window]) -> Iterable[Finding]:
    """The windows for a single date."""
    for index, window in enumerate(windows):
        if window.date is not None:
            yield Finding(
                f"schedule.{index}.date",
                "is not for Kubernetes",
                window.date.isoformat(),
                "KEDA's cron knows no year: the window would come again every year",
                "write the day with `days`, and take the window away afterwards",
            )


class GpuEndpointSettings(GpuEndpoint):
    """`GpuEndpointArgs`: an endpoint, and where it runs.

    Attributes:
        cluster: the cluster.
        namespace: in it.
        bucket: where the artifact was published.
        kms_key_arn: the key with which that bucket is encrypted, if it is not the service's own.
        residency: the regions that requests, models and logs may be in; the cluster's alone unless given.
    """

    cluster: Cluster
    namespace: DnsLabel
    bucket: Annotated[Text, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"), may_be_later] | None = None
    kms_key_arn: KmsKeyArn | None = None
    residency: tuple[Region, ...] = ()

    def conflicts(self) -> Iterable[Finding]:
        yield from super().conflicts()
        yield from (replace(found, path=f"cluster.{found.path}") for found in self.cluster.conflicts())
        yield from key_conflicts(self.kms_key_arn, self.cluster.region)
