"""The predicted cold start of an endpoint, phase by phase, each with its error band. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from scaletozero.cold_start import figures
from scaletozero.cold_start.fit import Law, Seconds, best_law, on_one_machine
from scaletozero.cold_start.instances import NETWORKS, Network

EAGER = "--enforce-eager"
"""vLLM's argument that leaves out the compilation and the CUDA graphs."""

ALL_GRAPHS = 67
"""CUDA graphs that vLLM captures by default: for batches of 1, 2, 4, 8, 16, and so on up to 512
(vllm-project/vllm#20098)."""

PARALLEL_SHARE = 0.5
"""Of the time for gzip layers, what a node that pulls and unpacks in parallel needs at best: "up to 50 %" less
(aws-samples/karpenter-blueprints, `soci-snapshotter`, read 2026-11)."""


@dataclass(frozen=True)
class Engine:
    """What the start of vLLM depends on.

    Attributes:
        gpus: number of GPUs of a replica.
        eager: whether nothing is compiled or captured.
        cached: whether compiled kernels are found in a cache.
        graphs: number of CUDA graphs that are captured.
    """

    gpus: int = 1
    eager: bool = False
    cached: bool = False
    graphs: int = ALL_GRAPHS


@dataclass(frozen=True)
class Gain:
    """What a setting does to a phase.

    Attributes:
        setting: the setting and the value that makes the phase shorter.
        on: whether it is declared.
        phase: the phase.
        without, with_: the phase's prediction without and with it.
    """

    setting: str
    on: bool
    phase: str
    without: Seconds
    with_: Seconds

    @property
    def seconds(self) -> float:
        """The expected gain, in seconds."""
        return self.without.expected - self.with_.expected


@dataclass(frozen=True)
class Predicted:
    """The predictions of an endpoint's phases.

    Attributes:
        phases: phase -> its prediction, in seconds, of those that nobody has measured and that can be predicted.
        total: the whole cold start; None if a phase of it cannot be predicted.
        missing: phase -> why it cannot be predicted.
        gains: what makes it shorter, on or not.
    """

    phases: dict[str, Seconds]
    total: Seconds | None
    missing: dict[str, str]
    gains: tuple[Gain, ...] = ()


@cache
def law(name: str) -> Law:
    """The fitted law of a phase: `node`, `gzip`, `fast`, `process`, `ranks`, `compile`, `cached`, `capture`, `warm-up`.

    Raises:
        KeyError: there is no such phase.
    """
    if name in ("gzip", "fast"):
        return Law(name, {"gzip": figures.GZIP, "fast": figures.FAST}[name], each_gb=True)
    known = {
        "node": figures.NODE,
        "process": figures.PROCESS,
        "ranks": figures.RANKS,
        "compile": figures.COMPILE,
        "cached": figures.CACHED,
        "capture": figures.CAPTURE,
        "warm-up": figures.WARM_UP,
    }
    return best_law(name, known[name])


def node_seconds() -> Seconds:
    """A node, from the pod that has no room until it is ready."""
    return law("node").seconds()


def pull_seconds(gb: float, *, gzipped: bool = True, parallel: bool = False) -> Seconds:
    """An image, pulled and unpacked.

    Args:
        gb: size of its layers as they are pulled, in GB.
        gzipped: whether layers are gzip.
        parallel: whether the node is known to pull and unpack in parallel. If it is not, and layers are not gzip, the
            band reaches from a node with its defaults to one that does.
    """
    default, fast = law("gzip").seconds(gb), law("fast").seconds(gb)
    if gzipped and not parallel:
        return default
    if gzipped:
        # Nobody publishes such a pull with the size of its image: the band reaches from layers that are not gzip to a
        # node with its defaults.
        source = f"{PARALLEL_SHARE:g} of a node with its defaults, at best"
        return Seconds(default.expected * PARALLEL_SHARE, fast.low, default.high, source)
    if parallel:
        return fast
    return Seconds(fast.expected, fast.low, default.high, fast.source)


def weights_seconds(gb: float, instance: str, streams: int = 0) -> Seconds | None:
    """Weights, streamed from S3 to the GPUs; None for an instance type whose network is not known.

    One figure names its instance: it used 0.61 of the network. The band reaches from the whole network at its peak to
    as much less than that figure, at the baseline.

    Args:
        gb: size of the weights in GB.
        instance: name of the instance type.
        streams: number of reads at a time. Few of them do not fill a fast network. Default: as many as fill it.
    """
    network = NETWORKS.get(instance)
    if network is None:
        return None
    share = _streamed_share()
    peak, base = network.peak_gbps / 8, network.baseline_gbps / 8
    rate, source = share * peak, f"{share:.2f} of {network.peak_gbps:g} Gbit/s, from one published figure"
    if streams and (slower := streams * stream_gbytes()) < rate:
        rate, source = slower, f"{streams} reads at a time, from one published figure"
    return Seconds(gb / rate, gb / peak, gb / (share * min(rate, share * base)), source)


def _streamed_share() -> float:
    measured: Network = NETWORKS["g5.12xlarge"]
    return figures.STREAMED.gb / figures.STREAMED.seconds / (measured.peak_gbps / 8)


def stream_gbytes() -> float:
    """GB a second of one read from S3, by the published figure: 0.096, where AWS says 0.085 to 0.09 ("Performance
    guidelines for Amazon S3")."""
    return figures.STREAMED.gb / figures.STREAMED.seconds / figures.STREAMS


def filling_streams(instance: str) -> int | None:
    """The number of reads at a time that fill an instance type's network; None for one that is not known."""
    network = NETWORKS.get(instance)
    return math.ceil(network.peak_gbps / 8 / stream_gbytes()) if network else None


def engine_phases(weights_gb: float, engine: Engine) -> dict[str, Seconds]:
    """The start of vLLM without its weights, by phase."""
    found = {"process": law("process").seconds()}
    if engine.gpus > 1:
        found["ranks"] = law("ranks").seconds(gpus=engine.gpus)
    if not engine.eager:
        compiled = "cached" if engine.cached else "compile"
        found[compiled] = law(compiled).seconds(weights_gb, engine.gpus)
    found["warm-up"] = law("warm-up").seconds(weights_gb, engine.gpus)
    if not engine.eager:
        found["capture"] = _captured(law("capture").seconds(weights_gb, engine.gpus), engine.graphs)
    return found


def _captured(every: Seconds, graphs: int) -> Seconds:
    """Fewer graphs are expected to take their share of the time; the band reaches to the time of all of them."""
    share = min(graphs / ALL_GRAPHS, 1)
    return every if share == 1 else Seconds(every.expected * share, every.low * share, every.high, every.source)


def engine_seconds(weights_gb: float, engine: Engine) -> Seconds:
    """The start of vLLM without its weights."""
    phases = engine_phases(weights_gb, engine)
    parts = ", ".join(f"{name} {each.expected:.0f}" for name, each in phases.items())
    return on_one_machine(list(phases.values()), parts)
