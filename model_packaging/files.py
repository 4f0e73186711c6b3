"""Reading files that a user names: text of a limited size, never from a pipe that nobody writes to."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from model_packaging.findings import refuse

STREAMS = ("/dev/stdin", "/dev/fd/")
"""What a shell hands over as a file: `/dev/stdin`, and `/dev/fd/63` for `<(command)`."""


def readable(path: Path) -> Path:
    """The path, if a file can be read there.

    Raises:
        FindingsError: nothing is there, it is a folder, a device or a named pipe, or the path is none.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a Path turns some errors into others
    except (OSError, ValueError) as error:
        raise refuse(shown(path), "must be a readable text file", _reason(error)) from None
    if not stat.S_ISREG(mode) and not str(path).startswith(STREAMS):
        kind = "a folder" if stat.S_ISDIR(mode) else "a named pipe" if stat.S_ISFIFO(mode) else "a device or a socket"
        raise refuse(shown(path), "must be a readable text file", kind, "reading it might never end")
    return path


def read_text(path: Path, limit: int) -> str:
    """The text of a file.

    Args:
        path: the file.
        limit: the most bytes it may have.

    Raises:
        FindingsError: it cannot be read, is larger, or is no UTF-8.
    """
    try:
        with readable(path).open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise refuse(shown(path), f"may have at most {limit:,} bytes", "more", fix="name the file that was meant")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise refuse(shown(path), "must be a readable text file", _reason(error)) from None


def _reason(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def exists(path: Path) -> bool:
    """Whether something is at a path; nothing is at one that no file system accepts."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def shown(path: Path) -> str:
    """A path as it may appear in an error: the beginning of one that is too long."""
    text = str(path)
    return text if len(text) <= 200 else f"{text[:200]}…"
