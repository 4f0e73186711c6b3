"""What may be asked of each task, and the inputs that a user brings to measure with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_packaging import ClassFloor, FindingsError, PackageSpec, QualityFloor, TensorFloor
from model_packaging.probes import load_probe
from model_packaging.probes.tensors import load_tensors

INPUTS = [{"name": "x", "dtype": "float32", "shape": [None, 3]}]
ROWS = np.random.default_rng(0).standard_normal((24, 3)).astype(np.float32)


def spec(**values: Any) -> PackageSpec:
    return PackageSpec.of(**{"name": "m", "source": "m.onnx", "out": "out", **values})


def says(call: Any, *arguments: Any, **values: Any) -> str:
    with pytest.raises(FindingsError) as caught:
        call(*arguments, **values)
    return str(caught.value)


class TestSpec:
    @pytest.mark.parametrize(
        ("task", "floor"),
        [
            ("sentence-embedding", QualityFloor),
            ("text-classification", ClassFloor),
            ("token-classification", ClassFloor),
            ("image-classification", ClassFloor),
            ("generic", TensorFloor),
        ],
    )
    def test_each_task_has_its_floor(self, task: str, floor: type) -> None:
        assert type(spec(task=task, probe="p.npy").floor) is floor

    def test_a_floor_is_given_by_its_figures(self) -> None:
        assert spec(task="generic", probe="p.npy", floor={"agreement": 0.9}).floor == TensorFloor(agreement=0.9)

    def test_the_floor_of_another_task(self) -> None:
        assert "floor: must be a ClassFloor" in says(spec, task="text-classification", floor=QualityFloor())

    def test_a_figure_that_the_task_does_not_have(self) -> None:
        assert "floor.agreement" in says(spec, floor={"agreement": 0.9})

    def test_tensors_need_a_probe(self) -> None:
        assert "probe: is required for generic" in says(spec, task="generic")

    def test_tensors_have_no_tokenizer(self) -> None:
        assert "tokenizer: is for tasks on texts" in says(spec, task="generic", probe="p.npy", tokenizer="t.json")
        assert spec(task="generic", probe="p.npy").tokenizer is None

    def test_texts_have_no_calibration(self) -> None:
        assert "calibration: is for tasks on tensors" in says(spec, calibration="c.npy")

    def test_embeddings_have_no_labels(self) -> None:
        assert "labels: is for tasks that return classes" in says(spec, labels=["a", "b"])

    def test_two_classes_of_one_name(self) -> None:
        assert "differ" in says(spec, task="text-classification", labels=["a", "a"])


class TestTexts:
    def write(self, path: Path, lines: list[Any]) -> Path:
        path.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines))
        return path

    def test_labels_come_with_the_scoring_half(self, tmp_path: Path) -> None:
        lines = [{"text": f"text {index}", "label": "ab"[index // 2 % 2]} for index in range(40)]
        probe = load_probe(self.write(tmp_path / "p.jsonl", lines))
        assert len(probe.selecting) == len(probe.scoring) == 20
        assert probe.labels == tuple("ab" * 10)
        assert not set(probe.selecting) & set(probe.scoring)

    def test_texts_without_labels(self, tmp_path: Path) -> None:
        lines = [{"text": f"text {index}"} for index in range(40)]
        assert load_probe(self.write(tmp_path / "p.jsonl", lines)).labels is None

    def test_labels_of_one_class(self, tmp_path: Path) -> None:
        lines = [{"text": f"text {index}", "label": "a"} for index in range(40)]
        assert "two classes" in says(load_probe, self.write(tmp_path / "p.jsonl", lines))

    def test_some_without_a_label(self, tmp_path: Path) -> None:
        lines = [{"text": f"text {index}"} | ({"label": "a"} if index else {}) for index in range(40)]
        assert "in every line or in none" in says(load_probe, self.write(tmp_path / "p.jsonl", lines))

    @pytest.mark.parametrize("line", ["{", '["text"]', '{"txt": "a"}', '{"text": 5}'])
    def test_a_line_of_another_form(self, tmp_path: Path, line: str) -> None:
        assert "p.jsonl:1" in says(load_probe, self.write(tmp_path / "p.jsonl", [line]))


class TestTensors:
    def test_every_second_example_scores(self, tmp_path: Path) -> None:
        np.save(tmp_path / "p.npy", ROWS)
        probe = load_tensors(tmp_path / "p.npy", None, INPUTS)
        np.testing.assert_array_equal(np.concatenate([each["x"] for each in probe.scoring]), ROWS[1::2])
        assert probe.calibrating == probe.selecting

    def test_the_same_examples_in_every_form_are_the_same_probe(self, tmp_path: Path) -> None:
        np.save(tmp_path / "p.npy", ROWS)
        np.savez(tmp_path / "p.npz", ROWS)
        lines = [json.dumps({"inputs": row[None].astype(float).tolist()}) for row in ROWS]
        (tmp_path / "p.jsonl").write_text("\n".join(lines))
        (tmp_path / "folder").mkdir()
        for index, row in enumerate(ROWS):
            np.save(tmp_path / "folder" / f"{index:02}.npy", row)
        names = ("p.npy", "p.npz", "p.jsonl", "folder")
        assert len({load_tensors(tmp_path / name, None, INPUTS).sha256 for name in names}) == 1

    def test_examples_of_a_folder_may_differ_in_size(self, tmp_path: Path) -> None:
        for index in range(20):
            np.save(tmp_path / f"{index:02}.npy", np.full((3, 2 + index), index, np.float32))
        found = load_tensors(tmp_path, None, [{"name": "x", "dtype": "float32", "shape": [None, 3, None]}])
        assert found.selecting[1]["x"].shape == (1, 3, 4)

    def test_an_example_that_is_there_twice_is_never_in_both_halves(self, tmp_path: Path) -> None:
        np.save(tmp_path / "p.npy", np.repeat(ROWS, 2, axis=0))
        probe = load_tensors(tmp_path / "p.npy", None, INPUTS)
        assert len(probe.selecting) + len(probe.scoring) == len(ROWS)

    def test_calibration_of_its_own(self, tmp_path: Path) -> None:
        np.save(tmp_path / "p.npy", ROWS)
        np.save(tmp_path / "c.npy", ROWS[:8] + 1)
        assert len(load_tensors(tmp_path / "p.npy", tmp_path / "c.npy", INPUTS).calibrating) == 8

    def test_calibration_with_what_scores(self, tmp_path: Path) -> None:
        np.save(tmp_path / "p.npy", ROWS)
        np.save(tmp_path / "c.npy", ROWS[:10])
        assert "5 of them" in says(load_tensors, tmp_path / "p.npy", tmp_path / "c.npy", INPUTS)

    def test_an_empty_calibration(self, tmp_path: Path) -> None:
        np.save(tmp_path / "p.npy", ROWS)
        np.save(tmp_path / "c.npy", ROWS[:0])
        assert "c.npy" in says(load_tensors, tmp_path / "p.npy", tmp_path / "c.npy", INPUTS)

    def test_a_calibration_of_one_class(self, tmp_path: Path) -> None:
        np.save(tmp_path / "p.npy", ROWS)
        np.savez(tmp_path / "c.npz", x=ROWS[:9] + 1, labels=np.array(["a"] * 9))
        assert "two classes" in says(load_tensors, tmp_path / "p.npy", tmp_path / "c.npz", INPUTS)

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        assert "no .npy or .npz" in says(load_tensors, tmp_path, None, INPUTS)

    def test_nothing_there(self, tmp_path: Path) -> None:
        assert "nothing there" in says(load_tensors, tmp_path / "p.npy", None, INPUTS)

    def test_too_few(self, tmp_path: Path) -> None:
        np.save(tmp_path / "p.npy", ROWS[:19])
        assert "at least 20 different examples, got 19" in says(load_tensors, tmp_path / "p.npy", None, INPUTS)

    @pytest.mark.parametrize(
        ("array", "reason"),
        [
            (ROWS.astype(np.float64), "expected float32, got float64"),
            (ROWS[:, :2], "expected shape [any, 3]"),
            (np.where(ROWS[3, 1] == ROWS, np.nan, ROWS), "finite"),
        ],
        ids=["type", "shape", "nan"],
    )
    def test_what_the_model_does_not_take(self, tmp_path: Path, array: np.ndarray, reason: str) -> None:
        np.save(tmp_path / "p.npy", array)
        assert reason in says(load_tensors, tmp_path / "p.npy", None, INPUTS)

    def test_objects_are_not_unpickled(self, tmp_path: Path) -> None:
        objects = np.array([{"a": 1}] * 24, dtype=object)
        np.save(tmp_path / "p.npy", objects, allow_pickle=True)
        np.savez(tmp_path / "p.npz", allow_pickle=True, x=objects)  # type: ignore[arg-type]
        assert "Python objects" in says(load_tensors, tmp_path / "p.npy", None, INPUTS)
        assert "allow_pickle=False" in says(load_tensors, tmp_path / "p.npz", None, INPUTS)

    def test_a_file_that_is_no_zip(self, tmp_path: Path) -> None:
        (tmp_path / "p.npz").write_bytes(b"PK\x03\x04 broken")
        assert "p.npz" in says(load_tensors, tmp_path / "p.npz", None, INPUTS)

    def test_another_form(self, tmp_path: Path) -> None:
        (tmp_path / "p.csv").write_text("1,2,3")
        assert ".npy, .npz, .jsonl" in says(load_tensors, tmp_path / "p.csv", None, INPUTS)

    def test_labels_of_another_number(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "p.npz", x=ROWS, labels=np.array(["a", "b"]))
        assert "a label for each of 24 examples, got 2" in says(load_tensors, tmp_path / "p.npz", None, INPUTS)
