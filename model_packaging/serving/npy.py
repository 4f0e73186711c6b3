"""Arrays as bytes: the .npy format, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

Read here instead of by `np.load`, which allocates any size that a header claims before it detects that the bytes for
it are missing.
"""

from __future__ import annotations

import io
import math

import numpy as np

from model_packaging.serving.request import BadRequestError

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 4096  # the header of a numeric array of 32 dimensions is shorter; numpy parses it as Python literals


def write(array: np.ndarray) -> bytes:
    """Encodes `array` as .npy."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def read(content: bytes) -> np.ndarray:
    """Decodes the array of numbers in `content`, in this machine's byte order and C order.

    Raises:
        BadRequestError: it is not .npy; its elements are objects (a pickle, which would run code), records or text;
            there are fewer or more bytes than its header says.
    """
    if not content.startswith(_MAGIC):
        raise BadRequestError(f"the body is not .npy: it begins with {content[:6]!r}, not {_MAGIC!r}")
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file, _LONGEST_HEADER)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file, _LONGEST_HEADER)
        else:
            raise BadRequestError(f"the body is .npy of version {version}, which only arrays of records need")
    except BadRequestError:
        raise
    except Exception as error:  # the header is a caller's text, and numpy parses it as Python literals
        raise BadRequestError(f"the body's .npy header cannot be read: {error}") from error
    if dtype.hasobject:
        raise BadRequestError("the body holds Python objects (a pickle), which run code when they are read: refused")
    if dtype.kind not in "fiub" or any(type(side) is not int or side < 0 for side in shape):  # True is an int to numpy
        raise BadRequestError(f"the body must hold numbers, got {dtype} of shape {list(shape)}")
    expected, got = math.prod(shape) * dtype.itemsize, len(content) - file.tell()
    if expected != got:
        how = "truncated" if got < expected else "longer than it says"
        raise BadRequestError(f"the body is {how}: {dtype} of shape {list(shape)} has {expected} bytes, got {got}")
    flat = np.frombuffer(content, dtype, offset=file.tell())
    array = flat.reshape(shape[::-1]).transpose() if fortran else flat.reshape(shape)
    return array.astype(dtype.newbyteorder("="), order="C", copy=False)
