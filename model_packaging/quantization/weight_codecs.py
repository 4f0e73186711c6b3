"""Weights in eight and four bits, and back: the arithmetic of compressed-tensors, in numpy.

Large matrices are processed in blocks of rows, so that intermediate float32 copies stay small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import ml_dtypes
import numpy as np

FP8_MAX = float(ml_dtypes.finfo(ml_dtypes.float8_e4m3fn).max)
INT4_HALF_RANGE = 7.5
"""Half the distance from -8 to 7, by which compressed-tensors divides the largest magnitude of a symmetric group."""

_BLOCK_ELEMENTS = 1 << 22


def scales(weight: np.ndarray, group: int, half_range: float, dtype: np.dtype) -> np.ndarray:
    """The scale of each `group` inputs of a (out, in) matrix: (out, in / group) of `dtype`, never zero."""
    out, width = weight.shape
    largest = np.empty((out, width // group), np.float32)
    for rows in _blocks(weight.shape):
        largest[rows] = np.abs(weight[rows].astype(np.float32)).reshape(-1, width // group, group).max(axis=2)
    limits = ml_dtypes.finfo(dtype)
    # A group of zeros has an epsilon as its scale, to avoid a division by zero; one that underflows has the smallest
    # number.
    scale = np.maximum((largest / np.float32(half_range)).astype(dtype), np.array(limits.smallest_subnormal, dtype))
    return np.where(largest == 0, np.array(limits.eps, dtype), scale)


def to_fp8(weight: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """E4M3 values of a (out, in) matrix for its (out, 1) scales, rounded to nearest: W' = values * scales."""
    values = np.empty(weight.shape, ml_dtypes.float8_e4m3fn)
    for rows in _blocks(weight.shape):
        block = weight[rows].astype(np.float32)
        values[rows] = np.clip(block / scale[rows].astype(np.float32), -FP8_MAX, FP8_MAX)
    return values


def to_int4(weight: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """4-bit values of a (out, in) matrix for its (out, in / group) scales, packed: int32 (out, in / 8).

    Input i is in the bits from 4 (i mod 8) up of word i div 8, as q + 8, with q from -8 to 7 rounded to nearest.
    """
    out, width = weight.shape
    packed = np.empty((out, width // 8), np.int32)
    for rows in _blocks(weight.shape):
        block = weight[rows].astype(np.float32).reshape(-1, scale.shape[1], width // scale.shape[1])
        values = np.clip(np.rint(block / scale[rows].astype(np.float32)[..., None]), -8, 7)
        nibbles = (values + 8).astype(np.uint8).reshape(-1, width)
        packed[rows] = (nibbles[:, 0::2] | nibbles[:, 1::2] << 4).view("<i4")
    return packed


def from_fp8(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The float32 matrix of a result of `to_fp8`."""
    return values.astype(np.float32) * scale.astype(np.float32)


def from_int4(packed: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The float32 matrix of a result of `to_int4`."""
    octets = np.ascontiguousarray(packed).view(np.uint8)
    values = np.stack([octets & 15, octets >> 4], axis=2).astype(np.float32) - 8
    grouped = values.reshape(len(packed), scale.shape[1], -1) * scale.astype(np.float32)[..., None]
    return grouped.reshape(len(packed), -1)


def relative_error(
    weight: np.ndarray, values: np.ndarray, scale: np.ndarray, restore: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> float:
    """|W - W'| / |W| in the Frobenius norm, where `restore` makes W' of values and scales; 0 for a matrix of zeros."""
    difference = norm = 0.0
    for rows in _blocks(weight.shape):
        block = weight[rows].astype(np.float32)
        norm += float(np.vdot(block, block))
        block -= restore(values[rows], scale[rows])
        difference += float(np.vdot(block, block))
    return math.sqrt(difference / norm) if norm else 0.0


def _blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    rows = max(1, _BLOCK_ELEMENTS // shape[1])
    return (slice(at, at + rows) for at in range(0, shape[0], rows))
