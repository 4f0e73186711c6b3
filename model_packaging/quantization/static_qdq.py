"""Static int8 for models with convolutions: the ranges of activations are measured in advance, on a user's examples.

Activations are unsigned and weights signed with 7 of the 8 bits, one scale per channel: CPUs are fastest with U8S8,
and eight bits would saturate the 16-bit sums of a CPU without VNNI (ONNX Runtime's documentation,
performance/model-optimizations/quantization.md).
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, version_converter
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, create_calibrator
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from model_packaging.onnx_model import graph
from model_packaging.onnx_model.optimise import folded
from model_packaging.serving.tensors import Arrays

CONVOLUTIONS = ("Conv", "ConvTranspose")
CONVOLUTIONS_AND_PRODUCTS, CONVOLUTIONS_ONLY = ("Conv", "MatMul", "Gemm"), ("Conv",)
"""Operators to quantize; the second is for graphs whose matrix products the quantizer or the quality does not permit.
The operators between them stay float32: quantized as well, one of three measured models was faster, by a tenth."""

LEAST_OPSET = 13  # the first in which DequantizeLinear has one scale per channel
CONVERTED_OPSET = 17
RANGES = {
    "all": (CalibrationMethod.MinMax, {}),
    # A few outliers can reduce the precision of all other values; which of the two is better depends on the model.
    "99.999 percent": (CalibrationMethod.Percentile, {"percentile": 99.999, "num_bins": 2048}),
}
"""The share of an activation's values that its range includes."""
AT_ONCE = 4  # examples whose activations are in memory at a time
MOST = 64  # maximum examples: bounds the time, as each is run once for each of `RANGES`


@dataclass(frozen=True)
class Calibrated:
    """A calibrated graph: `model`, of opset 13 or newer, and the `ranges` of its tensors, which
    include a share (`held`, one of `RANGES`) of their values.
    """

    model: ModelProto
    ranges: dict[str, tuple[float, float]]
    held: str


def convolutional(model: ModelProto) -> bool:
    """Whether `model` has convolutions: dynamic quantization leaves them in float32, only static makes them faster."""
    return any(node.op_type in CONVOLUTIONS for node in graph.nodes(model.graph))


def has_products(model: ModelProto) -> bool:
    """Whether `model` has matrix products with weights, so that quantizing only convolutions gives another graph."""
    held = graph.initializers(model)
    return any(node.op_type in ("MatMul", "Gemm") and set(node.input[1:2]) & set(held) for node in model.graph.node)


def calibrate(model: ModelProto, examples: Sequence[Arrays]) -> list[Calibrated]:
    """The ranges of every activation over `examples`, one for each of `RANGES`.

    Args:
        model: with constants folded.

    Raises:
        RuntimeError: the graph cannot be converted to an opset with one scale per channel.
        ValueError: the calibrator cannot process an activation.
    """
    opset = graph.opset(model)
    if opset < LEAST_OPSET:
        try:
            model = folded(version_converter.convert_version(model, CONVERTED_OPSET))
        except Exception as error:
            said = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise RuntimeError(f"cannot be converted from opset {opset} to {CONVERTED_OPSET}: {said}") from error
    copy = ModelProto()
    copy.CopyFrom(model)
    model = graph.flatten_biases(copy)
    found = []
    for held, (method, options) in RANGES.items():
        with tempfile.TemporaryDirectory() as folder, _quiet():
            source = Path(folder) / "in.onnx"
            graph.save(onnx.shape_inference.infer_shapes(model), source)
            calibrator = create_calibrator(
                source,
                list(CONVOLUTIONS_AND_PRODUCTS),
                augmented_model_path=str(Path(folder) / "augmented.onnx"),
                calibrate_method=method,
                extra_options=options,
            )
            left = iter(examples[:MOST])
            while some := list(islice(left, AT_ONCE)):
                calibrator.collect_data(_Examples(some))
            seen = calibrator.compute_data()
        found.append(Calibrated(model, {name: _range(value.range_value) for name, value in seen.items()}, held))
    return found


def static(calibrated: Calibrated, operators: Sequence[str]) -> ModelProto:
    """The graph with the `operators` that have weights in int8.

    Raises:
        Exception: any error of ONNX Runtime's quantizer, which does not support every graph.
    """
    copy = ModelProto()
    copy.CopyFrom(calibrated.model)
    ranges: dict[str, Any] = {
        name: (np.array(low, np.float32), np.array(high, np.float32)) for name, (low, high) in calibrated.ranges.items()
    }
    with _quiet():
        quantizer = QDQQuantizer(
            onnx.shape_inference.infer_shapes(copy),
            per_channel=True,
            reduce_range=True,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=TensorsData(CalibrationMethod.MinMax, ranges),
            nodes_to_quantize=[],
            nodes_to_exclude=[],
            op_types_to_quantize=list(operators),
            extra_options={"MatMulConstBOnly": True},
        )
        return quantizer.quantize_model()


class _Examples(CalibrationDataReader):
    def __init__(self, examples: Sequence[Arrays]) -> None:
        self._left = iter(examples)

    def get_next(self) -> Arrays | None:  # type: ignore[override] - the base class says dict, and means None at the end
        return next(self._left, None)


def _range(value: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Rounded to three digits: sums differ in the last ones between CPUs, and the artifact must not."""
    low, high = (float(f"{np.ravel(each)[0]:.3g}") for each in value)
    return low, high


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the quantizer's output off the user's terminal: it logs and prints many lines."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(level)
