"""What makes the cold start of a GPU endpoint shorter, each with its predicted gain. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from scaletozero.cold_start.fit import Seconds
from scaletozero.cold_start.image import ImageContent
from scaletozero.cold_start.predict import (
    EAGER,
    Engine,
    Gain,
    engine_seconds,
    filling_streams,
    pull_seconds,
    weights_seconds,
)
from scaletozero.kubernetes.derive import Derived
from scaletozero.kubernetes.manifests.pods import FEW_GRAPHS
from scaletozero.kubernetes.model import Model
from scaletozero.settings.gpu import GpuEndpointSettings, Serving

STEP_SECONDS, STEP_PODS = 15, 4
"""How Kubernetes scales up where nothing else is declared: in a period of so many seconds by so many pods, or by as
many as there are, whichever is more (`HorizontalPodAutoscaler`, default scaling policies)."""


def engine_of(serving: Serving, gpus: int) -> Engine:
    """What the start of vLLM depends on, as it is declared."""
    eager = EAGER in serving.arguments or serving.graphs == "none"
    graphs = {"graphs": len(FEW_GRAPHS)} if serving.graphs == "few" else {}
    return Engine(gpus, eager, serving.compile_cache is not None, **graphs)


def streamed_seconds(gb: float, derived: Derived, streams: int) -> Seconds | None:
    """Weights on the preferred instance type, with so many reads at a time for each GPU."""
    return weights_seconds(gb, derived.types[0].name, streams * derived.gpus)


def gains(
    settings: GpuEndpointSettings, model: Model, derived: Derived, phases: set[str], image: ImageContent | None = None
) -> Iterator[Gain]:
    """The gains in the phases that are predicted. What is measured already needs no prediction: measure again.

    Args:
        settings: the endpoint.
        model: its packaged model.
        derived: what follows from both.
        phases: the phases that are predicted.
        image: the image as its registry has it.
    """
    gb = model.weights_bytes / 1e9
    if "pull" in phases:
        yield from _of_pull(settings, derived, image)
    if "weights" in phases and derived.types:
        yield from _of_weights(settings, derived, gb)
    if "engine" in phases:
        yield from _of_engine(settings.serving, derived.gpus, gb)
    yield from _of_replicas(settings)


def _of_pull(settings: GpuEndpointSettings, derived: Derived, image: ImageContent | None) -> Iterator[Gain]:
    gb, gzipped = (image.gb, image.gzipped) if image else (settings.serving.image_gb, True)
    parallel = derived.pool is not None and derived.pool.parallel_pull
    one, other = (pull_seconds(gb, gzipped=gzipped, parallel=each) for each in (False, True))
    if settings.cluster.nodes == "karpenter":
        yield Gain("nodes.parallel_pull", parallel, "pull", one, other)
        # The published figures of layers that are not gzip are of nodes that pull in parallel.
        plain = pull_seconds(gb, gzipped=False, parallel=True)
        if gzipped:
            yield Gain("nodes.parallel_pull, repack", False, "pull", other if parallel else one, plain)


def _of_weights(settings: GpuEndpointSettings, derived: Derived, gb: float) -> Iterator[Gain]:
    filled = filling_streams(derived.types[0].name)
    usual = streamed_seconds(gb, derived, Serving.model_fields["streams"].default)
    if filled is None or usual is None:
        return
    best = streamed_seconds(gb, derived, -(-filled // derived.gpus))
    if best and best.expected < usual.expected:
        yield Gain("serving.streams: 0", settings.serving.streams == 0, "weights", usual, best)


def _of_engine(serving: Serving, gpus: int, gb: float) -> Iterator[Gain]:
    now = engine_of(serving, gpus)
    cache = [engine_seconds(gb, Engine(gpus, now.eager, cached, now.graphs)) for cached in (False, True)]
    if not now.eager:
        yield Gain("serving.compile_cache", now.cached, "engine", cache[0], cache[1])
    if now.cached and not now.eager:
        yield Gain(
            "serving.compile_fill", serving.compile_fill, "engine of an artifact's first start", cache[0], cache[1]
        )
    if EAGER in serving.arguments:
        return
    every = engine_seconds(gb, Engine(gpus, cached=now.cached))
    for value in ("few", "none"):
        other = engine_of(serving.model_copy(update={"graphs": value}), gpus)
        yield Gain(f"serving.graphs: {value}", serving.graphs == value, "engine", every, engine_seconds(gb, other))


def _of_replicas(settings: GpuEndpointSettings) -> Iterator[Gain]:
    scaling = settings.scaling
    first = scaling.min or scaling.wake
    usual, best = steps(first, scaling.max, None), steps(first, scaling.max, scaling.max)
    if usual > best:
        source = f"periods of {STEP_SECONDS} s until the last of {scaling.max} replicas is started"
        without, with_ = (
            Seconds(seconds, seconds, seconds, source)
            for seconds in [(each - 1.0) * STEP_SECONDS for each in (usual, best)]
        )
        yield Gain(f"scaling.together: {scaling.max}", scaling.together == scaling.max, "last replica", without, with_)


def steps(first: int, most: int, together: int | None) -> int:
    """The number of periods until `most` replicas are started.

    Args:
        first: replicas that run already.
        most: replicas that are needed.
        together: replicas that may be started in a period. Default: those of Kubernetes.
    """
    found = 0
    while first < most:
        first += max(STEP_PODS, first) if together is None else together
        found += 1
    return max(found, 1)
