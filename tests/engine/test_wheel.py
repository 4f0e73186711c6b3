"""The wheel in an environment for each extra: what is not installed is said as what to install."""

import os
import subprocess
from pathlib import Path

import pytest
from extras import FAILING, IMPORTED, IMPORTS, PLAIN, WANTING, write_project
from small_artifact import small_artifact
from wheel import Installed, build_wheel, install

pytestmark = pytest.mark.long

EXTRAS = [(), ("sandbox",), ("packaging",), ("sign",), ("sandbox", "packaging")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.mark.parametrize("extras", EXTRAS, ids=lambda extras: "+".join(extras) or "none")
def test_every_command_in_an_environment_of_its_own(wheel: Path, tmp_path: Path, extras: tuple[str, ...]) -> None:
    installed = install(wheel, tmp_path / "environment", *extras)
    small_artifact(tmp_path, "model")
    write_project(tmp_path, tmp_path / "model")
    for there, arguments, wanted in WANTING:
        if there == extras:
            code, said = run(installed, tmp_path, *arguments)
            assert (code, f"pip install 'scaletozero[{wanted}]'" in said) == (2, True), said
    for arguments in PLAIN:
        code, said = run(installed, tmp_path, *arguments)
        assert code == 0, said
    for arguments in FAILING:
        code, said = run(installed, tmp_path, *arguments)
        assert (code, "pip install" in said) == (2, False), said
    if not extras:
        result = subprocess.run([installed.python, "-c", IMPORTS], cwd=tmp_path, capture_output=True, text=True)
        assert (result.returncode, result.stdout) == (0, IMPORTED), result.stderr
    if len(extras) == 2:
        code, said = run(installed, tmp_path, "preview")
        assert (code, "to create" in said or "nothing to change" in said) == (0, True), said


def run(installed: Installed, folder: Path, *arguments: str) -> tuple[int, str]:
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    result = subprocess.run(
        [installed.command, *arguments], cwd=folder, env=variables, capture_output=True, text=True, timeout=600
    )
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout + result.stderr
