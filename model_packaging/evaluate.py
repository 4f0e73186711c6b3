"""How near a candidate's answers are to the unquantized model's, and how fast it gives them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from model_packaging.manifest import Quality

Vectors = NDArray[np.float32]


def quality(reference: Vectors, candidate: Vectors) -> Quality:
    """Closeness of `candidate` to `reference`, both of shape (texts, dimension), at least 7 texts.

    Raises:
        ValueError: the candidate's answers are not finite.
    """
    if not np.isfinite(candidate).all():
        raise ValueError("its answers are not finite")
    first, second = _unit(reference), _unit(candidate)
    cosines = (first * second).sum(axis=1)
    pairs = np.triu_indices(len(first), 1)
    alike_first, alike_second = first @ first.T, second @ second.T
    near_first, near_second = _neighbours(alike_first, 5), _neighbours(alike_second, 5)
    shared = [len(set(one) & set(other)) / 5 for one, other in zip(near_first, near_second, strict=True)]
    return Quality(
        n=len(first),
        cosine_mean=_round(cosines.mean()),
        cosine_min=_round(cosines.min()),
        cosine_p1=_round(np.percentile(cosines, 1)),
        spearman=_round(_correlation(_ranks(alike_first[pairs]), _ranks(alike_second[pairs]))),
        top1=_round((near_first[:, 0] == near_second[:, 0]).mean()),
        top5=_round(statistics.mean(shared)),
    )


def distance(reference: Vectors, candidate: Vectors) -> float:
    """Mean of 1 - cosine, 0 for the same answers."""
    return float(1 - (_unit(reference) * _unit(candidate)).sum(axis=1).mean())


def interleaved(runs: Sequence[Callable[[], object]], rounds: int, burst: int = 5) -> list[list[float]]:
    """Milliseconds of processor time of each run, `burst` times in a row, then the next, `rounds` times around.

    Processor time, of runs that use one thread, is what they take on a quiet machine, also where it is not. In a
    burst a model's weights are in the processor's caches, as they are in an endpoint that serves one model; the first
    run of each burst, which brings them there, is left out.
    """
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for spent, run in zip(times, runs, strict=True):
            run()
            for _ in range(burst):
                began = time.process_time_ns()
                run()
                spent.append((time.process_time_ns() - began) / 1e6)
    return times


def _unit(vectors: Vectors) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)


def _neighbours(alike: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    others = alike.copy()
    np.fill_diagonal(others, -np.inf)
    return np.argsort(-others, axis=1, kind="stable")[:, :count]


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    first, second = first - first.mean(), second - second.mean()
    return float((first @ second) / max(1e-12, np.linalg.norm(first) * np.linalg.norm(second)))


def _round(value: float) -> float:
    return round(float(value), 5)
