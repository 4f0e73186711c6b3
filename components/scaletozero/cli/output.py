"""The command's output: results on stdout, everything else on stderr, colour on a terminal only."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from model_packaging.files import exists_already
from model_packaging.findings import Finding, FindingsError, refuse

COLOUR = not os.environ.get("NO_COLOR")
"""Whether output may be coloured or emphasised (https://no-color.org)."""

_SYSTEM: Any = "auto" if COLOUR else None


# Without a terminal there is no maximum width, so that a table keeps its own.
def _console(stream: TextIO | None, *, stderr: bool) -> Console:
    width = None if stream and stream.isatty() else 200
    return Console(stderr=stderr, soft_wrap=True, highlight=False, color_system=_SYSTEM, width=width)


out, err = _console(sys.stdout, stderr=False), _console(sys.stderr, stderr=True)

WRONG_USE = 2
FAILED = 1


_STYLE = re.compile(r"\x1b\[[0-9;]*m")

# Control characters but for tab and newline; marks that turn the direction of text; lone surrogates.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str, *, colour: bool = False) -> str:
    """The text, with characters that would control a terminal escaped, as `\\x1b`.

    Args:
        text: any text, for example from a name, a file or a service.
        colour: whether to keep colours and emphasis.
    """
    if not colour:
        return _UNPRINTABLE.sub(_written_out, text)
    parts, at = [], 0
    for style in _STYLE.finditer(text):
        parts += [printable(text[at : style.start()]), style[0]]
        at = style.end()
    return "".join([*parts, printable(text[at:])])


def _written_out(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def plain(text: str) -> str:
    """The text without colours."""
    return _STYLE.sub("", text)


def refuse_given(options: Mapping[str, object], rule: str, fix: str) -> None:
    """Refuses options that were given and would have no effect.

    Args:
        options: option -> its value; None if it was not given.

    Raises:
        FindingsError: with each option that was given.
    """
    if given := [name for name, value in options.items() if value is not None]:
        raise FindingsError(Finding(name, rule, consequence="it would have no effect", fix=fix) for name in given)


def counted(count: int, what: str) -> str:
    """A number with a word, `1 model` or `2 models`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def say(line: str) -> None:
    """Shows a line about the progress."""
    err.print(Text(printable(line), style="dim"))


def done(line: str) -> None:
    """Shows the last line of a successful command: the result, or what to do next."""
    err.print(Text(printable(line), style="bold green"))


def failed(line: str, code: int = FAILED) -> typer.Exit:
    """Shows the last line of a failed command. Returns the exit to raise."""
    err.print(Text(printable(line), style="bold red"))
    return typer.Exit(code)


def write(answer: bytes) -> None:
    """Writes a service's response: unchanged for programs, escaped on a terminal."""
    if sys.stdout.isatty():
        print(printable(answer.decode(errors="backslashreplace")))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(answer + b"\n")
    sys.stdout.buffer.flush()


def write_file(option: str, path: Path, content: str | bytes, *, new: bool = False) -> None:
    """Writes a file that an option names.

    Args:
        option: the option, for the finding.
        path: the file.
        content: its content; text is encoded as UTF-8.
        new: whether a file that exists is left as it is, which is a finding.

    Raises:
        FindingsError: it cannot be written.
    """
    try:
        with path.open("xb" if new else "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except FileExistsError:
        raise exists_already(option, path) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise refuse(option, "must be a file that can be written", f"{str(path)[:200]}: {reason}") from None


def print_json(value: Any) -> None:
    """Writes a result for programs."""
    print(json.dumps(value, indent=2, default=str, allow_nan=False))


def table(columns: Iterable[str], rows: Iterable[Iterable[object]], title: str = "", to: Console = out) -> None:
    """Shows a result as a table; `to` stderr where stdout has another one."""
    grid = Table(title=printable(title) or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(Text(printable(column)), overflow="fold")
    for row in rows:
        grid.add_row(*(Text(printable(str(cell))) for cell in row))
    to.print(grid)


@contextlib.contextmanager
def findings_as_exit(code: int = WRONG_USE, heard: Callable[[FindingsError], object] | None = None) -> Iterator[None]:
    """Turns findings into lines on stderr and an exit.

    Args:
        code: 2 if the request was wrong and nothing was begun, otherwise 1.
        heard: who else is told of them.
    """
    try:
        yield
    except FindingsError as error:
        if heard:
            heard(error)
        raise shown(error, code) from None


def shown(error: FindingsError, code: int = WRONG_USE) -> typer.Exit:
    """Prints findings. Returns the exit to raise."""
    for finding in error.findings:
        err.print(Text("error: ", style="bold red"), Text(printable(str(finding))), sep="", end="\n")
    return typer.Exit(code)
