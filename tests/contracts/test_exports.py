"""The public names of both packages: one list at run time, one for type checkers, and `__all__`, which a type checker
reads as a literal only.
"""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

import pytest

import model_packaging
import scaletozero

PACKAGES = pytest.mark.parametrize("package", [model_packaging, scaletozero], ids=lambda each: each.__name__)


def imported_for_type_checkers(package: ModuleType) -> dict[str, str]:
    """Public name -> module, of the imports below `if TYPE_CHECKING:`."""
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    blocks = [each for each in tree.body if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"]
    imports = [each for block in blocks for each in block.body if isinstance(each, ast.ImportFrom)]
    prefix = f"{package.__name__}."
    return {name.name: str(each.module).removeprefix(prefix) for each in imports for name in each.names}


@PACKAGES
def test_all_is_what_is_loaded_on_first_use(package: ModuleType) -> None:
    assert len(package.__all__) == len(set(package.__all__))
    assert set(package.__all__) == set(package._HOME)


@PACKAGES
def test_type_checkers_see_each_name_in_the_same_module(package: ModuleType) -> None:
    assert imported_for_type_checkers(package) == package._HOME


@PACKAGES
def test_every_name_can_be_imported(package: ModuleType) -> None:
    for name in package.__all__:
        assert getattr(package, name).__name__ == name
