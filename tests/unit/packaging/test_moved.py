"""The names that modules of model_packaging had before 0.2 can still be imported."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from model_packaging.moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_is_the_module_itself_and_warns(old: str) -> None:
    if MOVED[old].endswith("signing"):
        pytest.importorskip("model_signing")
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {MOVED[old]}"):
        module = importlib.import_module(old)
    assert module is importlib.import_module(MOVED[old])
    assert module.__name__ == MOVED[old]
    sys.modules.pop(old)


def test_what_the_module_artifact_had_is_in_the_package() -> None:
    from model_packaging import artifact
    from model_packaging.artifact.reader import open_artifact

    with pytest.warns(DeprecationWarning, match=r"is now model_packaging\.artifact\.reader\.open_artifact"):
        assert artifact.open_artifact is open_artifact
    with pytest.raises(AttributeError, match="surprise"):
        _ = artifact.surprise


def test_a_name_that_no_module_ever_had_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"model_packaging\.surprise"):
        importlib.import_module("model_packaging.surprise")


def test_without_the_list_of_old_names_the_package_works_as_in_the_container() -> None:
    code = (
        "import sys; sys.modules['model_packaging.moved'] = None\n"
        "import model_packaging.serving.request\n"
        "try: import model_packaging.archive\n"
        "except ModuleNotFoundError as error: print(error.name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "model_packaging.archive"
