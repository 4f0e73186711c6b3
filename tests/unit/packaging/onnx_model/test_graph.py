"""Surgery on small graphs."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import ModelProto, TensorProto, helper, numpy_helper

from model_packaging.onnx_model import graph

ROWS, WIDTH = 600, 32


def encoder(seed: int = 0) -> ModelProto:
    """ids -> table -> two MatMuls; and an output that nothing else needs."""
    random = np.random.default_rng(seed)
    table, one, two = (
        random.standard_normal(shape).astype(np.float32) for shape in ((ROWS, WIDTH), (WIDTH, 64), (64, WIDTH))
    )
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"], "look_up"),
        helper.make_node("MatMul", ["rows", "one"], ["wide"], "one_matmul"),
        helper.make_node("Relu", ["wide"], ["positive"], "relu"),
        helper.make_node("MatMul", ["positive", "two"], ["out"], "two_matmul"),
        helper.make_node("Neg", ["rows"], ["other"], "negative"),
    ]
    made = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "sequence"])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "sequence", WIDTH])
            for name in ("out", "other")
        ],
        [numpy_helper.from_array(each, name) for each, name in ((table, "table"), (one, "one"), (two, "two"))],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: ModelProto, ids: Any) -> dict[str, Any]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, {"ids": ids}), strict=True))


IDS = np.array([[1, 5, 599], [0, 2, 2]], np.int64)


def test_one_output_is_left_with_what_it_needs() -> None:
    model = graph.keep_outputs(encoder(), ["other"])
    assert [node.name for node in model.graph.node] == ["look_up", "negative"]
    assert [each.name for each in model.graph.initializer] == ["table"]
    np.testing.assert_array_equal(run(model, IDS)["other"], run(encoder(), IDS)["other"])


def test_rows_are_quantized_and_the_answers_stay_near() -> None:
    model = graph.quantize_rows(encoder())
    onnx.checker.check_model(model)
    held = graph.initializers(model)
    assert held["table/codes"].data_type == TensorProto.INT8
    assert "table" not in held
    np.testing.assert_allclose(run(model, IDS)["other"], run(encoder(), IDS)["other"], atol=0.02)


def test_a_table_that_something_else_reads_is_left_alone() -> None:
    model = encoder()
    model.graph.node.append(helper.make_node("MatMul", ["out", "transposed"], ["logits"], "tied"))
    model.graph.node.append(helper.make_node("Transpose", ["table"], ["transposed"], "transpose"))
    assert not graph.embedding_tables(model)


def test_a_small_table_is_left_alone() -> None:
    assert not graph.embedding_tables(encoder(), least_bytes=ROWS * WIDTH * 4 + 1)
    assert graph.embedding_tables(encoder(), least_bytes=ROWS * WIDTH * 4)


@given(
    hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.floats(-1e3, 1e3, width=32)
    )
)
def test_a_row_is_off_by_half_a_step_at_most(table: Any) -> None:
    codes, scales = graph.row_codes(table)
    assert np.abs(codes.astype(np.int32)).max() <= 127
    assert (np.abs(codes * scales - table) <= scales / 2 * (1 + 1e-3) + 1e-30).all()


@given(
    hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.floats(-1e3, 1e3, width=32)
    ),
    st.integers(1, 127),
)
def test_rows_of_a_common_step_are_off_by_half_of_it_at_most(table: Any, common: int) -> None:
    codes, scales = graph.row_codes(table, common)
    largest = np.abs(table).max(axis=1, keepdims=True)
    step = np.median(largest) / common
    assert np.abs(codes.astype(np.int32)).max() <= 127
    assert (np.abs(codes * scales - table) <= scales / 2 * (1 + 1e-3) + 1e-30).all()
    np.testing.assert_allclose(scales[scales != 1], np.maximum(largest / 127, step)[scales != 1], rtol=1e-5)


def test_a_common_step_compresses_better() -> None:
    random = np.random.default_rng(1)
    table = (random.standard_normal((500, 64)) * random.uniform(0.5, 1.5, (500, 1))).astype(np.float32)
    alone, shared = (len(zlib.compress(graph.row_codes(table, common)[0].tobytes(), 6)) for common in (None, 50))
    assert shared < 0.92 * alone


def test_restored_matmuls_answer_like_the_original() -> None:
    from model_packaging.quantization.quantize import int8

    plain = graph.keep_outputs(encoder(), ["out"])
    quantized = int8(plain)
    exact = run(plain, IDS)["out"]

    def error(model: ModelProto) -> float:
        return float(np.abs(run(model, IDS)["out"] - exact).max())

    one = graph.restore(quantized, plain, ["one_matmul"])
    both = graph.restore(quantized, plain, ["one_matmul", "two_matmul"])
    assert sum(node.op_type == "MatMulInteger" for node in one.graph.node) == 1
    assert not any(node.op_type == "MatMulInteger" for node in both.graph.node)
    assert error(both) < error(one) < error(quantized)


def test_the_sensitive_matmul_in_smaller_blocks_is_nearer_to_the_original() -> None:
    from model_packaging.quantization.quantize import blockwise_keeping, int8_blockwise, sensitivity

    plain = graph.keep_outputs(wide_encoder(), ["out"])
    rest = int8_blockwise(plain, 64)
    exact = run(plain, IDS)["out"]

    def error(model: ModelProto) -> float:
        return float(np.abs(run(model, IDS)["out"] - exact).mean())

    order = sensitivity(rest, plain, error, lambda *_: None)
    assert order[0] == "two_matmul"  # the one whose activations have an outlier
    kept = blockwise_keeping(rest, plain, order[:1])
    sizes = {
        node.name.removesuffix("_Q8"): next(each.i for each in node.attribute if each.name == "block_size")
        for node in kept.graph.node
        if node.op_type == "MatMulNBits"
    }
    assert sizes == {"one_matmul": 64, "two_matmul": 16}
    assert error(kept) < error(rest)
    assert error(blockwise_keeping(rest, plain, [])) == error(rest)


@pytest.mark.parametrize("names", [["", ""], ["MatMul_3", ""]])
def test_matmuls_without_names_are_told_apart(names: list[str]) -> None:
    from model_packaging.onnx_model.optimise import folded
    from model_packaging.quantization.quantize import int8, int8_keeping, sensitivity

    model = graph.keep_outputs(encoder(), ["out"])
    for node, name in zip([each for each in model.graph.node if each.op_type == "MatMul"], names, strict=True):
        node.name = name
    plain = folded(model)
    quantized = int8(plain)
    order = sensitivity(quantized, plain, lambda _: 0.0, lambda *_: None)
    assert len(set(order)) == 2
    kept = int8_keeping(quantized, plain, order[:1])
    kinds = [node.op_type for node in kept.graph.node]
    assert (kinds.count("MatMulInteger"), kinds.count("MatMulNBits")) == (1, 1)


def test_a_node_keeps_the_name_that_is_its_own() -> None:
    model = encoder()
    model.graph.node[0].name = model.graph.node[2].name = ""
    model.graph.node[4].name = "Relu_2"
    names = [node.name for node in graph.name_nodes(model).graph.node]
    assert names == ["Gather_0", "one_matmul", "Relu_3", "two_matmul", "Relu_2"]


def wide_encoder() -> ModelProto:
    """The encoder with one activation of every row far out before the second MatMul."""
    model = encoder()
    scale = np.ones(64, np.float32)
    scale[5] = 60
    model.graph.initializer.append(numpy_helper.from_array(scale, "scale"))
    at = next(index for index, node in enumerate(model.graph.node) if node.name == "two_matmul")
    model.graph.node[at].input[0] = "scaled"
    model.graph.node.insert(at, helper.make_node("Mul", ["positive", "scale"], ["scaled"], "far_out"))
    return model


@pytest.mark.parametrize("opset", [11, 12, 13, 17])  # axes are attributes before 13
def test_pooling_is_the_mean_over_the_mask(opset: int) -> None:
    model = graph.keep_outputs(encoder(), ["out"])
    model.opset_import[0].version = opset
    model.graph.input.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "sequence"]))
    assert graph.pool_mean(model, "out") == "sentence_embedding"
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    mask = np.array([[1, 1, 0], [1, 1, 1]], np.int64)
    tokens = run(graph.keep_outputs(encoder(), ["out"]), IDS)["out"]
    expected = np.stack([tokens[0, :2].mean(axis=0), tokens[1].mean(axis=0)])
    seen = np.asarray(session.run(None, {"ids": IDS, "attention_mask": mask})[0])
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["sentence_embedding", "pool_mask", "pool_least", "pool_sum"])
def test_pooling_takes_no_name_that_the_model_has(name: str) -> None:
    plain, named = (graph.keep_outputs(encoder(), ["out"]) for _ in range(2))
    named.graph.node[-1].output[0] = named.graph.output[0].name = name
    answers = []
    for model, tokens in ((plain, "out"), (named, name)):
        mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "sequence"])
        model.graph.input.append(mask)
        output = graph.pool_mean(model, tokens)
        onnx.checker.check_model(model)
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        answers.append(session.run([output], {"ids": IDS, "attention_mask": np.ones_like(IDS)})[0])
    np.testing.assert_array_equal(*answers)


def test_a_name_that_is_taken_gets_a_number_also_when_a_subgraph_has_it() -> None:
    model = encoder()
    inner = helper.make_graph([helper.make_node("Neg", ["rows"], ["inner_1"], "inner")], "g", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["chosen"], "if", then_branch=inner, else_branch=inner))
    names = [graph.unused(model, each) for each in ("free", "table", "one_matmul", "inner", "ids", "c")]
    assert names == ["free", "table_1", "one_matmul_1", "inner_2", "ids_1", "c_1"]


def test_tensors_in_attributes_and_subgraphs_are_seen() -> None:
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.zeros(2, np.float32), "hidden"))],
        "inner",
        [],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [2])],
    )
    model = encoder()
    model.graph.node.append(helper.make_node("If", ["condition"], ["chosen"], then_branch=inner, else_branch=inner))
    assert [each.name for each in graph.tensors(model.graph)].count("hidden") == 2
    assert sum(node.op_type == "Constant" for node in graph.nodes(model.graph)) == 2


@pytest.mark.parametrize("level", ["folded", "fused"])
def test_the_optimiser_keeps_the_answers(level: str) -> None:
    from model_packaging.onnx_model import optimise

    model = graph.keep_outputs(encoder(), ["out"])
    better = getattr(optimise, level)(model)
    np.testing.assert_allclose(run(better, IDS)["out"], run(model, IDS)["out"], rtol=1e-4, atol=1e-5)


def test_a_written_model_has_its_weights_on_pages_of_one_file(tmp_path: Any) -> None:
    from model_packaging.onnx_model.optimise import GRAPH, PAGE, WEIGHTS, write

    model = graph.keep_outputs(encoder(), ["out"])
    write(model, tmp_path)
    bare = onnx.load_model(str(tmp_path / GRAPH), load_external_data=False)
    fields = [{each.key: each.value for each in tensor.external_data} for tensor in bare.graph.initializer]
    assert [each["location"] for each in fields] == [WEIGHTS] * 3
    assert all(int(each["offset"]) % PAGE == 0 for each in fields)
    session = ort.InferenceSession(str(tmp_path / GRAPH), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, {"ids": IDS})[0], run(model, IDS)["out"])
