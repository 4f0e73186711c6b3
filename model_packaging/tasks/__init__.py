"""How a model for each task is packaged: found out about, tried with inputs, scored. One small object for each task.

What a request and a response look like is the task's own (`serving.task`); what is served is what was scored.
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
    """What packaging has to know of a task.

    Attributes:
        inputs, outputs: what the model takes and returns, in a word, for a list of tasks.
    """

    inputs: str
    outputs: str

    def inspect(self, spec: PackageSpec) -> Source:
        """The model of `spec`, checked, with what its card says.

        Raises:
            FindingsError: everything that stands against packaging it, as far as each can be told.
        """
        raise NotImplementedError

    def probe(self, spec: PackageSpec, source: Source) -> Probe:
        """The inputs to measure with.

        Raises:
            FindingsError: they are missing, too few, or not what the model takes.
        """
        raise NotImplementedError

    def tell_apart(self, spec: PackageSpec, selecting: Answers, scoring: Answers) -> None:
        """Checks that the source's own results for the probe differ, so that a candidate's could be wrong.

        Raises:
            FindingsError: all results are equal.
        """

    def answers(self, runtime: Runtime, items: Sequence[Any]) -> Answers:
        """The results of the probe's items."""
        return runtime.compute(list(items), limited=True)

    def figures(self, reference: Answers, answers: Answers, right: Sequence[int] | None = None) -> dict[str, float]:
        """How near `answers` are to the unquantized model's.

        Args:
            right: the class of each item, where known.

        Raises:
            ValueError: they are not finite, or of other shapes.
        """
        raise NotImplementedError

    def error(self, figures: dict[str, float]) -> float:
        """One number for all of them, 0 for equal outputs: what a search minimises."""
        raise NotImplementedError

    def recorded(self, figures: dict[str, float]) -> dict[str, Any]:
        """The fields of the manifest's `Candidate` that record `figures`."""
        return {"scores": figures}

    def requests(self, probe: Probe, task: Task) -> tuple[Any, Any]:
        """A short and a long request, as the items of the serving `task`, to take the time of."""
        raise NotImplementedError

    def canary(self, numbers: np.ndarray) -> dict[str, Any]:
        """What the card records of the canary's result: the numbers furthest from zero, and where they stand."""
        at = np.sort(np.argsort(-np.abs(numbers), kind="stable")[:CANARY_NUMBERS])
        return {"at": at.tolist(), "expected": rounded(numbers[at])}


def packaging_of(task: str) -> Packaging:
    """How `task` is packaged."""
    return load(TASKS[task].packaging)()


def inspect(spec: PackageSpec) -> Source:
    """The model of `spec`, checked as its task wants it.

    Raises:
        FindingsError: see `Packaging.inspect`.
    """
    return packaging_of(spec.task).inspect(spec)


def rounded(numbers: np.ndarray) -> list[float]:
    """Two significant digits: the same on every machine."""
    return [float(f"{value:.2g}") for value in numbers]


def folder_of(spec: PackageSpec) -> Path:
    """Where files about the model lie: the source's folder, or the source where it is one."""
    return spec.source if spec.source.is_dir() else spec.source.parent
