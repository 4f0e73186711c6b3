"""Arrays in JSON and answers of any shape, without a model."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_packaging.serving.request import BadRequestError
from model_packaging.serving.tensors import Generic

CARD = {"inputs": [{"name": "x", "dtype": "float32", "shape": [None, 2]}], "outputs": [{"name": "y"}]}


def generic(**changes: Any) -> Generic:
    return Generic({**CARD, **changes}, Path())


def test_numbers_of_every_kind_are_read() -> None:
    np.testing.assert_array_equal(generic().items([[1, 2.5], [3, -4]])["x"], [[1, 2.5], [3, -4]])


def test_one_long_text_among_short_ones_needs_no_memory() -> None:
    request = [["a" * 100_000, *["b"] * 400]]
    tracemalloc.start()
    try:
        with pytest.raises(BadRequestError, match="something else"):
            generic().items(request)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000  # one numpy text of each would be 160 MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("leaf", ["1", None, {}, {"a": 1}])
def test_a_leaf_that_is_no_number(leaf: Any) -> None:
    with pytest.raises(BadRequestError, match="expected float32, got something else"):
        generic().items([[1, 2], [3, leaf]])


@pytest.mark.parametrize("request_", [[[1, 2], 3], [[1, 2], [3]], [[[1], 2], [3, 4]], [[], 1]])
def test_lists_of_unequal_length_or_depth(request_: Any) -> None:
    with pytest.raises(BadRequestError, match="equal length at each depth"):
        generic().items(request_)


def found(arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """As a detector with its search inside: of one example the places of what is above zero, (1, how many, 1)."""
    return [np.argwhere(arrays["x"][0] > 0)[None]]


EXAMPLES = np.array([[1, 1], [-1, -1], [-1, 1]], np.float32)


def test_answers_of_any_length_come_one_for_each_example() -> None:
    task = generic(inputs=[{"name": "x", "dtype": "float32", "shape": [1, 2]}])
    answers = task.compute(found, {"x": EXAMPLES})
    content = json.loads(json.dumps(task.content({}, answers)))
    assert content == {"outputs": {"y": [[[0], [1]], [], [[1]]]}}
    with pytest.raises(BadRequestError, match="accept application/json"):
        task.array(answers)


def test_answers_of_one_length_are_one_array() -> None:
    task = generic(inputs=[{"name": "x", "dtype": "float32", "shape": [1, 2]}])
    answers = task.compute(found, {"x": EXAMPLES[[2, 2]]})
    np.testing.assert_array_equal(task.array(answers), [[[1]], [[1]]])


def test_an_answer_too_long_is_refused_whatever_its_shapes() -> None:
    with pytest.raises(BadRequestError, match="send fewer"):
        generic().content({}, {"y": [np.zeros((2**20, 1)), np.zeros((1, 1))]})
