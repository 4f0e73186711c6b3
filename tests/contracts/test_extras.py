"""What an organisation's wheel says of what is not installed: every command, without the extras."""

import functools
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from extras import FAILING, IMPORTED, IMPORTS, PLAIN, WANTING, write_project
from packaging.requirements import Requirement

from model_packaging.artifact.reader import Artifact

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


from importlib import util
found = util.find_spec
util.find_spec = lambda name, package=None: None if name.partition(".")[0] in {names!r} else found(name, package)
sys.meta_path.insert(0, Blocked())
sys.argv = ["scaletozero", *{arguments!r}]
from scaletozero.cli import main
main()
"""


def closure(*extras: str) -> set[str]:
    """The distributions that `pip install scaletozero[extras]` brings, normalised names."""
    seen: set[tuple[str, str]] = set()
    waiting = [("scaletozero", extra) for extra in ("", *extras)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            required = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, required):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(normal(requirement.name), each) for each in ("", *requirement.extras)]
    return {name for name, _ in seen}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.cache
def absent(*extras: str) -> set[str]:
    """The top-level modules of this machine that an installation with these extras does not have."""
    there = closure(*extras)
    return {
        module
        for module, owners in metadata.packages_distributions().items()
        if not {normal(owner) for owner in owners} & there and module not in sys.stdlib_module_names
    } - {"pulumi", "google", "ruamel"}


def run(folder: Path, extras: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    code = BLOCKED.format(names=absent(*extras), arguments=list(arguments))
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=240)


@pytest.fixture
def project(tmp_path: Path, make_artifact: Callable[..., Artifact]) -> Path:
    write_project(tmp_path, make_artifact().path)
    return tmp_path


def test_what_is_blocked() -> None:
    assert {"moto", "numpy", "onnxruntime", "tokenizers", "pytest"} <= absent()
    assert not {"kubernetes", "pulumi_aws", "boto3", "typer", "yaml"} & absent()
    assert "moto" not in absent("sandbox")


@pytest.mark.parametrize(("extras", "arguments", "wanted"), WANTING)
def test_what_to_install(project: Path, extras: tuple[str, ...], arguments: tuple[str, ...], wanted: str) -> None:
    result = run(project, extras, *arguments)
    assert result.returncode == 2, result.stderr
    assert f"pip install 'scaletozero[{wanted}]'" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (project / ".scaletozero" / "sandbox.json").exists()


@pytest.mark.parametrize("arguments", PLAIN)
def test_what_needs_no_extra(project: Path, arguments: tuple[str, ...]) -> None:
    result = run(project, (), *arguments)
    assert (result.returncode, "Traceback" in result.stderr) == (0, False), result.stderr


@pytest.mark.parametrize("arguments", FAILING)
def test_what_fails_for_another_reason(project: Path, arguments: tuple[str, ...]) -> None:
    result = run(project, (), *arguments)
    assert (result.returncode, "Traceback" in result.stderr) == (2, False), result.stderr
    assert "pip install" not in result.stderr


def test_what_python_imports_without_extras(project: Path) -> None:
    code = BLOCKED.format(names=absent(), arguments=[])
    code = code.replace("from scaletozero.cli import main\nmain()", "") + IMPORTS
    result = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, timeout=240)
    assert (result.returncode, result.stdout) == (0, IMPORTED), result.stderr
