"""A file is what its bytes are."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.magic import sniff

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(value=VALUES, protocol=st.integers(2, 5))
def test_every_marked_pickle_is_told(value: object, protocol: int) -> None:
    assert sniff(pickle.dumps(value, protocol)[:512]) == "pickle"


@given(value=st.lists(st.integers(), min_size=9), protocol=st.integers(0, 1))
def test_a_pickle_without_a_marker_is_told(value: object, protocol: int) -> None:
    assert sniff(pickle.dumps(value, protocol)[:512]) == "pickle"


def test_a_torch_file_is_a_zip() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(1))
    assert sniff(buffer.getvalue()) == "zip"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "unknown"),
        (b"\x08\x08\x12\x07pytorch", "onnx"),
        (struct.pack("<Q", 64) + b'{"a":{}}', "safetensors"),
        (b'{"version": "1.0"}', "json"),
        (b"GGUF\x03\x00", "gguf"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x89HDF\r\n\x1a\n", "hdf5"),
        (b"\x7fELF\x02", "elf"),
        (b"Apache License", "unknown"),
    ],
)
def test_other_formats(head: bytes, kind: str) -> None:
    assert sniff(head) == kind


def test_weights_are_not_taken_for_a_pickle() -> None:
    random = np.random.default_rng(0)
    for _ in range(2000):
        assert sniff(random.standard_normal(128).astype(np.float32).tobytes()) != "pickle"
        assert sniff(random.integers(-127, 127, 512).astype(np.int8).tobytes()) != "pickle"
