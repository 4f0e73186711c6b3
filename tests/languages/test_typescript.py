"""TypeScript's types are generated from the schema; the example is compiled with them, and deployed by the engine."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from languages import NODE_HOST, build_typescript_types, find_host, stack_in
from pulumi.automation.errors import CommandError
from workbench import ROOT

from model_packaging import Artifact
from scaletozero.plugin import schema
from scaletozero.sandbox import daemon

HERE = Path(__file__).resolve().parent


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(each) for each in command], cwd=cwd, capture_output=True, text=True, timeout=900)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in a folder of its own, with its libraries and the compiled types, as after `pulumi package add`."""
    folder = tmp_path_factory.mktemp("typescript") / "program"
    shutil.copytree(ROOT / "examples" / "typescript", folder)
    installed = run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    assert installed.returncode == 0, installed.stderr
    types = folder / "sdks" / "scaletozero"
    (folder / "schema.json").write_text(json.dumps(schema()))
    written = run(build_typescript_types(HERE / "typescript_types.go"), folder / "schema.json", types, cwd=folder)
    assert written.returncode == 0, written.stderr
    compiled = compile_with(folder, "-p", types)
    assert compiled.returncode == 0, compiled.stdout
    shutil.copy(types / "package.json", types / "bin")  # it reads its version there
    (folder / "node_modules" / "@pulumi" / "scaletozero").symlink_to(types)
    return folder


def compile_with(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run(folder / "node_modules" / ".bin" / "tsc", *arguments, cwd=folder)


def test_the_example_compiles(program: Path) -> None:
    compiled = compile_with(program, "-p", program)
    assert compiled.returncode == 0, compiled.stdout


@pytest.mark.parametrize(
    "right, wrong, error",
    [
        ("scaling:", "scalling:", "Did you mean to write 'scaling'"),
        ("max: 20", 'max: "20"', "is not assignable to type"),
        ("    region,\n    scaling", "    scaling", "Property 'region' is missing"),
    ],
)
def test_a_mistake_does_not_compile(program: Path, right: str, wrong: str, error: str) -> None:
    text = (program / "index.ts").read_text()
    assert right in text
    (program / "wrong.ts").write_text(text.replace(right, wrong, 1))
    project = json.loads((program / "tsconfig.json").read_text())
    (program / "wrong.json").write_text(json.dumps({**project, "files": ["wrong.ts"]}))
    compiled = compile_with(program, "--noEmit", "-p", program / "wrong.json")
    assert compiled.returncode != 0
    assert error in compiled.stdout


def test_the_example_deploys_updates_nothing_and_is_deleted(
    program: Path, sandbox: daemon.Sandbox, encoder: Artifact, tmp_path: Path
) -> None:
    stack = stack_in(program, find_host(NODE_HOST), encoder.path, sandbox, tmp_path)
    result = stack.up()
    assert result.outputs["endpoint"].value == "sentences-dev-sentences"
    assert result.outputs["memoryMb"].value == 1024
    assert set(stack.up().summary.resource_changes or {}) == {"same"}
    stack.destroy()


def test_a_mistake_in_typescript_is_the_same_finding(
    program: Path, sandbox: daemon.Sandbox, encoder: Artifact, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    shutil.copytree(program, work, symlinks=True)
    index = work / "index.ts"
    index.write_text(index.read_text().replace("max: 20", "max: 500"))
    stack = stack_in(work, find_host(NODE_HOST), encoder.path, sandbox, tmp_path)
    with pytest.raises(CommandError, match=r"sentences.scaling.max: must be from 1 to 200, got 500"):
        stack.preview()
