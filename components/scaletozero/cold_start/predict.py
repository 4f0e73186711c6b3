"""The predicted cold start of an endpoint, phase by phase, each with its error band. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from scaletozero.cold_start import figures
from scaletozero.cold_start.fit import Law, Seconds, best_law, on_one_machine
from scaletozero.cold_start.instances import NETWORKS, Network

EAGER = "--enforce-eager"
"""vLLM's argument that leaves out the compilation and the CUDA graphs."""


@dataclass(frozen=True)
class Engine:
    """What the start of vLLM depends on.

    Attributes:
        gpus: number of GPUs of a replica.
        eager: whether nothing is compiled or captured.
        cached: whether compiled kernels are found in a cache.
    """

    gpus: int = 1
    eager: bool = False
    cached: bool = False


@dataclass(frozen=True)
class Predicted:
    """The predictions of an endpoint's phases.

    Attributes:
        phases: phase -> its prediction, in seconds, of those that nobody has measured and that can be predicted.
        total: the whole cold start; None if a phase of it cannot be predicted.
        missing: phase -> why it cannot be predicted.
    """

    phases: dict[str, Seconds]
    total: Seconds | None
    missing: dict[str, str]


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


def pull_seconds(gb: float, *, gzipped: bool = True) -> Seconds:
    """An image, pulled and unpacked.

    Args:
        gb: size of its layers as they are pulled, in GB.
        gzipped: whether layers are gzip. Without, the band reaches from a node with its defaults to one that is set to
            pull and unpack in parallel, which the image alone does not tell.
    """
    default = law("gzip").seconds(gb)
    if gzipped:
        return default
    fast = law("fast").seconds(gb)
    return Seconds(fast.expected, fast.low, default.high, fast.source)


def weights_seconds(gb: float, instance: str) -> Seconds | None:
    """Weights, streamed from S3 to the GPUs; None for an instance type whose network is not known.

    One figure names its instance: it used 0.61 of the network. The band reaches from the whole network at its peak to
    as much less than that figure, at the baseline.
    """
    network = NETWORKS.get(instance)
    if network is None:
        return None
    share = _streamed_share()
    peak, base = network.peak_gbps / 8, network.baseline_gbps / 8
    source = f"{share:.2f} of {network.peak_gbps:g} Gbit/s, from one published figure"
    return Seconds(gb / (share * peak), gb / peak, gb / (share**2 * base), source)


def _streamed_share() -> float:
    measured: Network = NETWORKS["g5.12xlarge"]
    return figures.STREAMED.gb / figures.STREAMED.seconds / (measured.peak_gbps / 8)


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
        found["capture"] = law("capture").seconds(weights_gb, engine.gpus)
    return found


def engine_seconds(weights_gb: float, engine: Engine) -> Seconds:
    """The start of vLLM without its weights."""
    phases = engine_phases(weights_gb, engine)
    parts = ", ".join(f"{name} {each.expected:.0f}" for name, each in phases.items())
    return on_one_machine(list(phases.values()), parts)
