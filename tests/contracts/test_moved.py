"""Programs that import modules by their names before 0.2 go on working."""

import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

from scaletozero.environment.declare import declare_environment
from scaletozero.environment.read import read_environment
from scaletozero.moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_is_the_same_module(old: str) -> None:
    code = (
        "import importlib, warnings\n"
        "warnings.simplefilter('error', DeprecationWarning)\n"
        "import scaletozero\n"
        "warnings.simplefilter('ignore')\n"
        f"old = importlib.import_module({old!r})\n"
        f"new = importlib.import_module({MOVED[old]!r})\n"
        "assert old is new and new.__spec__.name == new.__name__, (old, new, new.__spec__)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_it_warns_and_names_the_new_one() -> None:
    sys.modules.pop("scaletozero.declared", None)
    with pytest.warns(DeprecationWarning, match=r"scaletozero\.declared is now scaletozero\.environment\.read"):
        import_module("scaletozero.declared")


def test_the_program_of_an_older_project_runs() -> None:
    names: dict[str, Any] = {}
    for name in ("scaletozero.declared", "scaletozero.deploy"):
        sys.modules.pop(name, None)
    with pytest.warns(DeprecationWarning, match="is now"):
        exec("from scaletozero.declared import KEY, read_environment\nfrom scaletozero.deploy import deploy", names)
    assert names["deploy"] is declare_environment
    assert names["read_environment"] is read_environment
    assert names["KEY"] == "environment"
