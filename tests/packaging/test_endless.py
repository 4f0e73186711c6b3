"""A graph that never ends is refused with the limit, and nothing waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models
from onnx import ModelProto, TensorProto, helper, numpy_helper

from model_packaging import FindingsError, package
from model_packaging.serving import limited_run


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited_run, "LONGEST_RUN_SECONDS", 0.5)


def looping(model: ModelProto, value: str, kind: int, shape: list[Any], *, only_above: int | None = None) -> ModelProto:
    """`model` with its output `value` passed through a loop without an end, or one that ends for small sums at once."""
    graph = model.graph
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["carried"], ["next"], "same"),
            helper.make_node("Identity", ["going"], ["still"], "on"),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", kind, shape),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", kind, shape),
        ],
    )
    for node in graph.node:
        for index, name in enumerate(node.output):
            if name == value:
                node.output[index] = "before_loop"
    if only_above is None:
        graph.initializer.append(numpy_helper.from_array(np.array(True), "for_ever"))
    else:
        graph.initializer.append(numpy_helper.from_array(np.array(only_above, np.int32), "limit"))
        graph.node.extend(
            [
                helper.make_node("ReduceMax", ["before_loop"], ["most"], "most", keepdims=0),
                helper.make_node("Greater", ["most", "limit"], ["for_ever"], "above"),
            ]
        )
    graph.node.append(helper.make_node("Loop", ["", "for_ever", "before_loop"], [value], "loop", body=body))
    return model


def test_a_model_of_texts(tiny: Any) -> None:
    tiny.change(lambda model: looping(model, "last_hidden_state", TensorProto.FLOAT, ["batch", "sequence", 256]))
    with pytest.raises(FindingsError, match=r"within the limit for one run, got no result after 0 s.*an endless loop"):
        package(tiny.spec())
    assert not (tiny.folder / "out").exists()


def test_a_model_of_tensors(tmp_path: Path) -> None:
    made = looping(small_models.counter(), "more", TensorProto.INT32, ["n", 8])
    with pytest.raises(
        FindingsError, match=r"model\.onnx: must give a result for a request of 1 of the probe's examples"
    ):
        package(small_models.spec(tmp_path, "generic", made))


def test_a_loop_that_depends_on_the_input(tmp_path: Path) -> None:
    """The first example ends; another one of the probe does not."""
    made = looping(small_models.counter(), "more", TensorProto.INT32, ["n", 8], only_above=100)
    with pytest.raises(FindingsError, match=r"small: this machine must be able to .*, got no result after 0 s"):
        package(small_models.spec(tmp_path, "generic", made))


def test_a_run_that_ends_is_left_alone(tmp_path: Path) -> None:
    made = looping(small_models.counter(), "more", TensorProto.INT32, ["n", 8], only_above=10**6)
    wanted = small_models.spec(tmp_path, "generic", made)
    folder = small_models.servable(tmp_path / "made", wanted)
    assert (folder / "model.json").is_file()
