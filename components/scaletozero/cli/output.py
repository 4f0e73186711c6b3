"""What the command line shows: results on stdout, everything else on stderr, colour on a terminal only."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from model_packaging.findings import FindingsError

# Without a terminal there is no width to fit into: a table is as wide as it is.
out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True, soft_wrap=True, highlight=False)

WRONG_USE = 2
FAILED = 1


def say(line: str) -> None:
    """A line about what is going on."""
    err.print(Text(line, style="dim"))


def engine_says(line: str) -> None:
    """A line of the engine's own progress, with its own colours."""
    print(line, file=sys.stderr, flush=True)


def done(line: str) -> None:
    """The last line of a command that worked: what is now, or what to do next."""
    err.print(Text(line, style="bold green"))


def failed(line: str, code: int = FAILED) -> typer.Exit:
    """The last line of a command that did not work, and the exit to raise."""
    err.print(Text(line, style="bold red"))
    return typer.Exit(code)


def print_json(value: Any) -> None:
    """A result for programs."""
    print(json.dumps(value, indent=2, default=str, allow_nan=False))


def table(columns: Iterable[str], rows: Iterable[Iterable[object]], title: str = "") -> None:
    """A result for people."""
    grid = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(str(cell)) for cell in row))
    out.print(grid)


@contextlib.contextmanager
def findings_as_exit() -> Iterator[None]:
    """Turns findings into lines on stderr and exit code 2: what was asked for is wrong, nothing was begun."""
    try:
        yield
    except FindingsError as error:
        for finding in error.findings:
            err.print(Text("error: ", style="bold red"), Text(str(finding)), sep="", end="\n")
        raise typer.Exit(WRONG_USE) from None
