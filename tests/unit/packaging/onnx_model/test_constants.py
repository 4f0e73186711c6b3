"""Infinite constants: masks are let through, and survive quantization; weights are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from model_packaging.onnx_model import graph
from model_packaging.onnx_model.optimise import folded
from model_packaging.onnx_model.weights import weights
from model_packaging.quantization import quantize

CAUSAL = np.triu(np.full((128, 128), -np.inf, np.float32), 1)


def attention(mask: np.ndarray, **changed: np.ndarray) -> ModelProto:
    """x (128, 128) -> MatMul, Relu, a mask added, Softmax, MatMul, the product with a Constant."""
    random = np.random.default_rng(0)
    held: dict[str, Any] = {
        name: random.standard_normal((128, 128)).astype(np.float32) / 10 for name in ("one", "two", "three")
    }
    held = {**held, "mask": mask, **changed}
    constant = numpy_helper.from_array(held.pop("three"), "three_value")
    nodes = [
        helper.make_node("Constant", [], ["three"], "constant", value=constant),
        helper.make_node("MatMul", ["x", "one"], ["a"], "first"),
        helper.make_node("Cast", ["mask"], ["float_mask"], "as_float", to=TensorProto.FLOAT),
        helper.make_node("Relu", ["a"], ["positive"], "relu"),  # ONNX Runtime makes a Gemm of a MatMul and an Add
        helper.make_node("Add", ["positive", "float_mask"], ["b"], "add"),
        helper.make_node("Softmax", ["b"], ["c"], "softmax", axis=-1),
        helper.make_node("Transpose", ["two"], ["turned"], "turn", perm=[1, 0]),
        helper.make_node("MatMul", ["c", "turned"], ["d"], "second"),
        helper.make_node("MatMul", ["d", "three"], ["y"], "third"),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [128, 128]) for name in "xy")
    tensors = [numpy_helper.from_array(value, name) for name, value in held.items()]
    made = helper.make_graph(nodes, "attention", [x], [y], tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def findings(tmp_path: Path, model: ModelProto) -> list[str]:
    return [str(each) for each in weights(tmp_path / "m.onnx", model)]


@pytest.mark.parametrize(
    "mask",
    [CAUSAL, CAUSAL.astype(np.float16), np.full((1, 128), np.finfo(np.float64).min), np.array(-np.inf, np.float32)],
    ids=["causal", "float16", "least-float64", "scalar"],
)
def test_a_mask_is_no_broken_weight(tmp_path: Path, mask: np.ndarray) -> None:
    assert findings(tmp_path, attention(mask)) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_mask_with_what_no_mask_has(tmp_path: Path, value: float) -> None:
    mask = CAUSAL.copy()
    mask[3, 4] = value
    (found,) = findings(tmp_path, attention(mask))
    assert "NaN or infinity in mask" in found


@pytest.mark.parametrize("name", ["one", "two", "three"])  # an initializer, a transposed one, a Constant
def test_minus_infinity_in_what_is_multiplied(tmp_path: Path, name: str) -> None:
    weight = np.ones((128, 128), np.float32)
    weight[3, 4] = -np.inf
    (found,) = findings(tmp_path, attention(CAUSAL, **{name: weight}))
    assert f"NaN or infinity in {name}" in found


def test_every_quantized_graph_keeps_the_mask() -> None:
    plain = folded(attention(CAUSAL))
    names = list(graph.weight_matmuls(plain))
    assert len(names) == 3
    rest = quantize.int8(plain)
    x = np.random.default_rng(1).standard_normal((128, 128)).astype(np.float32)

    def answers(model: ModelProto) -> np.ndarray:
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {"x": x})[0])

    blockwise = quantize.int8_blockwise(plain)
    for each in (rest, blockwise, quantize.int8_keeping(rest, plain, names[:1])):
        np.testing.assert_allclose(answers(each), answers(plain), atol=0.1)
