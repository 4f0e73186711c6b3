"""Recipes for graphs with matrix products and embeddings: int8, with activations quantized while the model runs."""

from __future__ import annotations

import math

from onnx import ModelProto

from model_packaging.artifact.manifest import Quantization
from model_packaging.quantization import quantize
from model_packaging.quantization.recipe import Attempt, Recipe, Workbench

MOST_KEPT = 8  # maximum weights that `int8-kept` keeps; with more, a block-wise model is smaller and better
_ROWS = "int8 embedding rows"


def _described(scheme: str, *, reduced: bool) -> Quantization:
    return Quantization(scheme=scheme, weight_bits=8, activation_bits=8, reduce_range=reduced)


def _embeddings(*, compressed: bool) -> str:
    return f"{_ROWS} of a common step" if compressed else _ROWS


class Int8(Recipe):
    """Matrix products and embeddings in int8, one scale per column, dynamic activations."""

    def quantization(self, *, compressed: bool) -> Quantization | None:
        embeddings = _embeddings(compressed=compressed)
        return _described(f"int8 weights a column, dynamic activations, {embeddings}", reduced=True)

    def attempt(self, bench: Workbench) -> Attempt | None:
        return Attempt(lambda: _int8(bench)) if bench.has_weights else None


class Int8Kept(Recipe):
    """`int8` with the most sensitive weights in blocks: the fewest that meet the thresholds with a margin."""

    def quantization(self, *, compressed: bool) -> Quantization | None:
        how = "int8 weights a column, the most sensitive in blocks of 128; dynamic activations"
        return _described(f"{how}, {_embeddings(compressed=compressed)}", reduced=True)

    def attempt(self, bench: Workbench) -> Attempt | None:
        plain = bench.measured.get("int8")
        if plain is None or not plain.figures or bench.near_enough(quantized := _int8(bench)):
            return None
        order = _sensitive(bench, "sensitivity", quantized)
        count = 1
        while count < MOST_KEPT and not bench.near_enough(
            quantize.int8_keeping(quantized, bench.folded, order[:count])
        ):
            count *= 2
        kept = order[:count]
        return Attempt(lambda: quantize.int8_keeping(quantized, bench.folded, kept), tuple(kept))


class Int8Blockwise(Recipe):
    """A scale for each block of a column and of the activations: more precise than `int8`, and slower."""

    def quantization(self, *, compressed: bool) -> Quantization | None:
        return _described(f"int8 weights and activations in blocks of 128, {_ROWS}", reduced=False)

    def attempt(self, bench: Workbench) -> Attempt | None:
        return Attempt(lambda: quantize.int8_blockwise(bench.folded)) if bench.has_weights else None


class Int8BlockwiseKept(Recipe):
    """`int8-blockwise` in smaller blocks, and the smallest for the most sensitive weights."""

    def quantization(self, *, compressed: bool) -> Quantization | None:
        scheme = f"int8 weights and activations in blocks of 64, the most sensitive in blocks of 16; {_ROWS}"
        return _described(scheme, reduced=False)

    def attempt(self, bench: Workbench) -> Attempt | None:
        plain = bench.measured.get("int8-blockwise")
        if plain is None or not bench.too_far_only(plain):
            return None

        rest = bench.model("blockwise-rest", lambda: quantize.int8_blockwise(bench.folded, quantize.REST_BLOCK_SIZE))
        order = _sensitive(bench, "sensitivity-blockwise", rest)
        most = order[: math.ceil(len(order) * quantize.KEPT_SHARE)]
        if not most:
            return None
        return Attempt(lambda: quantize.blockwise_keeping(rest, bench.folded, most), tuple(most))


def _int8(bench: Workbench) -> ModelProto:
    return bench.model("int8", lambda: quantize.int8(bench.folded, compressed=bench.compressed))


def _sensitive(bench: Workbench, name: str, quantized: ModelProto) -> list[str]:
    """The weights of a quantized graph, the most sensitive first."""

    def step(done: int, total: int, node: str) -> None:
        bench.step(done, total, f"without {node.rpartition('/')[0] or node}")

    order = bench.value(name, lambda: quantize.sensitivity(quantized, bench.folded, bench.error, step))
    bench.step(1, 1, f"{len(order)} weights by their sensitivity")
    return order
