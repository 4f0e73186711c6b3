"""How a model for each task is packaged: inspected, run with inputs, scored. One small object for each task.

Requests and responses are those of the serving task (`serving.task`), so that what is scored is what is served.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model_packaging.onnx_model.source import Source
from model_packaging.probes import Probe
from model_packaging.serving.registry import TASKS, load
from model_packaging.serving.runtime import Runtime
from model_packaging.serving.task import Answers, Task
from model_packaging.spec import PackageSpec

CANARY_NUMBERS = 32


class Packaging:
    """The properties and operations of a task that packaging needs.

    Attributes:
        inputs, outputs: the model's inputs and outputs in a word, for a list of tasks.
    """

    inputs: str
    outputs: str

    def inspect(self, spec: PackageSpec) -> Source:
        """Checks the model of `spec`. Returns it with its card's entries.

        Raises:
            FindingsError: every reason that was found against packaging it.
        """
        raise NotImplementedError

    def probe(self, spec: PackageSpec, source: Source) -> Probe:
        """The inputs for the measurements.

        Raises:
            FindingsError: they are missing, too few, or invalid for the model.
        """
        raise NotImplementedError

    def tell_apart(self, spec: PackageSpec, selecting: Answers, scoring: Answers) -> None:
        """Checks that the source's results for the probe differ, so that a candidate's errors can be detected.

        Raises:
            FindingsError: all results are equal.
        """

    def answers(self, runtime: Runtime, items: Sequence[Any]) -> Answers:
        """The results of the probe's items."""
        return runtime.compute(list(items), limited=True)

    def figures(self, reference: Answers, answers: Answers, right: Sequence[int] | None = None) -> dict[str, float]:
        """How close `answers` are to the unquantized model's.

        Args:
            right: the correct class of each item, if known.

        Raises:
            ValueError: they are not finite, or have other shapes.
        """
        raise NotImplementedError

    def error(self, figures: dict[str, float]) -> float:
        """One number for all of them, 0 for equal outputs, which searches minimise."""
        raise NotImplementedError

    def recorded(self, figures: dict[str, float]) -> dict[str, Any]:
        """The fields of the manifest's `Candidate` that record `figures`."""
        return {"scores": figures}

    def requests(self, probe: Probe, task: Task) -> tuple[Any, Any]:
        """A short and a long request, as items of the serving `task`, for the latency measurement."""
        raise NotImplementedError

    def canary(self, numbers: np.ndarray) -> dict[str, Any]:
        """The card's record of the canary's result: the numbers furthest from zero, and their positions."""
        at = np.sort(np.argsort(-np.abs(numbers), kind="stable")[:CANARY_NUMBERS])
        return {"at": at.tolist(), "expected": rounded(numbers[at])}


def packaging_of(task: str) -> Packaging:
    """The packaging of `task`."""
    return load(TASKS[task].packaging)()


def inspect(spec: PackageSpec) -> Source:
    """Checks the model of `spec` by the rules of its task.

    Raises:
        FindingsError: see `Packaging.inspect`.
    """
    return packaging_of(spec.task).inspect(spec)


def rounded(numbers: np.ndarray) -> list[float]:
    """Rounds to two significant digits, which are the same on every machine."""
    return [float(f"{value:.2g}") for value in numbers]


def folder_of(spec: PackageSpec) -> Path:
    """The folder of files about the model: the source itself if it is a folder, or the source's folder."""
    return spec.source if spec.source.is_dir() else spec.source.parent
