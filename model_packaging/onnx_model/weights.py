"""Checks that the weights of a graph are finite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper

from model_packaging.findings import Finding
from model_packaging.onnx_model import graph

FACTORS = {"MatMul", "Gemm", "Conv", "ConvTranspose", "Gather"}
SAME_NUMBERS = {"Identity", "Transpose", "Reshape", "Cast"}


def weights(source: Path, model: ModelProto) -> list[Finding]:
    """A finding if a weight is NaN or infinite.

    Masks are constants too: a scalar may be infinite, and -inf may be anywhere except in values that are multiplied or
    looked up. Whether it does harm there shows in the results of the probe.
    """
    floats = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}
    used = _multiplied(model)
    bad = []
    for tensor in graph.tensors(model.graph):
        if tensor.data_type in floats:
            values = numpy_helper.to_array(tensor)
            if values.dtype.kind != "f":  # numpy itself has no bfloat16
                values = values.astype(np.float32)
            fine = np.isfinite(values)
            if values.size > 1 and tensor.name not in used:
                fine |= values == -np.inf
            elif values.size == 1:
                fine |= np.isinf(values)
            if not fine.all():
                bad.append(tensor.name or "a constant")
    if not bad:
        return []
    return [
        Finding(
            str(source),
            "weights must be finite",
            f"NaN or infinity in {', '.join(bad[:5])}{' and others' if len(bad) > 5 else ''}",
            "every result would be NaN",
            "train or export the model again",
        )
    ]


def _multiplied(model: ModelProto) -> set[str]:
    """Names of constants that matrix products or convolutions multiply by, or in which values are looked up."""
    makers = {output: node for node in graph.nodes(model.graph) for output in node.output}
    pending = [name for node in graph.nodes(model.graph) if node.op_type in FACTORS for name in node.input[:2]]
    found: set[str] = set()
    while pending:
        name = pending.pop()
        if name and name not in found:
            found.add(name)
            maker = makers.get(name)
            if maker is not None and maker.op_type in SAME_NUMBERS:
                pending += maker.input
            elif maker is not None and maker.op_type == "Constant":
                found |= {each.t.name for each in maker.attribute if each.t.name}
    return found
