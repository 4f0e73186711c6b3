"""Measures how close a candidate's outputs are to the unquantized model's."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_packaging.artifact.manifest import Quality

Vectors = NDArray[np.float32]
Rows = Sequence[NDArray[Any]] | NDArray[Any]
"""The outputs for the inputs: an array whose first axis is the inputs, or a sequence if they differ in shape."""


def quality(reference: Vectors, candidate: Vectors) -> Quality:
    """Closeness of `candidate` to `reference`, both of shape (texts, dimension), at least 7 texts.

    Raises:
        ValueError: the candidate's outputs are not finite.
    """
    if not np.isfinite(candidate).all():
        raise ValueError("its outputs are not finite")
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
    """Mean of 1 - cosine; 0 for equal outputs."""
    return float(1 - (_unit(reference) * _unit(candidate)).sum(axis=1).mean())


def class_figures(reference: Rows, candidate: Rows, labels: Sequence[int] | None = None) -> dict[str, float]:
    """Closeness of a classifier's probabilities to the reference's, one array of (classes,) for each input, or of
    (tokens, classes), whose tokens then are the inputs.

    Args:
        labels: the correct class of each input, if known.

    Returns:
        `n`, `agreement` (share with the same likeliest class), `distance_mean` and `distance_max` (for each input, the
        largest difference of a probability), and with labels `accuracy` and `source_accuracy`.

    Raises:
        ValueError: the candidate's outputs are not finite.
    """
    first, second = _rows(reference), _rows(candidate)
    if not np.isfinite(second).all():
        raise ValueError("its outputs are not finite")
    theirs, ours = first.argmax(axis=1), second.argmax(axis=1)
    distances = np.abs(first - second).max(axis=1)
    figures = {
        "n": float(len(first)),
        "agreement": _round((theirs == ours).mean()),
        "distance_mean": _round(distances.mean()),
        "distance_max": _round(distances.max()),
    }
    if labels is not None:
        right = np.asarray(labels)
        figures |= {"accuracy": _round((ours == right).mean()), "source_accuracy": _round((theirs == right).mean())}
    return figures


def tensor_figures(reference: Mapping[str, Rows], candidate: Mapping[str, Rows]) -> dict[str, float]:
    """Closeness of each example's outputs, by name, to the reference's; the worst output of an example counts.

    Returns:
        `n`, `cosine_mean`, `cosine_min`, `error_mean` and `error_max` (|ours - theirs| / |theirs|), `agreement` (share
        of places with the same largest number along the last axis).

    Raises:
        ValueError: the candidate's outputs are not finite, or have other shapes.
    """
    cosines, errors, agreements = [], [], []
    for name, values in reference.items():
        for theirs, ours in zip(values, candidate[name], strict=True):
            if theirs.shape != ours.shape:
                raise ValueError(f"its {name} has shape {list(ours.shape)}, the source's {list(theirs.shape)}")
            first, second = theirs.astype(np.float64), ours.astype(np.float64)
            if not np.isfinite(second).all():
                raise ValueError("its outputs are not finite")
            if not first.size:  # both found nothing
                cosines, errors, agreements = [*cosines, 1.0], [*errors, 0.0], [*agreements, 1.0]
                continue
            # Against a reference of zeros, a small number is a small error instead of an infinite one.
            least = 1e-6 * np.sqrt(first.size)
            size, other = np.linalg.norm(first), np.linalg.norm(second)
            small = size < least and other < least
            cosines.append(1.0 if small else float((first * second).sum() / max(1e-300, size * other)))
            errors.append(float(np.linalg.norm(first - second) / max(least, size)))
            agreements.append(float((first.argmax(axis=-1) == second.argmax(axis=-1)).mean()) if first.ndim else 1.0)
    outputs = len(reference)
    cosine = np.array(cosines).reshape(outputs, -1).min(axis=0)
    error = np.array(errors).reshape(outputs, -1).max(axis=0)
    return {
        "n": float(len(cosine)),
        "cosine_mean": _round(cosine.mean()),
        "cosine_min": _round(cosine.min()),
        "error_mean": _round(error.mean()),
        "error_max": _round(error.max()),
        "agreement": _round(np.array(agreements).reshape(outputs, -1).min(axis=0).mean()),
    }


def _rows(values: Rows) -> NDArray[np.float64]:
    return np.concatenate([np.atleast_2d(each) for each in values]).astype(np.float64)


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
