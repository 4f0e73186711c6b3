"""The arguments of an endpoint on Kubernetes GPUs."""

from enum import StrEnum
from typing import NotRequired, TypedDict

import pulumi

from scaletozero.args.cluster import ClusterArgs, TaintArgs, WarmBackend
from scaletozero.args.scaling import WindowArgs


class Engine(StrEnum):
    """What serves the model."""

    VLLM = "vllm"
    """vLLM, which streams the weights from S3."""
    CONTAINER = "container"
    """Any image that serves by itself."""


class TriggerKind(StrEnum):
    """What an endpoint scales with."""

    HTTP = "http"
    """The requests that are held or in flight."""
    PROMETHEUS = "prometheus"
    """A metric."""


class ColdAction(StrEnum):
    """What a request gets while no replica is ready."""

    HOLD = "hold"
    """It is held until one is."""
    FALLBACK = "fallback"
    """Another service answers it."""
    REJECT = "reject"
    """503, and when to come back."""


class GpuServingArgs(TypedDict):
    """What runs in the pods."""

    engine: NotRequired[Engine]
    """vLLM unless given."""
    port: NotRequired[int]
    """It listens on; 8000 unless given."""
    ready_path: NotRequired[str]
    """Answers 200 once the model can answer; `/health` for vLLM, required of a container."""
    metrics_path: NotRequired[str]
    """Of its Prometheus metrics; `/metrics` unless given."""
    arguments: NotRequired[list[str]]
    """Further ones."""
    environment: NotRequired[dict[str, str]]
    """Further variables. No secrets."""
    max_length: NotRequired[int]
    """Tokens of a request with its answer; the model's own unless given. vLLM only."""
    image_gb: NotRequired[float]
    """Compressed size of the image in GB; 15 unless given."""
    request_seconds: NotRequired[int]
    """The longest that a request may wait for its first byte, and that a pod drains; 300 unless given."""
    compile_cache: NotRequired[str]
    """A storage class whose volumes many pods can write, to keep compiled kernels on. vLLM only."""


class GpuArgs(TypedDict):
    """Which GPUs."""

    count: NotRequired[int]
    """Of one replica; as few as hold the model unless given."""
    types: NotRequired[list[str]]
    """Instance types in the order of preference; every fitting one of the pool, cheapest first, unless given."""


class TriggerArgs(TypedDict):
    """One thing that an endpoint scales with."""

    kind: TriggerKind
    """Requests, or a metric."""
    concurrency: NotRequired[int]
    """Requests a replica; 32 unless given. `http` only."""
    query: NotRequired[str]
    """The metric's query. `prometheus` only."""
    threshold: NotRequired[float]
    """How much of it a replica. `prometheus` only."""
    activation: NotRequired[float]
    """Above which it is awake; 0 unless given. `prometheus` only."""


class GpuScalingArgs(TypedDict):
    """How far it scales."""

    min: NotRequired[int]
    """Replicas that always run; 0 unless given."""
    wake: NotRequired[int]
    """Replicas that the first request brings; 1 unless given."""
    max: NotRequired[int]
    """The most replicas; 1 unless given."""
    buffer: NotRequired[int]
    """Replicas' worth of nodes that are kept ready; 0 unless given."""
    buffer_by: NotRequired[WarmBackend]
    """By which means; `auto` unless given."""
    idle_seconds: NotRequired[int]
    """How long without a request until it sleeps; the cold start, at least 300, unless given."""
    triggers: NotRequired[list[TriggerArgs]]
    """What it scales with; requests unless given."""
    lead_seconds: NotRequired[int]
    """How much earlier than a window its replicas are started; the cold start unless given."""
    without_metrics: NotRequired[int]
    """Replicas while a trigger cannot be read; what is awake at least unless given."""
    cap_usd_per_hour: NotRequired[float]
    """What it may cost at most."""


class FallbackServiceArgs(TypedDict):
    """A service in the endpoint's namespace that answers meanwhile."""

    name: str
    """Its name."""
    port: int
    """Its port."""
    region: str
    """Where it sends requests to."""


class OnColdArgs(TypedDict):
    """What a request gets while no replica is ready."""

    action: NotRequired[ColdAction]
    """`hold` unless given."""
    after_seconds: NotRequired[int]
    """How long it is held; the cold start with `hold`, 2 with `fallback`, unless given."""
    service: NotRequired[FallbackServiceArgs]
    """The fallback."""


class PlacementArgs(TypedDict):
    """On which nodes."""

    pool: NotRequired[str]
    """The pool; the first that fits unless given."""
    tolerations: NotRequired[list[TaintArgs]]
    """What its pods tolerate besides the pool's own taints."""
    min_available: NotRequired[int]
    """Replicas that must run through a drain; one at a time may go unless given."""


class ColdStartArgs(TypedDict):
    """Measured phases of the cold start in seconds, in place of the defaults."""

    node: NotRequired[int]
    """Until the node is ready."""
    pull: NotRequired[int]
    """Until the image is there."""
    weights: NotRequired[int]
    """Until the weights are loaded."""
    engine: NotRequired[int]
    """Until the engine answers."""


class OverridesArgs(TypedDict):
    """What is derived, and may be given instead."""

    cpu: NotRequired[float]
    """Cores of a replica."""
    memory_gib: NotRequired[int]
    """Memory of a replica."""
    shm_gib: NotRequired[int]
    """How much of it `/dev/shm` may take."""
    startup_seconds: NotRequired[int]
    """Until the engine must answer once its container runs."""
    rollout_seconds: NotRequired[int]
    """Until a new replica must be ready; each begins anew."""
    deploy_seconds: NotRequired[int]
    """Until the engine gives up on a deployment of all replicas."""
    grace_seconds: NotRequired[int]
    """Until a draining pod is killed."""
    writable_root: NotRequired[bool]
    """Whether containers may write their root file system."""
    monitoring: NotRequired[bool]
    """Whether to declare a PodMonitor and a PrometheusRule; true unless given."""


class GpuEndpointArgs(TypedDict):
    """The arguments of `GpuEndpoint`."""

    artifact: str
    """The folder that the packaging wrote, with target `gpu-vllm`."""
    image: str
    """The serving image, pinned."""
    cluster: ClusterArgs
    """The cluster."""
    namespace: str
    """In it; `ClusterPrerequisites` makes it."""
    bucket: NotRequired[pulumi.Input[str]]
    """The bucket that the model is uploaded to; `ArtifactStore.bucket`."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key with which that bucket is encrypted, if it is not the service's own."""
    serving: NotRequired[GpuServingArgs]
    """What runs in the pods."""
    gpu: NotRequired[GpuArgs]
    """Which GPUs."""
    scaling: NotRequired[GpuScalingArgs]
    """How far it scales."""
    on_cold: NotRequired[OnColdArgs]
    """What a request gets while no replica is ready."""
    schedule: NotRequired[list[WindowArgs]]
    """Windows in which more is warm."""
    placement: NotRequired[PlacementArgs]
    """On which nodes."""
    cold_start: NotRequired[ColdStartArgs]
    """Measured phases."""
    overrides: NotRequired[OverridesArgs]
    """What is derived otherwise."""
    hosts: NotRequired[list[str]]
    """Host names that requests come in under, besides `<name>.<namespace>`."""
    residency: NotRequired[list[str]]
    """The regions that requests, models and metrics may be in; the cluster's alone unless given."""
    tags: NotRequired[dict[str, str]]
    """Further tags."""
