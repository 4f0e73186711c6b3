"""Arrays in JSON and answers of any shape, without a model."""

from __future__ import annotations

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
