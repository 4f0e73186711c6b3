"""The interface of a recipe, and its inputs. The recipes are listed in `model_packaging.recipes`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from onnx import ModelProto

from model_packaging.artifact.manifest import Candidate, Quantization
from model_packaging.onnx_model import graph
from model_packaging.recipes import RECIPES
from model_packaging.serving.registry import load

T = TypeVar("T")
Step = Callable[[int, int, str], None]
"""Called with the number of finished steps, the number of all steps, and a note."""


@dataclass(frozen=True)
class Attempt:
    """A candidate to build and measure: `build` makes its graph, `kept` are the weights with a higher precision.

    `build` is called only if the candidate was not measured by an earlier run.
    """

    build: Callable[[], ModelProto]
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Workbench:
    """The data and functions that the recipes of one run share.

    Attributes:
        folded: the source with its constants folded.
        calibrating: inputs for the ranges of static quantization.
        compressed: whether the archive will be compressed.
        error: distance of a graph's outputs from the source's, on the selecting inputs; 0 for equal outputs.
        near_enough: whether a graph meets the thresholds there, with a margin.
        too_far_only: whether a measured candidate misses the thresholds and is not slower than the source.
        model, value: a graph or a JSON value by name, computed once and kept for later runs.
        step: receives the progress.
        measured: recipe -> a candidate that was measured before this one.
    """

    folded: ModelProto
    calibrating: Sequence[Any]
    compressed: bool
    error: Callable[[ModelProto], float]
    near_enough: Callable[[ModelProto], bool]
    too_far_only: Callable[[Candidate], bool]
    model: Callable[[str, Callable[[], ModelProto]], ModelProto]
    value: Callable[[str, Callable[[], Any]], Any]
    step: Step
    measured: dict[str, Candidate] = field(default_factory=dict)
    _shared: dict[str, Any] = field(default_factory=dict)

    def shared(self, name: str, compute: Callable[[], T]) -> T:
        """A value that several recipes need, computed once in this run."""
        if name not in self._shared:
            self._shared[name] = compute()
        return self._shared[name]

    @cached_property
    def has_weights(self) -> bool:
        """Whether the graph has matrix products with weights, or embeddings."""
        return bool(graph.weight_matmuls(self.folded) or graph.embedding_tables(self.folded))


class Recipe:
    """A way to make a candidate."""

    def quantization(self, *, compressed: bool) -> Quantization | None:
        """The manifest's entry; None if nothing is quantized.

        Args:
            compressed: whether the archive will be compressed.
        """
        raise NotImplementedError

    def attempt(self, bench: Workbench) -> Attempt | None:
        """The candidate to build; None if the recipe does not fit the graph or cannot improve on earlier ones."""
        raise NotImplementedError


class Fp32(Recipe):
    """The source, optimised."""

    def quantization(self, *, compressed: bool) -> Quantization | None:
        return None

    def attempt(self, bench: Workbench) -> Attempt | None:
        return Attempt(lambda: bench.folded)


def recipe_of(name: str) -> Recipe:
    """The recipe called `name`."""
    return load(RECIPES[name].home)()


def quantizations(*, compressed: bool) -> Mapping[str, Quantization]:
    """Recipe -> the manifest's entry, for recipes that quantize."""
    every = {name: recipe_of(name).quantization(compressed=compressed) for name in RECIPES}
    return {name: found for name, found in every.items() if found is not None}
