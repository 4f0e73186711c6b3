"""Quantizes graphs to int8, and finds their most sensitive weights."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnx
from onnx import ModelProto
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

from model_packaging.onnx_model import graph

BLOCK_SIZE = 128
KEPT_BLOCK_SIZE, REST_BLOCK_SIZE = 16, 64
"""Block sizes of `int8-blockwise-kept`. An outlier among the activations degrades the others in its block, so smaller
blocks are
closer to float32, but each block needs another scale."""
COMMON_STEPS = 50
"""The common step of embedding rows for a compressed archive. A step that most rows share compresses best for the error
it makes: of paraphrase-MiniLM as `int8`, graph and weights take 13.4 MB at gzip -6 instead of 15.5, for a mean cosine
of 0.9965 instead of 0.9966, as nearly all of its error is the matrix products'."""
KEPT_SHARE = 1 / 6  # share of the MatMuls; on all-MiniLM-L6 more of them cost bytes and time, and gain hardly anything
INT8_ACTIVATIONS = (
    4  # MatMulNBits' accuracy_level: activations are quantized block by block, so that int8 kernels are used
)


def int8(folded: ModelProto, *, compressed: bool = False) -> ModelProto:
    """int8 MatMuls with dynamic activations, and int8 embedding tables with one scale per row.

    Args:
        compressed: whether the rows share a step as far as possible, for a compressed archive.

    Weights are signed, with one scale per column, and use 7 of the 8 bits: on a CPU without VNNI the full range
        saturates the
    16-bit sums, so that the same file would return other results. The CPU of SageMaker Serverless is not documented.
    """
    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, target = Path(folder) / "in.onnx", Path(folder) / "out.onnx"
        graph.save(folded, source)
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
        return graph.quantize_rows(onnx.load_model(str(target)), COMMON_STEPS if compressed else None)


def blockwise(model: ModelProto, block: int = BLOCK_SIZE) -> ModelProto:
    """`model` with each MatMul that still has a float32 weight at 8 bits, with one scale for `block` weights and
    activations; `block` is a power of two from 16.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    config = DefaultWeightOnlyQuantConfig(block_size=block, is_symmetric=True, accuracy_level=INT8_ACTIVATIONS, bits=8)
    with _quiet():
        quantizer = MatMulNBitsQuantizer(copy, algo_config=config)
        quantizer.process()
    return quantizer.model.model  # pyright: ignore[reportAttributeAccessIssue] - the quantizer wraps the model it is given


def int8_blockwise(folded: ModelProto, block: int = BLOCK_SIZE) -> ModelProto:
    """8-bit block-wise MatMuls throughout, and int8 embedding tables with one scale per row."""
    copy = ModelProto()
    copy.CopyFrom(folded)
    return blockwise(graph.quantize_rows(copy), block)


def int8_keeping(quantized: ModelProto, folded: ModelProto, names: list[str]) -> ModelProto:
    """The `int8` model with the MatMuls `names` at 8 bits block-wise: nearly float32's quality at int8's size."""
    return blockwise(graph.restore(quantized, folded, names))


def blockwise_keeping(rest: ModelProto, folded: ModelProto, names: list[str]) -> ModelProto:
    """The block-wise model `rest` with the MatMuls `names` in blocks of 16: the int8 model closest to float32."""
    return blockwise(graph.restore(rest, folded, names), KEPT_BLOCK_SIZE)


def sensitivity(
    quantized: ModelProto,
    folded: ModelProto,
    error: Callable[[ModelProto], float],
    step: Callable[[int, int, str], None],
) -> list[str]:
    """The MatMul nodes of `folded`, the most sensitive first: by how much `error` falls if only that one uses float32.

    Args:
        error: the error of a model; 0 is perfect.
        step: called before each node with (done, total, name).
    """
    names = [name for name, node in graph.weight_matmuls(folded).items() if _was_quantized(quantized, node.output[0])]
    left: dict[str, float] = {}
    for done, name in enumerate(names):
        step(done, len(names), name)
        left[name] = error(graph.restore(quantized, folded, [name]))
    return sorted(names, key=lambda name: (left[name], name))


def _was_quantized(quantized: ModelProto, output: str) -> bool:
    return not any(node.op_type == "MatMul" and output in node.output for node in quantized.graph.node)


class _quiet:  # noqa: N801 - reads as a statement
    """Keeps the quantizers' log off the user's terminal: they log a line for every node."""

    def __enter__(self) -> None:
        self._level = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(self._level)
