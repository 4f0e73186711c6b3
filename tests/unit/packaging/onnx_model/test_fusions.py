"""Which of ONNX Runtime's fusions a shipped graph has."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper, numpy_helper

from model_packaging.onnx_model.optimise import fused

WIDTH = 64


def residual_block() -> ModelProto:
    """What follows each layer of an encoder, twice: a sum with what came before, normalised."""
    values = np.random.default_rng(7)
    weights = {
        "w": values.standard_normal((WIDTH, WIDTH)).astype(np.float32),
        "bias": values.standard_normal(WIDTH).astype(np.float32),
        "scale": np.ones(WIDTH, np.float32),
        "shift": np.zeros(WIDTH, np.float32),
    }
    nodes = []
    before = "x"
    for layer in ("a", "b"):
        nodes += [
            helper.make_node("MatMul", [before, "w"], [f"{layer}1"]),
            helper.make_node("Add", [f"{layer}1", "bias"], [f"{layer}2"]),
            helper.make_node("Add", [f"{layer}2", before], [f"{layer}3"]),
            helper.make_node("LayerNormalization", [f"{layer}3", "scale", "shift"], [f"{layer}4"], axis=-1),
        ]
        before = f"{layer}4"
    graph = helper.make_graph(
        nodes,
        "residual",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, WIDTH])],
        [helper.make_tensor_value_info(before, TensorProto.FLOAT, [1, 8, WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def answer(model: ModelProto, x: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


def test_a_sum_and_its_normalisation_are_not_fused_into_a_slower_operator(tmp_path: Path) -> None:
    model = residual_block()
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "all.onnx")
    ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    assert b"SkipLayerNormalization" in (tmp_path / "all.onnx").read_bytes(), "the runtime no longer fuses them itself"

    shipped = fused(model)
    assert "SkipLayerNormalization" not in {node.op_type for node in shipped.graph.node}
    x = np.random.default_rng(8).standard_normal((1, 8, WIDTH)).astype(np.float32)
    np.testing.assert_allclose(answer(shipped, x), answer(model, x), atol=1e-5)
