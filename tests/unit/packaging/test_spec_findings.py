"""Whatever is wrong with a spec is a finding in this project's words, and told before anything heavy is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from model_packaging import FindingsError, PackageSpec, QualityFloor, package
from model_packaging.recipes import RECIPES
from model_packaging.serving.registry import TASKS
from model_packaging.spec import TARGETS, FolderSpec, spec_of

PYDANTICS = (
    "input should",
    "string should",
    "extra inputs",
    "field required",
    "value error",
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = sorted({*PackageSpec.model_fields, *FolderSpec.model_fields, "surprise"})
VALUES = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(KEYS, ANYTHING)
    | {
        "target": st.sampled_from(TARGETS) | ANYTHING,
        "task": st.sampled_from(sorted(TASKS)) | ANYTHING,
        "floor": st.dictionaries(st.sampled_from(["mean", "agreement", "error"]), ANYTHING) | ANYTHING,
        "recipes": st.lists(st.sampled_from(sorted(RECIPES)) | ANYTHING, max_size=2) | ANYTHING,
        "module": st.dictionaries(st.sampled_from(["module", "example", "axes", "search"]), ANYTHING) | ANYTHING,
    },
)


@given(VALUES)
@example({"task": [], "target": {}, "floor": {"mean": float("nan")}})
def test_any_values_are_a_spec_or_findings_in_our_own_words(values: dict[str, Any]) -> None:
    try:
        made = spec_of(values)
    except FindingsError as error:
        for each in error.findings:
            assert each.path
            assert each.rule
            assert not [word for word in PYDANTICS if word in each.rule.lower()], each.rule
            assert len(str(each)) < 1500
    else:
        assert not list(made.conflicts())


def test_a_number_of_thousands_of_digits_and_a_name_of_thousands_of_letters() -> None:
    with pytest.raises(FindingsError) as error:
        spec_of({"source": 10**5000, "out": "o", "max_length": 10**5000, "name": "x" * 9000})
    assert {each.path for each in error.value.findings} == {"source", "max_length", "name"}
    assert len(str(error.value)) < 1000


def test_a_misspelled_value_is_told_which_one_was_meant() -> None:
    wrong = {"name": "m", "out": "o", "source": "m.onnx", "task": "text-clasification", "compression": "gzp"}
    with pytest.raises(FindingsError) as error:
        spec_of(wrong)
    assert {each.path: each.fix for each in error.value.findings} == {
        "task": "write `text-classification`",
        "compression": "write `gzip`",
    }


def test_a_misspelled_target_is_held_against_the_spec_that_was_meant() -> None:
    with pytest.raises(FindingsError) as error:
        spec_of({"name": "m", "out": "o", "source": "m", "target": "gpu-vlm", "scheme": "W4A16"})
    (found,) = error.value.findings
    assert (found.path, found.fix) == ("target", "write `gpu-vllm`")


def test_a_spec_that_was_made_directly_is_held_against_the_same_rules(tmp_path: Path) -> None:
    made = PackageSpec(name="m", source=tmp_path / "m.onnx", out=tmp_path, task="generic")
    with pytest.raises(FindingsError, match="probe: is required for generic"):
        package(made)
    other = made.model_copy(update={"floor": QualityFloor(), "probe": tmp_path})
    with pytest.raises(FindingsError, match="floor: must be a TensorFloor"):
        package(other)


def test_a_spec_cannot_be_changed_afterwards() -> None:
    made = PackageSpec.of(name="m", source="m.onnx", out="o")
    with pytest.raises(ValidationError):
        made.name = "other"  # type: ignore[misc]


HEAVY = ("numpy", "onnx", "onnxruntime", "tokenizers", "torch", "safetensors")


def loaded(code: str) -> list[str]:
    code = f"{code}\nimport sys, json\nprint(json.dumps([n for n in {HEAVY!r} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_a_spec_is_checked_without_any_library_for_models() -> None:
    assert loaded("from model_packaging.spec import spec_of; spec_of(dict(name='m', source='m.onnx', out='o'))") == []


def test_the_command_tells_a_typo_before_any_of_them_is_imported(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("name: m\nsource: m.onnx\nout: o\nfloor: {mean: 2}\ntak: generic\n")
    code = (
        "from typer.testing import CliRunner\nfrom scaletozero.cli import app\n"
        f"done = CliRunner().invoke(app, ['package', {str(tmp_path / 'model.yaml')!r}])\n"
        "assert done.exit_code == 2 and 'tak' in done.stderr and 'floor.mean' in done.stderr, done.stderr"
    )
    assert loaded(code) == []
