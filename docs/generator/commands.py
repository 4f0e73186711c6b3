"""The reference of the command, from its tree of commands and options."""

from __future__ import annotations

import inspect
import re
from typing import Any, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from generator.fields import type_of
from generator.markdown import table
from scaletozero.cli import app

COMMAND = "scaletozero"


def command_tree() -> dict[str, Any]:
    """Name -> command of the command line."""
    return dict(typer.main.get_command(app).commands)  # pyright: ignore[reportAttributeAccessIssue]


def command_pages() -> dict[str, str]:
    """File name -> page of a command."""
    return {f"{name}.md": _page(name, command) for name, command in command_tree().items()}


def _page(name: str, command: Any) -> str:
    text, _, example = inspect.cleandoc(command.help or "").partition("\nExample: ")
    parts = [f"# scaletozero {name}\n", f"{text.strip()}\n", f"```sh\n{_usage(name, command)}\n```\n"]
    if example:
        parts.append(f"For example:\n\n```sh\n{example.strip()}\n```\n")
    hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True) if command.callback else {}
    rows = [_row(each, hints.get(each.name)) for each in command.params]
    parts.append(table(("Argument or option", "Type", "Default", "Meaning"), rows) if rows else "")
    if command_children := getattr(command, "commands", None):
        parts += [_page(f"{name} {each}", child).replace("# ", "## ", 1) for each, child in command_children.items()]
    return "\n".join(part for part in parts if part)


def _usage(name: str, command: Any) -> str:
    words = [COMMAND, name]
    for each in command.params:
        shown = each.name.upper() if _is_argument(each) else f"{each.opts[0]} {_metavar(each)}".strip()
        words.append(shown if each.required else f"[{shown}]")
    return " ".join(words)


def _metavar(option: Any) -> str:
    return "" if option.is_flag else option.name.upper()


def _row(each: Any, hint: Any) -> tuple[str, ...]:
    names = each.name.upper() if _is_argument(each) else "`, `".join([*each.opts, *each.secondary_opts])
    kind = "flag" if getattr(each, "is_flag", False) else _type(hint)
    default = "**required**" if each.required else _default(each)
    return f"`{names}`", kind, default, _sentence(each.help or "")


def _is_argument(each: Any) -> bool:
    return each.param_type_name == "argument"


def _sentence(text: str) -> str:
    # typer repeats the content of its own columns.
    return re.sub(r"\s*\[(required|default: .*?)\]$", "", text)


def _type(hint: Any) -> str:
    """The type that the command declares, with the bounds of its option."""
    about = [part for part in getattr(hint, "__metadata__", ()) if isinstance(part, OptionInfo | ArgumentInfo)]
    low, high = next(((each.min, each.max) for each in about), (None, None))
    bounds = [*([f"at least {low:g}"] if low is not None else []), *([f"at most {high:g}"] if high is not None else [])]
    return ", ".join([type_of(hint).text, *bounds])


def _default(each: Any) -> str:
    if each.default is False:
        return ""
    return "none" if each.default is None or callable(each.default) else f"`{each.default}`"
