"""Static int8: which graphs, over which ranges, into which weights."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import small_models
from onnx import numpy_helper

from model_packaging.onnx_model import graph
from model_packaging.onnx_model.optimise import folded, fused
from model_packaging.quantization import static_qdq
from model_packaging.quantization.static_qdq import (
    CONVOLUTIONS_AND_PRODUCTS,
    CONVOLUTIONS_ONLY,
    RANGES,
    calibrate,
    convolutional,
    has_products,
    static,
)

PICTURES = small_models.images(12)[0]
EXAMPLES = [{"pixels": each[None]} for each in PICTURES]


def test_only_graphs_with_convolutions_are_quantized_statically() -> None:
    assert convolutional(small_models.image_classifier())
    assert not convolutional(small_models.text_classifier())


def test_a_graph_of_convolutions_alone_has_no_products() -> None:
    model = small_models.image_classifier()
    assert has_products(model)
    del model.graph.node[-1]
    assert not has_products(model)


@pytest.mark.parametrize("opset", [11, 13, 17])
def test_older_graphs_are_converted_so_that_weights_have_a_scale_a_channel(opset: int) -> None:
    calibrated = calibrate(folded(small_models.image_classifier(opset)), EXAMPLES)
    assert [each.held for each in calibrated] == list(RANGES)
    for each in calibrated:
        assert each.model.opset_import[0].version >= 13
        fused(static(each, CONVOLUTIONS_AND_PRODUCTS))


def test_ranges_are_those_of_the_examples_in_three_digits() -> None:
    everything, most = calibrate(folded(small_models.image_classifier()), EXAMPLES)
    low, high = everything.ranges["pixels"]
    assert low == pytest.approx(min(0.0, float(PICTURES.min())), rel=0.01, abs=1e-3)
    assert high == pytest.approx(float(PICTURES.max()), rel=0.01)
    assert all(float(f"{each:.3g}") == each for pair in everything.ranges.values() for each in pair)
    assert most.ranges["pixels"][1] <= high


def test_weights_have_seven_bits_and_a_scale_a_channel() -> None:
    model = static(calibrate(folded(small_models.image_classifier()), EXAMPLES)[0], CONVOLUTIONS_AND_PRODUCTS)
    held = [numpy_helper.to_array(each) for each in graph.initializers(model).values()]
    codes = [each for each in held if each.dtype == np.int8 and each.ndim > 1]
    assert len(codes) == 3
    assert all(np.abs(each.astype(int)).max() <= 64 for each in codes)
    assert {8, 12, 3} <= {each.size for each in held if each.dtype == np.float32}


def test_what_is_not_among_the_operators_stays_as_it_is() -> None:
    model = static(calibrate(folded(small_models.image_classifier()), EXAMPLES)[0], CONVOLUTIONS_ONLY)
    heads = [node for node in model.graph.node if node.op_type == "MatMul"]
    assert [node.input[1] in graph.initializers(model) for node in heads] == [True]


def test_the_same_examples_give_the_same_graph() -> None:
    first, second = (
        static(calibrate(folded(small_models.image_classifier()), EXAMPLES)[1], CONVOLUTIONS_AND_PRODUCTS)
        for _ in range(2)
    )
    assert first.graph.SerializeToString(deterministic=True) == second.graph.SerializeToString(deterministic=True)


def test_a_graph_that_cannot_be_converted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> onnx.ModelProto:
        raise ValueError("no adapter\nat all")

    monkeypatch.setattr(static_qdq.version_converter, "convert_version", fails)
    with pytest.raises(RuntimeError, match=r"cannot be converted from opset 11 to 17: no adapter$"):
        calibrate(small_models.image_classifier(opset=11), EXAMPLES)


def test_the_quantizer_writes_nothing_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    static(calibrate(folded(small_models.image_classifier()), EXAMPLES)[0], CONVOLUTIONS_AND_PRODUCTS)
    assert capfd.readouterr() == ("", "")
