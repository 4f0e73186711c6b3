"""Reads the documentation of fields from the code: the "Attributes" of a class, and the strings below attributes."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
from functools import cache

_ENTRY = re.compile(r"(?P<names>`?\w+`?(?:, `?\w+`?)*): (?P<text>.*)", re.DOTALL)


def summary(described: type | None) -> str:
    """The docstring without its sections."""
    text = inspect.cleandoc(vars(described).get("__doc__") or "") if described else ""
    return re.split(r"\n\n(?:Attributes|Args|Raises|Returns):\n", text)[0].removesuffix("\n")


@cache
def attributes(described: type) -> dict[str, str]:
    """Attribute name -> its description, in the class itself or in its base classes."""
    found: dict[str, str] = {}
    for each in reversed(described.__mro__):
        if each.__module__.startswith(("builtins", "pydantic", "typing")):
            continue
        found |= _section(inspect.cleandoc(vars(each).get("__doc__") or "")) | _below(each)
    return found


def _section(docstring: str) -> dict[str, str]:
    """The entries of "Attributes:", each `name: text` or `name, name: text`."""
    _, begun, text = f"\n{docstring}".partition("\nAttributes:\n")
    if not begun:
        return {}
    section = textwrap.dedent(re.split(r"\n(?=\S)", text)[0])
    found: dict[str, str] = {}
    # An entry may contain another one: "size: bytes; `ratio`: over the source's".
    for entry in re.split(r"\n(?! )|; (?=`\w+`: )", section):
        if match := _ENTRY.fullmatch(entry.strip()):
            said = " ".join(match["text"].split())
            found |= dict.fromkeys(match["names"].replace("`", "").split(", "), said)
    return found


def _below(described: type) -> dict[str, str]:
    """The strings below annotated attributes."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(described)))
    except (OSError, TypeError):  # created at run time, without a source
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found: dict[str, str] = {}
    for node, after in itertools.pairwise(body):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            found[node.target.id] = " ".join(inspect.cleandoc(after.value.value).split())
    return found


@cache
def args_attributes(described: type) -> dict[str, str]:
    """Like `attributes`, for a TypedDict, whose bases are not in its method resolution order."""
    bases = getattr(described, "__orig_bases__", ())
    found = {name: text for base in bases if isinstance(base, type) for name, text in args_attributes(base).items()}
    return found | _below(described)
