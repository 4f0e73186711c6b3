"""The rules of settings, read from the code that enforces them.

A rule is a call of `reject(...)`, `refuse(...)` or `Finding(...)` in a validator. Its text is evaluated with the
constants of its module; a part that depends on the value that was given is shown as "…".
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

UNKNOWN = "…"
"""Shown for a part of a text that depends on the given value."""

_REGION = "the region"
_OURS = ("scaletozero", "model_packaging")
_PARAMETERS = {
    "reject": ("rule", "consequence", "fix", "at"),
    "refuse": ("path", "rule", "got", "consequence", "fix"),
    "Finding": ("path", "rule", "got", "consequence", "fix"),
}


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        text: what has to hold.
        consequence: what would happen otherwise; empty if it is not stated.
        path: the field below the validated one, or below the group, that it is about; empty for the value itself.
    """

    text: str
    consequence: str = ""
    path: str = ""

    def __str__(self) -> str:
        return f"{self.text}; {self.consequence}" if self.consequence else self.text


def rules_of(function: Callable[..., Any]) -> tuple[Rule, ...]:
    """The rules that a function enforces, and those of the package's functions that it calls."""
    return tuple(dict.fromkeys(_found(function, set())))


def group_rules(model: type[BaseModel]) -> tuple[Rule, ...]:
    """The rules of a group of settings that are about more than one of its fields."""
    decorators = model.__pydantic_decorators__
    functions = [decorator.func for decorator in decorators.model_validators.values()]
    functions += [vars(each)["conflicts"] for each in reversed(model.__mro__) if "conflicts" in vars(each)]
    return tuple(dict.fromkeys(rule for function in functions for rule in rules_of(function)))


def _found(function: Callable[..., Any], seen: set[Any]) -> Iterator[Rule]:
    function = inspect.unwrap(getattr(function, "__func__", function))
    code = getattr(function, "__code__", None)
    if code is None or code in seen:
        return
    seen.add(code)
    tree, names = _tree(function), _names(function)
    for node in _calls(tree):
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        if called in _PARAMETERS:
            yield _rule(node, _PARAMETERS[called], {**names, **_assigned(tree, node.lineno, names)})
        elif (other := names.get(called)) is not None and _is_ours(other, function.__module__):
            yield from _found(other, seen)
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            yield from _method(function, node.func, seen)


def _is_ours(called: Any, module: str) -> bool:
    """Whether a called function belongs to the package or to the same module."""
    return inspect.isfunction(called) and (called.__module__ == module or called.__module__.startswith(_OURS))


def _method(function: Callable[..., Any], called: ast.Attribute, seen: set[Any]) -> Iterator[Rule]:
    """The rules of `self.method(...)` and `cls.method(...)`."""
    owner = functools.reduce(
        lambda found, part: getattr(found, part, None),
        function.__qualname__.split(".")[:-1],
        inspect.getmodule(function),
    )
    method = getattr(owner, called.attr, None)
    if isinstance(called.value, ast.Name) and called.value.id in ("self", "cls") and inspect.isfunction(method):
        yield from _found(method, seen)


def _tree(function: Callable[..., Any]) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def _calls(tree: ast.AST) -> list[ast.Call]:
    """The calls in the order in which they are written."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return sorted(calls, key=lambda node: (node.lineno, node.col_offset))


def _names(function: Callable[..., Any]) -> dict[str, Any]:
    """The values of a function's names: globals, closure, and its parameters' defaults."""
    defaults = {
        name: each.default
        for name, each in inspect.signature(function).parameters.items()
        if isinstance(each.default, str | int | float) and not isinstance(each.default, bool)
    }
    return {**function.__globals__, **inspect.getclosurevars(function).nonlocals, **defaults}


def _assigned(tree: ast.AST, line: int, names: Mapping[str, Any]) -> dict[str, str]:
    """The texts of local names, by their last assignment above a line."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Assign) and node.lineno < line)
    found: dict[str, str] = {}
    for node in sorted(nodes, key=lambda node: node.lineno):
        for target in node.targets:
            if isinstance(target, ast.Name):
                found[target.id] = _text(node.value, {**names, **found})
    return found


def _rule(node: ast.Call, parameters: tuple[str, ...], names: Mapping[str, Any]) -> Rule:
    given = dict(zip(parameters, node.args, strict=False))
    given |= {each.arg: each.value for each in node.keywords if each.arg}
    text, consequence, path, at = (
        _text(given[key], names) if key in given else "" for key in ("rule", "consequence", "path", "at")
    )
    # "must be at most `max`, 20": the value that `max` happens to have is not part of the rule.
    text = re.sub(rf"(,? {UNKNOWN}| \({UNKNOWN}\)|, {_REGION})+$", "", text.replace(f"{UNKNOWN}.{UNKNOWN}", UNKNOWN))
    where = [part.replace(UNKNOWN, "*") for part in (path or at).split(".")]
    while where[:1] == ["*"]:
        where = where[1:]
    path = ".".join(where)
    return Rule(text, "" if UNKNOWN in consequence else consequence, path)


def _text(node: ast.expr, names: Mapping[str, Any]) -> str:
    """An expression as text, with UNKNOWN for unknown parts."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, names) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, names)
    try:
        # These are the package's own expressions over its own constants; a name that depends on a value is a NameError.
        found = eval(compile(ast.Expression(node), "<rule>", "eval"), dict(names))  # noqa: S307
    except Exception:  # noqa: BLE001 - whatever an expression needs that is not known here
        return _REGION if isinstance(node, ast.Name) and node.id == "region" else UNKNOWN
    return str(found) if isinstance(found, str | int | float) else UNKNOWN
