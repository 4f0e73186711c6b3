"""Predictions against every published figure: which are within the band, and which cannot be compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scaletozero.cold_start.figures import STREAMED, Figure
from scaletozero.cold_start.fit import Seconds, on_one_machine
from scaletozero.cold_start.predict import (
    Engine,
    engine_phases,
    engine_seconds,
    law,
    weights_seconds,
)

PHASES = ("node", "gzip", "fast", "process", "ranks", "compile", "cached", "capture", "warm-up")


@dataclass(frozen=True)
class Comparison:
    """A figure beside its prediction. A figure that a law was fitted to is predicted without it.

    Attributes:
        phase: the phase, or what the time covers.
        figure: the figure.
        predicted: the prediction.
    """

    phase: str
    figure: Figure
    predicted: Seconds

    @property
    def inside(self) -> bool:
        """Whether the figure is within the error band."""
        return self.predicted.holds(self.figure.seconds)


NOT_COMPARED = (
    ("NVIDIA Dynamo Snapshot 5 s, Modal 13.8 and 17.5 s, InferX 2 s, thaw 3.7 and 31.8 s", "a restored process"),
    ("Modal 2,000 and 50 s", "they include the wait for a GPU, and a buffer of idle ones"),
    ("thaw-vllm, Llama 3 70B on two A100, 546.5 s", "mostly weights from a disk that is not named"),
    ("Run:ai from gp3 and io2, Tensorizer 37.36 s, ServerlessLLM, fastsafetensors", "not streamed from S3"),
    ("kserve and llm-d, a compile cache 110 -> 52 s; llm-d 2 to 7 minutes", "no size of the model"),
    ("SageMaker components, 9 min 24 s; containers cached, 525 -> 258 s", "their phases are not published"),
    ("AWS, within two minutes; scaleops, 8 minutes", "neither model nor instance is named"),
)
"""Figures of cold starts that have no prediction here, and why."""


def comparisons() -> Iterator[Comparison]:
    """Every figure that can be compared."""
    for phase in PHASES:
        fitted = law(phase)
        for figure in fitted.figures:
            yield Comparison(phase, figure, fitted.without(figure))
    streamed = weights_seconds(STREAMED.gb, "g5.12xlarge")
    assert streamed
    yield Comparison("weights (the only figure)", STREAMED, streamed)
    yield from _whole()


def _whole() -> Iterator[Comparison]:
    """Times of several phases together."""
    start = "engine"
    small = Figure("vLLM, 1 GiB of weights", 95.7, "modal.com", "2026-05-12", 1.1)
    yield Comparison(start, small, engine_seconds(small.gb, Engine()))
    other = Figure("SGLang, 1 GiB of weights", 83.7, "modal.com", "2026-05-12", 1.1)
    yield Comparison(start, other, engine_seconds(other.gb, Engine()))
    whole = Figure("vLLM, Llama 3 8B on an H100, with weights", 20.7, "thaw-vllm", "read 2026-11", 16.1)
    yield Comparison(start, whole, engine_seconds(whole.gb, Engine()))
    cold = Figure("vLLM, Qwen3 32B, with weights", 68.47, "vllm-project/vllm#32191", "2026-01-12", 65.5)
    yield Comparison(start, cold, engine_seconds(cold.gb, Engine()))
    warm = Figure("vLLM, Qwen3 32B, with weights, cache", 43.91, "vllm-project/vllm#32191", "2026-01-12", 65.5)
    yield Comparison(start, warm, engine_seconds(warm.gb, Engine(cached=True)))
    long = Figure("vLLM, gpt-oss-120b, over two minutes, with weights", 120, "NVIDIA blog", "2026-05", 65)
    yield Comparison(start, long, engine_seconds(long.gb, Engine()))
    aks = Figure("vLLM, Qwen3.8 27B on an A100 of AKS", 195, "kaito-project/kaito#2325", "2026-09-07", 55.6)
    yield Comparison("engine without process", aks, _initialised(aks, Engine()))
    for seconds, what, engine in (
        (222.8, "nothing cached", Engine(4)),
        (53.4, "cached", Engine(4, cached=True)),
        (309.4, "eager, nothing cached", Engine(4, eager=True)),
    ):
        ampere = Figure(
            f"Qwen3.6 27B FP8 on four A800, {what}", seconds, "vllm-project/vllm#52682", "2026-09-21", 28, 4
        )
        yield Comparison("engine without process", ampere, _initialised(ampere, engine))


def _initialised(figure: Figure, engine: Engine) -> Seconds:
    """What vLLM logs as `init engine`: the process is up, its ranks and weights are there."""
    phases = engine_phases(figure.gb, engine)
    return on_one_machine([each for name, each in phases.items() if name not in ("process", "ranks")], "")


def table() -> str:
    """The comparisons as a table in Markdown."""
    lines = ["| phase | published | s | predicted | band | | source |", "|---|---|---:|---:|---:|---|---|"]
    for each in comparisons():
        found = each.predicted
        band = f"{_number(found.low)} to {_number(found.high)}"
        verdict = "inside" if each.inside else "**outside**"
        lines.append(
            f"| {each.phase} | {each.figure.what} | {_number(each.figure.seconds)} | {_number(found.expected)} "
            f"| {band} | {verdict} | {each.figure.source}, {each.figure.date} |"
        )
    return "\n".join(lines)


def not_compared_table() -> str:
    """The figures without a prediction, as a table in Markdown."""
    rows = (f"| {what} | {why} |" for what, why in NOT_COMPARED)
    return "\n".join(["| published | why it is not compared |", "|---|---|", *rows])


def _number(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"
