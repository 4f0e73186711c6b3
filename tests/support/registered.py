"""A packaging task and a recipe of somebody else's, as their own files would hold them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from onnx import ModelProto, numpy_helper

from model_packaging.artifact.manifest import Quantization
from model_packaging.onnx_model import graph
from model_packaging.quantization.recipe import Attempt, Recipe, Workbench
from model_packaging.recipes import RecipeEntry
from model_packaging.serving.registry import TASKS, TaskKind
from model_packaging.serving.task import Answers
from model_packaging.serving.tensors import Generic as ServedGeneric
from model_packaging.tasks.tensors import Generic
from model_packaging.thresholds import Bound, Floor

TASK = "sum"
ENTRY = TaskKind(
    inputs="tensors",
    serving="registered:ServedSum",
    packaging="registered:Sum",
    thresholds="registered:SumFloor",
)
RECIPE = "float16-weights"
RECIPE_ENTRY = RecipeEntry("registered:Float16Weights")


class SumFloor(Floor):
    """The largest difference of a sum."""

    difference: float = 0.5

    def bounds(self) -> Iterator[Bound]:
        yield Bound("difference", "largest difference", self.difference, 0)


class ServedSum(ServedGeneric):
    """The sum of each output."""

    def content(self, items: Any, answers: Answers) -> dict[str, Any]:
        return {"sums": {name: [float(np.sum(each)) for each in values] for name, values in answers.items()}}


class Sum(Generic):
    """Packaged by how far its sums are from the source's."""

    outputs = "sum"

    def figures(self, reference: Answers, answers: Answers, right: Any = None) -> dict[str, float]:
        return {"difference": max(_difference(reference[name], answers[name]) for name in reference)}

    def error(self, figures: Mapping[str, float]) -> float:
        return figures["difference"]


def _difference(theirs: Any, ours: Any) -> float:
    return max(abs(float(np.sum(one)) - float(np.sum(other))) for one, other in zip(theirs, ours, strict=True))


class Float16Weights(Recipe):
    """Weights rounded to what float16 can hold."""

    def quantization(self, *, compressed: bool) -> Quantization | None:
        return Quantization(scheme="rounded to float16", weight_bits=16, activation_bits=32, reduce_range=False)

    def attempt(self, bench: Workbench) -> Attempt | None:
        return Attempt(lambda: _rounded(bench.folded)) if bench.has_weights else None


def _rounded(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    for name, tensor in graph.initializers(copy).items():
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16).astype(np.float32), name))
    return copy


def register() -> None:
    """Adds the task, in a process that starts with this."""
    TASKS[TASK] = ENTRY
