"""Programs in other languages: the engine runs them as they are written, and the plugin constructs the components."""

import json
import shutil
from pathlib import Path

import pytest
from languages import YAML_HOST, find_host, stack_in
from pulumi import automation as auto
from pulumi.automation.errors import CommandError
from workbench import ROOT

from model_packaging import Artifact
from scaletozero.sandbox import daemon


@pytest.fixture(scope="module")
def yaml_host() -> Path:
    return find_host(YAML_HOST)


@pytest.fixture
def yaml_stack(sandbox: daemon.Sandbox, encoder: Artifact, yaml_host: Path, tmp_path: Path) -> auto.Stack:
    """The YAML example, in a folder of its own, against an embedded AWS."""
    work = tmp_path / "work"
    shutil.copytree(ROOT / "examples" / "yaml", work)
    return stack_in(work, yaml_host, encoder.path, sandbox, tmp_path)


def test_a_program_in_yaml_deploys_updates_nothing_and_is_deleted(yaml_stack: auto.Stack) -> None:
    result = yaml_stack.up()
    assert result.outputs["endpoint"].value == "sentences-dev-sentences"
    assert result.outputs["memoryMb"].value == 1024
    resources = json.loads(json.dumps(yaml_stack.export_stack().deployment))["resources"]
    floors = [
        r["inputs"]["scalableTargetAction"]["minCapacity"] for r in resources if r["type"].endswith("ScheduledAction")
    ]
    assert sorted(floors) == [1, 4]
    assert set(yaml_stack.up().summary.resource_changes or {}) == {"same"}
    yaml_stack.destroy()


def test_a_mistake_in_yaml_is_the_same_finding(yaml_stack: auto.Stack) -> None:
    program = Path(yaml_stack.workspace.work_dir) / "Pulumi.yaml"
    program.write_text(program.read_text().replace("max: 20", "max: 500"))
    with pytest.raises(CommandError, match=r"sentences.scaling.max: must be from 1 to 200, got 500"):
        yaml_stack.preview()


def test_a_misspelt_argument_in_yaml_is_refused(yaml_stack: auto.Stack) -> None:
    program = Path(yaml_stack.workspace.work_dir) / "Pulumi.yaml"
    program.write_text(program.read_text().replace("scaling:", "scalling:"))
    with pytest.raises(CommandError, match="scalling"):
        yaml_stack.preview()
