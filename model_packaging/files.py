"""Files that a user names, or that somebody else wrote: read so that nothing in them hangs or crashes the reader."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from model_packaging.findings import FindingsError, refuse

STREAMS = ("/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/")
"""What a shell passes as a file: `/dev/stdin`, and `/dev/fd/63` for `<(command)`."""


_FOLDER, _PIPE = "a folder", "a named pipe"


def readable(path: Path) -> Path:
    """The path, if a file can be read there.

    Raises:
        FindingsError: nothing is there, it is a folder, a device or a named pipe, or the path is invalid.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a Path turns some errors into others
    except (OSError, ValueError) as error:
        raise refuse(shown(path), "must be a readable text file", _reason(error)) from None
    if kind := _special(path, mode):
        raise refuse(shown(path), "must be a readable text file", kind, "reading it might never end")
    return path


def require_writable(option: str, path: Path) -> None:
    """Refuses a file to write that cannot be one, before work is done for it.

    Args:
        option: what named it, for the finding.
        path: the file.

    Raises:
        FindingsError: its folder does not exist, or a folder or a named pipe is there.
    """
    then = "the work would be done for nothing"
    try:
        there = path.absolute().parent.is_dir()
        kind = _special(path, path.stat().st_mode) if path.exists() else ""
    except (OSError, ValueError):
        there, kind = False, ""
    if not there:
        raise refuse(option, "must lie in a folder that exists", shown(path), then)
    if kind in (_FOLDER, _PIPE):
        raise refuse(option, "must be a file that can be written", f"{shown(path)}, {kind}", then)


def _special(path: Path, mode: int) -> str:
    """What a path is that is no ordinary file, and no stream that a shell hands over."""
    if stat.S_ISREG(mode) or str(path).startswith(STREAMS):
        return ""
    return _FOLDER if stat.S_ISDIR(mode) else _PIPE if stat.S_ISFIFO(mode) else "a device or a socket"


def read_text(path: Path, limit: int) -> str:
    """The text of a file.

    Args:
        path: the file.
        limit: the most bytes it may have.

    Raises:
        FindingsError: it cannot be read, is larger, or is not UTF-8.
    """
    try:
        with readable(path).open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise refuse(shown(path), f"may have at most {limit:,} bytes", "more", fix="name the file that was meant")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise refuse(shown(path), "must be a readable text file", _reason(error)) from None


def read_json(path: Path, limit: int, rule: str = "must be a JSON file", fix: str = "") -> Any:
    """The content of a JSON file.

    Args:
        path: the file.
        limit: the largest size in bytes.
        rule: what must hold, for the finding where it cannot be read; `fix`: what to do.

    Raises:
        FindingsError: as `read_text`; or it is not JSON, or has nesting or numbers beyond what Python's parser accepts.
    """
    try:
        return json.loads(read_text(path, limit))
    except FindingsError as error:
        (found,) = error.findings
        raise refuse(found.path, rule, found.got, found.consequence, fix) from error
    except RecursionError as error:
        raise refuse(shown(path), "must be JSON", "brackets that are nested too deeply", "", fix) from error
    except json.JSONDecodeError as error:
        raise refuse(shown(path), "must be JSON", f"{error.msg} in line {error.lineno}", "", fix) from error
    except ValueError as error:
        raise refuse(shown(path), "must be JSON", "a number with too many digits", "", fix) from error


def _reason(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def exists(path: Path) -> bool:
    """Whether something is at a path; False for a path that no file system accepts."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def shown(path: Path) -> str:
    """A path as it may appear in an error, cut off where it is too long."""
    text = str(path)
    return text if len(text) <= 200 else f"{text[:200]}…"
