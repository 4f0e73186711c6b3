"""From a model to an artifact: what comes out, twice the same, and what a killed run leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from model_packaging import Artifact, FindingsError, Progress, QualityFloor, open_artifact, package
from model_packaging.evaluation.choose import slower
from model_packaging.evaluation.measure import NotReadyError, Start, StartFailedError, start_once
from model_packaging.pipeline.work import Work


@pytest.fixture(autouse=True)
def few_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics are not what these tests are about."""
    monkeypatch.setattr("model_packaging.pipeline.archive.STARTS", 1)


class TestPackagedEncoder:
    """paraphrase-MiniLM-L3, fp32, 69 MB."""

    def test_its_weights_are_a_quarter(self, packaged: Artifact) -> None:
        assert packaged.manifest.chosen.size_ratio is not None
        assert packaged.manifest.chosen.size_ratio <= 0.285

    def test_its_answers_are_near_the_original(self, packaged: Artifact) -> None:
        seen = packaged.manifest.chosen.quality
        assert seen is not None
        assert seen.cosine_mean >= 0.998
        assert seen.cosine_min >= 0.996
        assert seen.top1 >= 0.95

    def test_it_is_not_slower(self, packaged: Artifact) -> None:
        seen = packaged.manifest.chosen.speed
        assert seen is not None
        assert not slower(seen)

    def test_plain_int8_is_recorded_with_the_reason_against_it(self, packaged: Artifact) -> None:
        outcomes = {each.recipe: each.outcome for each in packaged.manifest.candidates}
        assert list(outcomes) == ["int8", "int8-kept", "int8-blockwise", "fp32"]
        assert "below the floor" in outcomes["int8"]
        assert outcomes["int8-kept"] == "chosen"

    def test_its_answers_match_what_the_manifest_says_once_unpacked(
        self, unpacked: Path, minilm: dict[str, Any]
    ) -> None:
        import numpy as np
        import onnxruntime as ort
        from tokenizers import Tokenizer

        from model_packaging.serving.card import verify
        from model_packaging.serving.runtime import Runtime

        tokenizer = Tokenizer.from_file(str(minilm["tokenizer"]))
        tokenizer.no_padding()
        text = "A stone bridge crosses the river below the castle."
        encoding = tokenizer.encode(text)
        session = ort.InferenceSession(str(minilm["source"]), providers=["CPUExecutionProvider"])
        feeds = {"input_ids": np.array([encoding.ids]), "attention_mask": np.array([encoding.attention_mask])}
        original = np.asarray(session.run(["461"], feeds)[0])[0]
        ours = Runtime.load(unpacked, verify(unpacked), 1).embed([text])[0]
        assert ours @ original / np.linalg.norm(ours) / np.linalg.norm(original) > 0.997

    def test_nothing_of_this_machine_is_in_the_archive(self, packaged: Artifact, unpacked: Path) -> None:
        card = json.loads((unpacked / "model.json").read_text())
        assert str(packaged.path) not in (unpacked / "model.onnx").read_bytes().decode("latin-1")
        assert set(card["files"]) == {"model.onnx", "model.onnx.data", "tokenizer.json"}
        assert {each.path for each in packaged.manifest.files} == {"model.json", *card["files"]}

    def test_the_manifest_reads_back(self, packaged: Artifact) -> None:
        again = open_artifact(packaged.archive)
        assert again == packaged
        assert again.manifest.to_json() == (packaged.path / "manifest.json").read_text()


def test_two_processes_write_the_same_bytes(tiny: Any) -> None:
    code = (
        "import sys; from pathlib import Path; from model_packaging import PackageSpec, package\n"
        "values = dict(zip(('source', 'tokenizer', 'out'), map(Path, sys.argv[1:])))\n"
        "print(package(PackageSpec.of(name='tiny', licence='MIT', max_length=32, **values)).digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code, str(tiny.source), str(tiny.tokenizer), str(tiny.folder / name)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in ("one", "two")
    }
    assert len(digests) == 1


def test_a_model_that_quantization_ruins_ships_as_fp32_with_the_reason(tiny: Any) -> None:
    artifact = package(tiny.spec(floor=QualityFloor(mean=0.999999, minimum=0.999999)))
    assert artifact.manifest.recipe == "fp32"
    recipes = [each.recipe for each in artifact.manifest.candidates]
    assert recipes == ["int8", "int8-kept", "int8-blockwise", "int8-blockwise-kept", "fp32"]
    for each in artifact.manifest.candidates[:-1]:
        assert "below the floor" in each.outcome
    blocks, smaller = artifact.manifest.candidates[2:4]
    assert blocks.quality is not None
    assert smaller.quality is not None
    assert smaller.quality.cosine_mean > blocks.quality.cosine_mean
    assert len(smaller.kept) == 1  # a sixth of six weights


def test_a_model_with_no_weights_to_quantize_still_ships(tiny: Any) -> None:
    def edit(model: onnx.ModelProto) -> None:
        del model.graph.node[1:-1]
        model.graph.node[-1].input[0] = "layer0"
        table = model.graph.initializer[0]
        del model.graph.initializer[1:]
        assert table.name == "table"

    tiny.change(edit)
    artifact = package(tiny.spec())
    assert artifact.manifest.chosen.quality is not None


def test_a_second_run_returns_the_artifact_that_is_there(tiny: Any) -> None:
    first = package(tiny.spec())
    stages: list[str] = []
    again = package(tiny.spec(), lambda step: stages.append(step.stage))
    assert again == first
    assert set(stages) == {"inspect", "manifest"}


def test_a_broken_artifact_is_made_again(tiny: Any) -> None:
    first = package(tiny.spec())
    first.archive.write_bytes(first.archive.read_bytes()[:-1])
    assert package(tiny.spec()).digest == first.digest


@pytest.mark.parametrize("stage", ["optimise", "evaluate", "archive"])
def test_a_killed_run_goes_on_where_it_was(tiny: Any, stage: str) -> None:
    class KilledError(Exception):
        pass

    built: list[str] = []

    def count(step: Progress) -> None:
        if step.stage == "evaluate" and step.done == 0:
            built.append(step.note)

    def kill(step: Progress) -> None:
        count(step)
        if step.stage == stage and step.done == step.total:
            raise KilledError

    with pytest.raises(KilledError):
        package(tiny.spec(), kill)
    assert not (tiny.folder / "out" / "manifest.json").exists()
    artifact = package(tiny.spec(), count)
    assert len(built) == len(set(built)) == len(artifact.manifest.candidates)
    assert not (tiny.folder / "out" / ".work").exists()


def test_half_written_results_are_not_used(tmp_path: Path) -> None:
    def half(folder: Path) -> None:
        (folder / "a").write_text("half")
        raise KeyError

    def whole(folder: Path) -> None:
        (folder / "b").write_text("whole")

    with pytest.raises(KeyError), Work(tmp_path / "work", "k" * 64) as work:
        work.folder("model", half)
    with Work(tmp_path / "work", "k" * 64) as work:
        folder = work.folder("model", whole)
        assert [path.name for path in folder.iterdir()] == ["b"]


def test_two_runs_at_once_are_refused(tiny: Any) -> None:
    said: list[str] = []

    def second(step: Progress) -> None:
        if step.stage == "optimise" and not said:
            with pytest.raises(FindingsError, match="another run is at work") as caught:
                package(tiny.spec())
            said.append(str(caught.value))

    package(tiny.spec(), second)
    assert said


def test_a_full_disk_is_a_finding_and_keeps_what_is_finished(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("model_packaging.pipeline.archive.write_archive", full)
        with pytest.raises(FindingsError, match="No space left on device"):
            package(tiny.spec())
    assert not (tiny.folder / "out" / "model.tar.gz").exists()
    stages: list[Progress] = []
    package(tiny.spec(), stages.append)
    assert not [step for step in stages if step.stage == "evaluate" and step.done == 0]


@pytest.mark.parametrize(
    "failure",
    [
        NotReadyError("not ready within 180 s"),
        MemoryError(),
        ImportError("libgomp.so.1"),
        OSError(24, "Too many files"),
    ],
)
def test_what_the_machine_failed_at_is_tried_again(
    tiny: Any, monkeypatch: pytest.MonkeyPatch, few_rounds: None, failure: Exception
) -> None:
    asked = tiny.spec(recipes=["fp32"])

    def fail(*_: object, **__: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr("model_packaging.pipeline.candidates.start_once", fail)
        with pytest.raises(FindingsError, match=r"finished stages are kept"):
            package(asked)
    assert [each.outcome for each in package(asked).manifest.candidates] == ["chosen"]


def test_a_model_that_the_runtime_does_not_start_stays_a_recorded_candidate(
    tiny: Any, monkeypatch: pytest.MonkeyPatch, few_rounds: None
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise StartFailedError("the canary's result is off")

    monkeypatch.setattr("model_packaging.pipeline.candidates.start_once", fails)
    for _ in range(2):
        with pytest.raises(FindingsError, match="fp32: failed: the canary's result is off"):
            package(tiny.spec(recipes=["fp32"]))


def test_a_start_that_fails_after_the_choice_is_a_finding(
    tiny: Any, monkeypatch: pytest.MonkeyPatch, few_rounds: None
) -> None:

    def fails(folder: Path, *, largest: bool = False) -> Start:
        if largest:
            raise StartFailedError("the largest request failed")
        return start_once(folder)

    monkeypatch.setattr("model_packaging.pipeline.archive.start_once", fails)
    with pytest.raises(FindingsError, match="give the results that were measured, got the largest"):
        package(tiny.spec(recipes=["fp32"]))


def test_a_model_for_no_serverless_endpoint_is_a_finding(
    tiny: Any, monkeypatch: pytest.MonkeyPatch, few_rounds: None
) -> None:
    monkeypatch.setattr(
        "model_packaging.pipeline.archive.start_once",
        lambda folder, **how: replace(start_once(folder, **how), peak_rss_mb=9000.0),
    )
    with pytest.raises(FindingsError, match="memory: a serverless endpoint has at most 6144 MB"):
        package(tiny.spec(recipes=["fp32"]))


def test_an_unreadable_result_of_a_killed_run_is_measured_again(
    tiny: Any, monkeypatch: pytest.MonkeyPatch, few_rounds: None
) -> None:
    asked = tiny.spec(recipes=["fp32"])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("model_packaging.pipeline.archive.write_archive", killed)
        with pytest.raises(KeyboardInterrupt):
            package(asked)
    [kept] = (tiny.folder / "out" / ".work").glob("*/candidate-fp32.json")
    kept.write_text('{"recipe": "fp')
    assert package(asked).manifest.recipe == "fp32"


def test_progress_ends_every_stage_that_began(tiny: Any) -> None:
    steps: list[Progress] = []
    package(tiny.spec(), steps.append)
    assert all(0 <= step.done <= step.total for step in steps)
    for stage in {step.stage for step in steps}:
        last = [step for step in steps if step.stage == stage][-1]
        assert last.done == last.total
