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
    """Any image that serves the model by itself."""


class Graphs(StrEnum):
    """The CUDA graphs that vLLM captures before it responds."""

    ALL = "all"
    """For batches of up to 512."""
    FEW = "few"
    """For batches of up to 32. Larger batches run without graphs."""
    NONE = "none"
    """None, and nothing is compiled: the start is the shortest, and each response takes longer."""


class TriggerKind(StrEnum):
    """What an endpoint scales on."""

    HTTP = "http"
    """The number of requests that are held or in flight."""
    PROMETHEUS = "prometheus"
    """The result of a Prometheus query."""


class ColdAction(StrEnum):
    """What happens to a request while no replica is ready."""

    HOLD = "hold"
    """The request is held until a replica is ready."""
    FALLBACK = "fallback"
    """The request is sent to another service."""
    REJECT = "reject"
    """The response is 503 with a Retry-After header."""


class GpuServingArgs(TypedDict):
    """What runs in the pods."""

    engine: NotRequired[Engine]
    """The engine. Default: vLLM."""
    port: NotRequired[int]
    """The port that the container listens on, 1024 to 65535. Default: 8000."""
    ready_path: NotRequired[str]
    """The path that returns 200 once the model can respond. Required for `container`. Default for vLLM: `/health`."""
    metrics_path: NotRequired[str]
    """The path of the Prometheus metrics. Default: `/metrics`."""
    arguments: NotRequired[list[str]]
    """Extra command-line arguments for the engine."""
    environment: NotRequired[dict[str, str]]
    """Extra environment variables. Not for secrets: the values can be read in the cluster and in the state."""
    max_length: NotRequired[int]
    """The maximum number of tokens of a request with its response. vLLM only. Default: the model's own."""
    image_gb: NotRequired[float]
    """The compressed size of the image in GB (10^9 bytes). Default: 15."""
    request_seconds: NotRequired[int]
    """The maximum time in seconds until the first byte of a response, and for which a pod drains. Default: 300."""
    compile_cache: NotRequired[str]
    """A storage class with ReadWriteMany volumes, on which vLLM keeps its compiled kernels. vLLM only."""
    compile_fill: NotRequired[bool]
    """Whether a Job compiles the kernels at deployment; replicas then only read the volume. Default: false."""
    graphs: NotRequired[Graphs]
    """The CUDA graphs that vLLM captures before it responds. vLLM only. Default: all."""
    streams: NotRequired[int]
    """The number of reads from S3 at a time, for each GPU; 0 for as many as fill the network. Default: 32."""


class GpuArgs(TypedDict):
    """The GPUs of a replica."""

    count: NotRequired[int]
    """The number of GPUs of a replica, 1 to 8. Default: the fewest that hold the model."""
    types: NotRequired[list[str]]
    """Instance types, in order of preference. Default: every type of the pool that holds the model, cheapest first."""


class TriggerArgs(TypedDict):
    """A trigger that an endpoint scales on."""

    kind: TriggerKind
    """Whether it counts requests or queries a metric."""
    concurrency: NotRequired[int]
    """The number of requests for each replica. `http` only. Default: 32."""
    query: NotRequired[str]
    """The query, in PromQL. `prometheus` only."""
    threshold: NotRequired[float]
    """The value of the query for each replica. `prometheus` only."""
    activation: NotRequired[float]
    """The value of the query above which the endpoint wakes. `prometheus` only. Default: 0."""


class GpuScalingArgs(TypedDict):
    """How the endpoint scales."""

    min: NotRequired[int]
    """The number of replicas that always run. Default: 0."""
    wake: NotRequired[int]
    """The number of replicas that the first request starts, where `min` is 0. Default: 1."""
    max: NotRequired[int]
    """The maximum number of replicas. Default: 1."""
    together: NotRequired[int]
    """The number of replicas that may be started in 15 seconds. Default: 4, or as many as there are."""
    buffer: NotRequired[int]
    """The number of further replicas for which nodes are kept ready. Default: 0."""
    buffer_by: NotRequired[WarmBackend]
    """How these nodes are kept ready. Default: `auto`."""
    idle_seconds: NotRequired[int]
    """The time in seconds without a request until the endpoint sleeps. Default: the cold start, at least 300."""
    triggers: NotRequired[list[TriggerArgs]]
    """What the endpoint scales on. Default: the requests, 32 for each replica."""
    lead_seconds: NotRequired[int]
    """The time in seconds by which replicas are started before a window. Default: the cold start."""
    without_metrics: NotRequired[int]
    """The number of replicas while a trigger cannot be read. Default: `min`, or `wake` where `min` is 0."""
    cap_usd_per_hour: NotRequired[float]
    """The maximum cost in USD per hour, of all replicas and the buffer at on-demand prices."""


class FallbackServiceArgs(TypedDict):
    """A service in the endpoint's namespace that responds while no replica is ready."""

    name: str
    """The name of the service."""
    port: int
    """The port of the service."""
    region: str
    """The region that the service sends requests to."""


class OnColdArgs(TypedDict):
    """What happens to a request while no replica is ready."""

    action: NotRequired[ColdAction]
    """The action. Default: `hold`."""
    after_seconds: NotRequired[int]
    """The maximum time in seconds that a request is held. Default: the cold start for `hold`, 2 for `fallback`."""
    service: NotRequired[FallbackServiceArgs]
    """The service that responds. Required for `fallback`."""
    objective_seconds: NotRequired[int]
    """The maximum 95th percentile of a cold start, from its pod until that is ready, in seconds. Default: no alert."""


class PlacementArgs(TypedDict):
    """The nodes that the pods run on."""

    pool: NotRequired[str]
    """The name of the pool. Default: the first pool that has a fitting type."""
    tolerations: NotRequired[list[TaintArgs]]
    """Taints that the pods tolerate, besides those of the pool."""
    min_available: NotRequired[int]
    """The minimum number of replicas during a drain. Default: one replica at a time may be drained."""


class ColdStartArgs(TypedDict):
    """Measured phases of the cold start, in seconds, instead of the defaults."""

    node: NotRequired[int]
    """Until the node is ready. Default: 90, or 0 in a pool with `static`."""
    pull: NotRequired[int]
    """Until the image is pulled. Default: 1 for each 0.06 GB."""
    weights: NotRequired[int]
    """Until the weights are loaded. Default: 1 for each 0.8 GB."""
    engine: NotRequired[int]
    """Until the engine responds. Default: 60."""


class OverridesArgs(TypedDict):
    """Values that are derived by default."""

    cpu: NotRequired[float]
    """The CPU cores of a replica. Default: 80 % of its share of the node."""
    memory_gib: NotRequired[int]
    """The memory of a replica in GiB. Default: 80 % of its share of the node."""
    shm_gib: NotRequired[int]
    """The part of that memory in GiB that `/dev/shm` may use. Default: 2 for each GPU."""
    startup_seconds: NotRequired[int]
    """The time in seconds until the engine must respond. Default: 1.5 times the time for weights and engine."""
    rollout_seconds: NotRequired[int]
    """The time in seconds until a new replica must be ready, for each replica. Default: derived from the cold start."""
    deploy_seconds: NotRequired[int]
    """The time in seconds until Pulumi reports a rollout as failed. Default: that of each replica, plus 120."""
    grace_seconds: NotRequired[int]
    """The time in seconds until a draining pod is killed. Default: `serving.request_seconds` plus 30."""
    writable_root: NotRequired[bool]
    """Whether containers may write to their root file system. Default: false."""
    monitoring: NotRequired[bool]
    """Whether a PodMonitor and a PrometheusRule are declared. Default: true."""


class GpuEndpointArgs(TypedDict):
    """The arguments of `GpuEndpoint`."""

    artifact: str
    """The path of the folder that `scaletozero package` wrote for the target `gpu-vllm`."""
    image: str
    """The serving image with its registry, pinned by a tag or a digest."""
    cluster: ClusterArgs
    """The cluster."""
    namespace: str
    """The namespace in the cluster, which must exist. `ClusterPrerequisites` creates namespaces."""
    bucket: NotRequired[pulumi.Input[str]]
    """The name of the bucket that the model is uploaded to, for example `ArtifactStore.bucket`."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """The ARN of the KMS key that encrypts the bucket, if it is not the service's own key."""
    serving: NotRequired[GpuServingArgs]
    """What runs in the pods."""
    gpu: NotRequired[GpuArgs]
    """The GPUs of a replica."""
    scaling: NotRequired[GpuScalingArgs]
    """How the endpoint scales."""
    on_cold: NotRequired[OnColdArgs]
    """What happens to a request while no replica is ready."""
    schedule: NotRequired[list[WindowArgs]]
    """Windows in which more replicas run."""
    placement: NotRequired[PlacementArgs]
    """The nodes that the pods run on."""
    cold_start: NotRequired[ColdStartArgs]
    """Measured phases of the cold start."""
    overrides: NotRequired[OverridesArgs]
    """Values that are derived by default."""
    hosts: NotRequired[list[str]]
    """Host names of requests to the endpoint, besides `<name>.<namespace>`."""
    egress: NotRequired[list[str]]
    """Host names outside of the cluster that the pods may send HTTPS requests to; `*.` in front stands for subdomains.
    Requires EKS Auto Mode or Cilium, which enforce host names. Default: none."""
    residency: NotRequired[list[str]]
    """The regions that requests, models and metrics may be in. Default: the cluster's region. If given, hosts of
    `egress` must be within them too."""
    approved_hosts: NotRequired[list[str]]
    """Hosts of `egress` that `residency` does not refuse: their location is known to be within it, or an exception was
    approved. Default: none."""
    tags: NotRequired[dict[str, str]]
    """Extra tags for the AWS resources."""
