"""Arrays over the wire: what comes back is what was sent, and nothing else is read."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from model_packaging.serving import npy
from model_packaging.serving.request import BadRequestError

NUMBERS = arrays.floating_dtypes(endianness="=", sizes=(16, 32, 64)) | arrays.integer_dtypes() | st.just(np.dtype(bool))


@given(arrays.arrays(NUMBERS, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)))
def test_numbers_come_back_as_they_were(array: np.ndarray) -> None:
    again = npy.read(npy.write(array))
    assert (again.dtype, again.shape) == (array.dtype.newbyteorder("="), array.shape)
    np.testing.assert_array_equal(again, array)
    assert again.flags.c_contiguous


@given(arrays.arrays(NUMBERS, arrays.array_shapes(max_side=3)), st.data())
def test_a_part_of_it_is_refused(array: np.ndarray, data: st.DataObject) -> None:
    body = npy.write(array)
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(BadRequestError):
        npy.read(body[:cut])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for body in (content, b"\x93NUMPY\x01\x00" + content):
        try:
            npy.read(body)
        except BadRequestError:
            continue
        raise AssertionError("no bytes of a few are an array")


def test_objects_are_never_unpickled() -> None:
    class Runs:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (pytest.fail, ("it ran",))

    buffer = io.BytesIO()
    np.save(buffer, np.array([None], dtype=object), allow_pickle=True)
    head = buffer.getvalue()[: buffer.getvalue().index(b"\n") + 1]
    with pytest.raises(BadRequestError, match="Python objects"):
        npy.read(head + pickle.dumps(np.array([Runs()], dtype=object)))


@pytest.mark.parametrize("array", [np.array(["text"]), np.zeros(2, [("a", "i4")]), np.array([1j])])
def test_what_is_no_plain_number_is_refused(array: np.ndarray) -> None:
    with pytest.raises(BadRequestError, match="must hold numbers"):
        npy.read(npy.write(array))


def test_a_side_that_is_no_number_is_refused() -> None:
    body = npy.write(np.zeros((1, 16), np.float32)).replace(b"(1, 16), }   ", b"(True, 16), }")
    with pytest.raises(BadRequestError, match="True"):
        npy.read(body)


def test_the_second_version_of_the_format_is_read() -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.arange(6).reshape(2, 3), version=(2, 0), allow_pickle=False)
    np.testing.assert_array_equal(npy.read(buffer.getvalue()), np.arange(6).reshape(2, 3))
