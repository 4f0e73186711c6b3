"""Confirmation before a real account is changed."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from model_packaging.findings import refuse
from scaletozero.cli.output import FAILED, failed, printable

Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask for confirmation. Setting the variable CI has the same effect.")
]
Confirm = Annotated[
    str | None,
    typer.Option(
        "--confirm", metavar="NAME", help="Name of the protected environment to delete, instead of typing it."
    ),
]


def can_ask(what: str, *, yes: bool = False, name: str = "", confirm: str | None = None) -> None:
    """Refuses a command that needs confirmation if there is no terminal, before anything is done.

    Args:
        what: the command.
        yes: whether `--yes` was given.
        name: the name of the environment if it is protected and its name has to be typed.
        confirm: the value of `--confirm`.

    Raises:
        FindingsError: there is no terminal, or another name was given.
    """
    if name and confirm is not None and confirm != name:
        raise refuse("--confirm", f"must be the environment's name, {name}", confirm, "nothing was changed")
    answered = confirm is not None if name else yes or _in_ci()
    if answered or sys.stdin.isatty():
        return
    option = f"--confirm {name}" if name else "--yes"
    rule = (
        f"{what} of a protected environment requires its name"
        if name
        else f"{what} on an account requires confirmation"
    )
    raise refuse(option, "is required without a terminal", "nothing", rule, f"add `{option}`")


def agree(question: str, *, yes: bool) -> None:
    """Asks whether to continue. Unless the answer is yes, ends the command with exit code 1."""
    if yes or _in_ci():
        return
    try:
        if typer.confirm(printable(question), err=True):
            return
    except typer.Abort:
        pass
    raise failed("nothing was changed.", FAILED)


def name_typed(name: str, confirm: str | None) -> None:
    """Asks for the name of a protected environment. Unless it is typed, ends the command with exit code 1."""
    if confirm == name:
        return
    try:
        typed = typer.prompt(printable(f"{name} is protected. Type its name to delete it"), err=True)
    except typer.Abort:
        typed = ""
    if typed != name:
        raise failed("nothing was changed.", FAILED)


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")
