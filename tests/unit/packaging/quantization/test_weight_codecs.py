"""Eight and four bits: the error bounds that rounding to nearest promises, on any matrix."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model_packaging.quantization import weight_codecs

weights = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.sampled_from([16, 128, 256])),
    elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False),
)


@settings(max_examples=80)
@given(weights)
def test_fp8_is_within_half_a_step(weight: np.ndarray) -> None:
    scale = weight_codecs.scales(weight, weight.shape[1], weight_codecs.FP8_MAX, np.dtype(np.float32))
    restored = weight_codecs.from_fp8(weight_codecs.to_fp8(weight, scale), scale)
    # E4M3 keeps three bits after the first: half a step is 1/16 of the value, and 2^-10 of the scale near zero.
    bound = np.maximum(np.abs(weight) / 16, scale * 2**-10) * (1 + 1e-5)
    assert (np.abs(weight - restored) <= bound).all()


@settings(max_examples=80)
@given(weights.filter(lambda weight: weight.shape[1] % 128 == 0))
def test_int4_is_within_half_a_step_but_for_the_clipped_end(weight: np.ndarray) -> None:
    scale = weight_codecs.scales(weight, 128, weight_codecs.INT4_HALF_RANGE, np.dtype(np.float32))
    restored = weight_codecs.from_int4(weight_codecs.to_int4(weight, scale), scale)
    # 7.5 steps up is clipped to 7: there half a step, too.
    assert (np.abs(weight - restored) <= np.repeat(scale, 128, axis=1) * 0.5001).all()


def test_the_packing_by_hand() -> None:
    weight = np.array([[-8, -7, 0, 1, 2, 3, 7, 5] + [0] * 120], np.float32)
    packed = weight_codecs.to_int4(weight, np.ones((1, 1), np.float32))
    assert hex(packed.view(np.uint32)[0, 0]) == "0xdfba9810"
    assert packed.dtype == np.int32
    assert packed.shape == (1, 16)


def test_a_row_of_zeros_has_the_epsilon_of_its_type() -> None:
    zeros = np.zeros((2, 128), ml_dtypes.bfloat16)
    scale = weight_codecs.scales(zeros, 128, weight_codecs.FP8_MAX, zeros.dtype)
    assert scale.astype(float).tolist() == [[0.0078125], [0.0078125]]
    assert not weight_codecs.from_fp8(weight_codecs.to_fp8(zeros, scale), scale).any()


def test_a_scale_that_underflows_is_not_zero() -> None:
    weight = np.full((1, 128), 1e-7, np.float16)
    scale = weight_codecs.scales(weight, 128, weight_codecs.FP8_MAX, weight.dtype)
    assert weight_codecs.from_fp8(weight_codecs.to_fp8(weight, scale), scale) == pytest.approx(
        weight.astype(np.float32), rel=0.07
    )


def test_large_matrices_are_worked_through_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = np.random.default_rng(0).standard_normal((7, 256)).astype(np.float32)

    def all_at_once() -> list[bytes]:
        scale = weight_codecs.scales(weight, 128, weight_codecs.INT4_HALF_RANGE, weight.dtype)
        row = weight_codecs.scales(weight, 256, weight_codecs.FP8_MAX, weight.dtype)
        return [
            part.tobytes()
            for part in (scale, weight_codecs.to_int4(weight, scale), row, weight_codecs.to_fp8(weight, row))
        ]

    whole = all_at_once()
    monkeypatch.setattr(weight_codecs, "_BLOCK_ELEMENTS", 512)
    assert all_at_once() == whole


def test_the_error_of_a_matrix_of_zeros_is_none() -> None:
    zeros = np.zeros((1, 1))
    assert weight_codecs.relative_error(zeros, zeros, zeros, weight_codecs.from_fp8) == 0.0


def test_the_error_is_that_of_the_whole_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = np.random.default_rng(0).standard_normal((9, 256)).astype(np.float32)
    scale = weight_codecs.scales(weight, 128, weight_codecs.INT4_HALF_RANGE, weight.dtype)
    values = weight_codecs.to_int4(weight, scale)
    expected = np.linalg.norm(weight - weight_codecs.from_int4(values, scale)) / np.linalg.norm(weight)
    monkeypatch.setattr(weight_codecs, "_BLOCK_ELEMENTS", 512)
    assert weight_codecs.relative_error(weight, values, scale, weight_codecs.from_int4) == pytest.approx(
        float(expected), rel=1e-5
    )
