"""From a model of each task to its artifact: what is found out, what is refused, what is tried and shipped."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
import small_models
from onnx import ModelProto, helper, numpy_helper

from model_packaging import Artifact, FindingsError, PackageSpec, package, safe_extract
from model_packaging.benchmark import whole_start
from model_packaging.benchmark.bench import usual_archive
from model_packaging.evaluation.choose import slower
from model_packaging.serving import npy
from model_packaging.serving.card import verify
from model_packaging.serving.request import JSON, NPY, BadRequestError
from model_packaging.serving.runtime import Runtime
from model_packaging.tasks import inspect

ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.usefixtures("few_rounds")


def served(artifact: Artifact, folder: Path) -> Runtime:
    safe_extract(artifact.archive, folder)
    return Runtime.load(folder, verify(folder), 1)


def refused(wanted: PackageSpec, call: Callable[[PackageSpec], Any] = inspect) -> str:
    with pytest.raises(FindingsError) as caught:
        call(wanted)
    return str(caught.value)


def outcomes(artifact: Artifact) -> dict[str, str]:
    return {each.recipe: each.outcome for each in artifact.manifest.candidates}


class TestWhatIsFoundOut:
    def test_a_classifier_of_texts(self, tmp_path: Path) -> None:
        source = inspect(small_models.spec(tmp_path, "text-classification", small_models.text_classifier(4)))
        assert (source.output, source.dimension, source.card["activation"]) == ("logits", 4, "softmax")
        assert source.card["labels"] == []

    def test_probabilities_are_told_from_logits(self, tmp_path: Path) -> None:
        made = small_models.text_classifier(probabilities=True)
        source = inspect(small_models.spec(tmp_path, "text-classification", made))
        assert source.card["activation"] == "none"

    def test_what_a_config_beside_the_model_says(self, tmp_path: Path) -> None:
        config = {"id2label": {"0": "calm", "1": "glad", "2": "sad"}, "problem_type": "multi_label_classification"}
        (tmp_path / "config.json").write_text(json.dumps(config))
        source = inspect(small_models.spec(tmp_path, "text-classification", small_models.text_classifier()))
        assert (source.card["labels"], source.card["activation"]) == (["calm", "glad", "sad"], "sigmoid")

    def test_a_classifier_of_images(self, tmp_path: Path) -> None:
        source = inspect(small_models.spec(tmp_path, "image-classification", small_models.image_classifier()))
        assert source.card["inputs"] == [{"name": "pixels", "dtype": "float32", "shape": [None, 3, None, None]}]
        assert source.card["largest"][0]["pixels"] == [512, 3, 16, 16]
        assert source.card["largest"][1]["pixels"][0] == 1
        assert source.card["largest"][1]["pixels"][2] > 500

    def test_several_inputs_and_outputs(self, tmp_path: Path) -> None:
        source = inspect(small_models.spec(tmp_path, "generic", small_models.two_inputs()))
        assert [(each["name"], each["dtype"]) for each in source.card["inputs"]] == [
            ("rows", "float32"),
            ("times", "int64"),
        ]
        assert [each["name"] for each in source.card["outputs"]] == ["scaled", "doubled"]


class TestWhatIsRefused:
    def test_labels_of_another_number(self, tmp_path: Path) -> None:
        wanted = small_models.spec(
            tmp_path, "text-classification", small_models.text_classifier(), labels=["good", "bad"]
        )
        assert "must name the 3 classes of logits, got 2" in refused(wanted)

    def test_a_config_with_a_gap(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text('{"id2label": {"0": "a", "2": "b"}}')
        wanted = small_models.spec(tmp_path, "text-classification", small_models.text_classifier())
        assert "must name every class" in refused(wanted)

    def test_a_model_of_another_task(self, tmp_path: Path) -> None:
        made = small_models.token_classifier()
        assert "(batch, classes)" in refused(small_models.spec(tmp_path, "text-classification", made))
        made = small_models.text_classifier()
        assert "(batch, sequence, classes)" in refused(small_models.spec(tmp_path, "token-classification", made))

    def test_one_class_to_choose_from(self, tmp_path: Path) -> None:
        wanted = small_models.spec(tmp_path, "text-classification", small_models.text_classifier(1))
        assert "at least two classes" in refused(wanted)

    def test_an_image_model_that_takes_rows(self, tmp_path: Path) -> None:
        wanted = small_models.spec(tmp_path, "generic", small_models.counter())
        changed = wanted.model_copy(update={"task": "image-classification"})
        assert "one input of four axes" in refused(changed)

    def test_an_axis_of_examples_that_is_fixed(self, tmp_path: Path) -> None:
        wanted = small_models.spec(tmp_path, "generic", small_models.counter(batch=4))
        assert "whose first axis is the examples" in refused(wanted)

    def test_an_output_that_is_not_one_for_each_example(self, tmp_path: Path) -> None:
        made = small_models.counter()
        made.graph.node.append(helper.make_node("ReduceSum", ["more"], ["all"], "all", keepdims=0))
        made.graph.output.append(small_models.tensor("all", onnx.TensorProto.INT32, []))
        assert "first axis is the examples, got all int32[]" in refused(small_models.spec(tmp_path, "generic", made))

    def test_weights_that_are_not_finite(self, tmp_path: Path) -> None:
        made = small_models.image_classifier()
        broken = numpy_helper.to_array(made.graph.initializer[0]).copy()
        broken[0, 0, 0, 0] = np.nan
        made.graph.initializer[0].CopyFrom(numpy_helper.from_array(broken, "first"))
        assert "NaN or infinity in first" in refused(small_models.spec(tmp_path, "image-classification", made))

    def test_custom_operators(self, tmp_path: Path) -> None:
        made = small_models.image_classifier()
        made.graph.node[1].domain = "acme"
        made.opset_import.append(helper.make_opsetid("acme", 1))
        assert "acme::Relu" in refused(small_models.spec(tmp_path, "image-classification", made))

    def test_an_onnx_newer_than_the_runtime(self, tmp_path: Path) -> None:
        made = small_models.counter()
        made.opset_import[0].version = 99
        assert "newer than the runtime" in refused(small_models.spec(tmp_path, "generic", made))

    def test_an_example_that_no_request_has_room_for(self, tmp_path: Path) -> None:
        pictures, _ = small_models.images(20, side=640)
        np.save(tmp_path / "large.npy", pictures)
        wanted = small_models.spec(
            tmp_path, "image-classification", small_models.image_classifier(), probe=tmp_path / "large.npy"
        )
        assert "an example must fit into a request" in refused(wanted)

    def test_examples_that_the_model_gives_one_class(self, tmp_path: Path) -> None:
        pictures, _ = small_models.images(90)
        np.save(tmp_path / "red.npy", pictures[::3])
        wanted = small_models.spec(
            tmp_path, "image-classification", small_models.image_classifier(), probe=tmp_path / "red.npy"
        )
        assert "at least two classes" in refused(wanted, package)
        assert not (tmp_path / "out" / "manifest.json").exists()

    def test_examples_that_get_one_answer(self, tmp_path: Path) -> None:
        made = small_models.counter()
        made.graph.initializer.append(numpy_helper.from_array(np.array(0, np.int32), "none"))
        made.graph.node[0].output[0] = "before"
        made.graph.node.append(helper.make_node("Mul", ["before", "none"], ["more"], "forget"))
        assert "results differ" in refused(small_models.spec(tmp_path, "generic", made), package)

    def test_a_label_that_is_no_class(self, tmp_path: Path) -> None:
        wanted = small_models.spec(
            tmp_path, "image-classification", small_models.image_classifier(), labels=["cyan", "green", "blue"]
        )
        assert "'red'" in refused(wanted, package)

    def test_a_folder_without_a_task(self, tmp_path: Path) -> None:
        np.save(tmp_path / "rows.npy", np.zeros((24, 8), np.int32))
        wanted = PackageSpec.of(
            name="m", source=tmp_path, task="generic", probe=tmp_path / "rows.npy", out=tmp_path / "out"
        )
        assert "must be an .onnx file" in refused(wanted, package)


def test_an_image_classifier_has_its_convolutions_in_int8_where_that_is_as_good(tmp_path: Path) -> None:
    wanted = small_models.spec(tmp_path, "image-classification", small_models.image_classifier(opset=11))
    artifact = package(wanted)
    assert list(outcomes(artifact)) == ["int8-static", "int8-static-conv", "int8", "int8-blockwise", "fp32"]
    static = artifact.manifest.candidates[0]
    assert static.scores is not None, static.outcome
    assert static.scores["agreement"] == static.scores["accuracy"] == static.scores["source_accuracy"] == 1
    assert artifact.manifest.io.labels == small_models.COLOURS
    pictures, names = small_models.images(6, seed=9)
    answer = json.loads(served(artifact, tmp_path / "model").respond(npy.write(pictures), NPY, JSON))
    assert [each[0]["label"] for each in answer["predictions"]] == names


def test_tensors_without_a_weight_ship_as_they_are(tmp_path: Path) -> None:
    artifact = package(small_models.spec(tmp_path, "generic", small_models.counter()))
    assert outcomes(artifact) == {"fp32": "chosen"}
    said = artifact.manifest.io
    assert (said.content_types, said.answer_types) == ((JSON, NPY), (JSON, NPY))
    runtime = served(artifact, tmp_path / "model")
    sample = json.loads(said.sample)
    assert json.loads(runtime.answer(sample))["outputs"]["more"] == (np.array(sample["inputs"]) + 1).tolist()
    assert "canary" in {each.role for each in artifact.manifest.files}


def test_what_the_quantizer_does_not_take_is_a_recorded_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> ModelProto:
        raise TypeError("no such kernel\nand more")

    monkeypatch.setattr("model_packaging.quantization.static_qdq.static", fails)
    artifact = package(small_models.spec(tmp_path, "image-classification", small_models.image_classifier()))
    assert outcomes(artifact)["int8-static"] == "failed: no such kernel"
    assert artifact.manifest.chosen.scores


def test_a_library_that_is_missing_is_no_word_on_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> ModelProto:
        raise ModuleNotFoundError("No module named 'onnx_ir'")

    wanted = small_models.spec(tmp_path, "image-classification", small_models.image_classifier())
    with monkeypatch.context() as patched:
        patched.setattr("model_packaging.quantization.static_qdq.static", fails)
        with pytest.raises(FindingsError, match=r"got No module named 'onnx_ir'.*install `scaletozero\[packaging\]`"):
            package(wanted)
    assert "failed" not in "".join(outcomes(package(wanted)).values())


def test_a_bias_of_two_axes_is_quantized_too(tmp_path: Path) -> None:
    made = small_models.image_classifier()
    made.graph.initializer.append(numpy_helper.from_array(np.full((1, 3), 0.5, np.float32), "bias"))
    made.graph.node.pop()
    made.graph.node.append(helper.make_node("Gemm", ["flat", "head", "bias"], ["logits"], "head"))
    artifact = package(small_models.spec(tmp_path, "image-classification", made))
    static = artifact.manifest.candidates[0]
    assert static.recipe == "int8-static"
    assert static.scores is not None, static.outcome
    assert static.scores["agreement"] == 1


def repeating(times: int) -> ModelProto:
    """A model that answers with each row `times` times in a row."""
    made = small_models.counter()
    made.graph.initializer.append(numpy_helper.from_array(np.array([1, times]), "times"))
    made.graph.node[0].output[0] = "before"
    made.graph.node.append(helper.make_node("Tile", ["before", "times"], ["more"], "tile"))
    del made.graph.output[:]
    made.graph.output.append(small_models.tensor("more", onnx.TensorProto.INT32, ["n", 8 * times]))
    return made


def test_a_model_whose_own_sample_has_too_long_an_answer_can_still_be_timed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small_models.servable(tmp_path, small_models.spec(tmp_path, "generic", repeating(200_000)))
    whole_start.main(folder, checked=False)
    assert json.loads(capsys.readouterr().out)["phases"]["answer"] > 0


def test_an_answer_over_the_limit_is_refused_before_it_is_written(tmp_path: Path) -> None:
    made = repeating(1000)
    folder = small_models.servable(tmp_path, small_models.spec(tmp_path, "generic", made))
    runtime = Runtime.load(folder, verify(folder), 1)
    rows = npy.write(np.zeros((200, 8), np.int32))
    for wanted in (JSON, NPY):
        with pytest.raises(BadRequestError, match="the response has 1600000 numbers"):
            runtime.respond(rows, NPY, wanted)
    assert npy.read(runtime.respond(npy.write(np.zeros((9, 8), np.int32)), NPY, NPY)).shape == (9, 8000)


def test_the_usual_archive_of_tensors_answers(tmp_path: Path) -> None:
    wanted = small_models.spec(tmp_path, "generic", small_models.two_inputs())
    (tmp_path / "usual").mkdir()
    archive = usual_archive(wanted, tmp_path / "usual")
    safe_extract(archive, tmp_path / "model")
    card = json.loads((tmp_path / "model" / "model.json").read_text())
    runtime = Runtime.load(tmp_path / "model", card, 1)
    assert json.loads(runtime.answer(runtime.task.request(runtime.task.sample())))["outputs"]


@pytest.mark.long
@pytest.mark.parametrize("task", ["text-classification", "token-classification"])
def test_a_classifier_of_texts_is_packaged(tmp_path: Path, task: str) -> None:
    made = small_models.text_classifier() if task == "text-classification" else small_models.token_classifier()
    artifact = package(small_models.spec(tmp_path, task, made))
    scores = artifact.manifest.chosen.scores
    assert scores is not None
    assert scores["agreement"] >= 0.99
    assert json.loads(artifact.manifest.io.sample)["inputs"]
    assert json.loads(served(artifact, tmp_path / "model").answer(["the train is late"]))


def examples_of_models() -> ModuleType:
    """models/inputs.py, which is a script beside the models."""
    specified = importlib.util.spec_from_file_location("models_inputs", ROOT / "models" / "inputs.py")
    assert specified
    assert specified.loader
    module = importlib.util.module_from_spec(specified)
    sys.modules[specified.name] = module
    specified.loader.exec_module(module)
    return module


def installed(distribution: str, file: str) -> Path:
    return Path(str(importlib.metadata.distribution(distribution).locate_file(file)))


@pytest.fixture(scope="module")
def magika(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("magika")
    np.save(folder / "files.npy", examples_of_models().magika(60))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("model_packaging.pipeline.archive.STARTS", 1)
        return package(
            PackageSpec.of(
                name="magika",
                task="generic",
                source=installed("magika", "magika/models/standard_v3_3/model.onnx"),
                probe=folder / "files.npy",
                floor={"agreement": 0.95},
                out=folder / "out",
            )
        )


class TestMagika:
    """The file type detector of the package `magika`, 3.2 MB, over files of this environment."""

    def test_its_files_are_read_as_magika_reads_them(self) -> None:
        features = examples_of_models().features
        theirs = importlib.import_module("magika").Magika()
        for content in (b"\n  x = 1\n" * 900, b"  short enough, longer than eight bytes \n", bytes(range(256)) * 40):
            seen = theirs._extract_features_from_seekable(_seekable(content), 1024, 0, 1024, 256, 4096, False)
            np.testing.assert_array_equal(features(content), np.array([*seen.beg, *seen.end]))

    def test_what_is_shipped_is_near_the_original_and_no_slower(self, magika: Artifact) -> None:
        chosen = magika.manifest.chosen
        assert chosen.scores is not None
        assert chosen.speed is not None
        assert chosen.scores["cosine_mean"] >= 0.998
        assert chosen.scores["agreement"] >= 0.95
        assert chosen.recipe == "fp32" or not slower(chosen.speed)

    def test_int8_with_ranges_from_examples_is_small_and_fast(self, magika: Artifact) -> None:
        static = magika.manifest.candidates[0]
        assert static.recipe == "int8-static"
        assert static.speed is not None, static.outcome
        assert static.size_ratio is not None
        assert static.size_ratio < 0.3
        assert not slower(static.speed)

    def test_its_licence_is_read_from_the_package(self, magika: Artifact) -> None:
        assert magika.manifest.source.licence == "Apache-2.0"
        assert magika.manifest.source.licence_from.endswith("METADATA")

    def test_it_tells_files_apart_once_served(self, magika: Artifact, tmp_path: Path) -> None:
        labels = json.loads(installed("magika", "magika/models/standard_v3_3/config.min.json").read_text())[
            "target_labels_space"
        ]
        files = {
            "python": b"import os\n\n\ndef main() -> None:\n    print(os.getcwd())\n" * 20,
            "json": json.dumps([{"name": "a", "value": index} for index in range(90)]).encode(),
            "html": b"<!DOCTYPE html><html><head><title>a</title></head><body><p>b</p></body></html>" * 9,
        }
        rows = np.stack([examples_of_models().features(content) for content in files.values()])
        runtime = served(magika, tmp_path / "model")
        probabilities = npy.read(runtime.respond(npy.write(rows), NPY, NPY))
        assert [labels[index] for index in probabilities.argmax(axis=1)] == list(files)


def _seekable(content: bytes) -> Any:
    return importlib.import_module("magika.types.seekable").Seekable(io.BytesIO(content))


@pytest.mark.long
class TestOcr:
    """Models of the package `rapidocr`, over lines of text drawn for the purpose."""

    def test_the_orientation_of_a_line(self, tmp_path: Path) -> None:
        pictures, labels = examples_of_models().orientation()
        np.savez(tmp_path / "lines.npz", x=pictures, labels=labels)
        artifact = package(
            PackageSpec.of(
                name="orientation",
                task="image-classification",
                source=installed("rapidocr", "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
                probe=tmp_path / "lines.npz",
                labels=("0", "180"),
                out=tmp_path / "out",
            )
        )
        chosen = artifact.manifest.chosen
        assert chosen.scores is not None
        assert chosen.scores["accuracy"] >= chosen.scores["source_accuracy"] - 0.03
        assert chosen.scores["agreement"] >= 0.99
        assert artifact.manifest.source.licence == "Apache-2.0"
        runtime = served(artifact, tmp_path / "model")
        answer = json.loads(runtime.respond(npy.write(pictures[:8]), NPY, JSON))
        assert sum(each[0]["label"] == label for each, label in zip(answer["predictions"], labels, strict=False)) >= 6

    def test_the_recognition_of_a_line(self, tmp_path: Path) -> None:
        inputs = examples_of_models()
        lines = list(inputs.lines(40, 48, 320, seed=5))
        np.save(tmp_path / "lines.npy", np.stack([inputs.normalised(picture) for _, picture in lines]))
        source = installed("rapidocr", "rapidocr/models/PP-OCRv6_rec_small.onnx")
        artifact = package(
            PackageSpec.of(
                name="recognition",
                task="generic",
                source=source,
                probe=tmp_path / "lines.npy",
                floor={"agreement": 0.99},
                out=tmp_path / "out",
            )
        )
        assert artifact.manifest.chosen.size_ratio is not None
        assert artifact.manifest.chosen.size_ratio <= 1
        characters = next(each.value for each in onnx.load(str(source)).metadata_props if each.key == "character")
        known = ["", *characters.split("\n"), " "]
        text, picture = next((text, picture) for text, picture in lines if text.isalpha())
        runtime = served(artifact, tmp_path / "model")
        best = npy.read(runtime.respond(npy.write(inputs.normalised(picture)[None]), NPY, NPY))[0].argmax(axis=1)
        read = "".join(known[one] for one, before in zip(best, [0, *best], strict=False) if one not in (0, before))
        assert read == text
