"""How near a candidate of each task is, and what its floor says of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from model_packaging import ClassFloor, QualityFloor, TensorFloor
from model_packaging.evaluation.evaluate import class_figures, tensor_figures
from model_packaging.serving.task import activated, best
from model_packaging.serving.tensors import _short

ROWS = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.4, 0.35, 0.25]])
LOGITS = arrays.arrays(np.float32, (3, 4), elements=st.floats(-50, 50, width=32))


class TestClasses:
    def test_the_same_answers_are_perfect(self) -> None:
        assert class_figures(ROWS, ROWS) == {"n": 4, "agreement": 1, "distance_mean": 0, "distance_max": 0}

    def test_one_input_of_four_is_another_class(self) -> None:
        other = ROWS.copy()
        other[3] = [0.35, 0.4, 0.25]
        seen = class_figures(ROWS, other)
        assert seen["agreement"] == 0.75
        assert seen["distance_max"] == pytest.approx(0.05)
        assert seen["distance_mean"] == pytest.approx(0.0125)

    def test_labels_give_the_accuracy_of_both(self) -> None:
        other = ROWS[[0, 0, 2, 3]]
        seen = class_figures(ROWS, other, [0, 1, 2, 1])
        assert (seen["source_accuracy"], seen["accuracy"]) == (0.75, 0.5)

    def test_tokens_of_texts_of_any_length_count_one_by_one(self) -> None:
        reference = [ROWS[:1], ROWS[1:3]]
        assert class_figures(reference, [ROWS[:1], ROWS[[2, 2]]])["agreement"] == pytest.approx(0.66667)

    def test_answers_that_are_not_finite_fail(self) -> None:
        with pytest.raises(ValueError, match="not finite"):
            class_figures(ROWS, np.full_like(ROWS, np.nan))


class TestTensors:
    def test_the_same_answers_are_perfect(self) -> None:
        seen = tensor_figures({"a": ROWS}, {"a": ROWS})
        assert seen == {"n": 4, "cosine_mean": 1, "cosine_min": 1, "error_mean": 0, "error_max": 0, "agreement": 1}

    def test_another_scale_is_an_error_that_cosines_do_not_see(self) -> None:
        seen = tensor_figures({"a": ROWS}, {"a": 1.5 * ROWS})
        assert (seen["cosine_min"], seen["error_mean"]) == (1, 0.5)

    def test_the_worst_output_of_an_example_counts(self) -> None:
        seen = tensor_figures({"a": ROWS, "b": ROWS}, {"a": ROWS, "b": 0 * ROWS})
        assert (seen["cosine_mean"], seen["error_mean"]) == (0, 1)

    def test_nothing_but_zeros_is_near_to_zeros(self) -> None:
        zeros = np.zeros((2, 3))
        assert tensor_figures({"a": zeros}, {"a": zeros + 1e-9})["cosine_min"] == 1
        assert tensor_figures({"a": zeros}, {"a": zeros + 1})["error_mean"] > 1000

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("shape", [(0, 2), (2, 0), (0,)])
    def test_an_example_in_which_nothing_is_found_is_perfect(self, shape: tuple[int, ...]) -> None:
        rows = [np.zeros(shape), np.ones((3, 2))]
        assert tensor_figures({"y": rows}, {"y": rows}) == tensor_figures({"y": ROWS[:2]}, {"y": ROWS[:2]})

    def test_another_shape_fails(self) -> None:
        with pytest.raises(ValueError, match=r"its a has shape \[2\], the source's \[3\]"):
            tensor_figures({"a": ROWS}, {"a": ROWS[:, :2]})

    def test_answers_that_are_not_finite_fail(self) -> None:
        with pytest.raises(ValueError, match="not finite"):
            tensor_figures({"a": ROWS}, {"a": ROWS * np.inf})


class TestFloors:
    def test_defaults_let_the_source_itself_through(self) -> None:
        assert ClassFloor().against(class_figures(ROWS, ROWS)) == ""
        assert TensorFloor(agreement=1).against(tensor_figures({"a": ROWS}, {"a": ROWS})) == ""

    @pytest.mark.parametrize(
        ("changed", "says"),
        [
            ({"agreement": 0.98}, "agreement on the class 0.98 is below the floor 0.99"),
            ({"distance_mean": 0.04}, "mean distance of the probabilities 0.04 is above the limit 0.03"),
            ({"distance_max": 0.3}, "largest distance of the probabilities 0.3 is above the limit 0.25"),
        ],
    )
    def test_each_figure_of_classes_is_held_against_its_own(self, changed: dict[str, float], says: str) -> None:
        assert ClassFloor().against({"agreement": 1, "distance_mean": 0, "distance_max": 0, **changed}) == says

    @pytest.mark.parametrize(
        ("changed", "says"),
        [
            ({"cosine_mean": 0.99}, "mean cosine 0.99 is below the floor 0.998"),
            ({"cosine_min": 0.97}, "minimum cosine 0.97 is below the floor 0.98"),
            ({"error_mean": 0.2}, "mean relative error 0.2 is above the limit 0.1"),
            ({"agreement": 0.8}, "agreement on the largest number 0.8 is below the floor 0.9"),
        ],
    )
    def test_each_figure_of_tensors_is_held_against_its_own(self, changed: dict[str, float], says: str) -> None:
        perfect = {"cosine_mean": 1, "cosine_min": 1, "error_mean": 0, "agreement": 1}
        assert TensorFloor(agreement=0.9).against({**perfect, **changed}) == says

    def test_agreement_of_tensors_counts_only_where_it_was_asked_for(self) -> None:
        assert TensorFloor().against({"cosine_mean": 1, "cosine_min": 1, "error_mean": 0, "agreement": 0}) == ""

    @given(st.floats(0, 1), st.floats(0.01, 1))
    def test_a_margin_asks_for_at_least_as_much(self, value: float, margin: float) -> None:
        figures = {"cosine_mean": value, "cosine_min": 1.0}
        floor = QualityFloor(mean=0.9, minimum=0.9)
        if floor.against(figures):
            assert floor.against(figures, margin)
        elif 1 - value <= 0.1 * margin * (1 - 1e-9):
            assert not floor.against(figures, margin)


class TestProbabilities:
    @given(LOGITS)
    def test_softmax_adds_up_to_one_and_keeps_the_order(self, logits: np.ndarray) -> None:
        seen = activated(logits, "softmax")
        np.testing.assert_allclose(seen.sum(axis=1), 1, rtol=1e-5)
        assert (seen >= 0).all()
        assert (seen[np.arange(3), logits.argmax(axis=1)] == seen.max(axis=1)).all()

    @given(LOGITS)
    def test_sigmoid_is_of_each_by_itself(self, logits: np.ndarray) -> None:
        seen = activated(logits, "sigmoid")
        assert ((seen >= 0) & (seen <= 1)).all()
        np.testing.assert_allclose(seen + activated(-logits, "sigmoid"), 1, rtol=1e-5)
        np.testing.assert_array_equal(seen[:, :1], activated(logits[:, :1], "sigmoid"))

    def test_sigmoid_of_known_odds(self) -> None:
        logits = np.log(np.array([[1, 3, 1 / 3, 99]], np.float32))
        np.testing.assert_allclose(activated(logits, "sigmoid"), [[0.5, 0.75, 0.25, 0.99]], rtol=1e-5)

    def test_softmax_of_known_odds(self) -> None:
        logits = np.log(np.array([[1, 2, 7]], np.float32))
        np.testing.assert_allclose(activated(logits, "softmax"), [[0.1, 0.2, 0.7]], rtol=1e-5)

    def test_what_are_probabilities_already_stay_as_they_are(self) -> None:
        np.testing.assert_array_equal(activated(ROWS, "none"), ROWS.astype(np.float32))

    def test_the_five_likeliest_come_first(self) -> None:
        seen = best([], np.arange(7) / 21)
        assert [each["label"] for each in seen] == ["LABEL_6", "LABEL_5", "LABEL_4", "LABEL_3", "LABEL_2"]


@given(arrays.arrays(np.float32, 6, elements=st.floats(allow_nan=False, allow_infinity=False, width=32)))
def test_numbers_in_json_are_the_float32_they_were(values: np.ndarray) -> None:
    for short, value in zip(_short(values).tolist(), values.tolist(), strict=True):
        assert math.isclose(short, value, rel_tol=1e-6, abs_tol=1e-44)
