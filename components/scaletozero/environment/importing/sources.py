"""Reads a folder's source files as text. Nothing is run, and no link is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model_packaging.findings import refuse

SUFFIXES = (".py", ".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")
"""Endings of the files that are read."""

LARGEST = 1_000_000
"""Bytes of a file above which it is not read: nobody writes such a file by hand."""

MOST_FILES = 20_000
"""Files after which reading ends."""

_NOT_OWN = frozenset(("node_modules", "site-packages", "__pycache__", "venv"))
"""Folders with the code of others, beside those whose names begin with a dot."""


@dataclass(frozen=True)
class Source:
    """A file that was read.

    Attributes:
        path: relative to the folder.
        text: its content.
    """

    path: str
    text: str


@dataclass(frozen=True)
class Skipped:
    """A file or a folder that was not read, and why."""

    path: str
    reason: str


def sources(folder: Path) -> Iterator[Source | Skipped]:
    """The source files of a folder and of those in it, in the order of their names, and what was not read.

    Raises:
        FindingsError: it is no folder.
    """
    try:
        there = folder.is_dir()
    except (OSError, ValueError):
        there = False
    if not there:
        raise refuse("folder", "must be a folder with source files", str(folder)[:200], "nothing would be read")
    return _walked(folder)


def _walked(folder: Path) -> Iterator[Source | Skipped]:
    problems: list[OSError] = []
    count = 0
    for where, folders, files in os.walk(folder, onerror=problems.append):
        inside = os.path.relpath(where, folder)
        for name in sorted(folders):
            if name in _NOT_OWN or name.startswith("."):
                yield Skipped(_joined(inside, name), "a folder with files of others or of a tool")
            elif Path(where, name).is_symlink():
                yield Skipped(_joined(inside, name), "a link")
        folders[:] = sorted(name for name in folders if name not in _NOT_OWN and not name.startswith("."))
        for name in sorted(files):
            if not name.endswith(SUFFIXES):
                continue
            count += 1
            if count > MOST_FILES:
                yield Skipped(
                    _joined(inside, name), f"this file, and all after it: {MOST_FILES:,} files are read at most"
                )
                return
            yield _read(where, name, _joined(inside, name))
    for problem in problems:
        yield Skipped(os.path.relpath(str(problem.filename), folder), problem.strerror or "it cannot be read")


def _joined(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"


def _read(where: str, name: str, path: str) -> Source | Skipped:
    try:
        # Not blocking, so that a named pipe without a writer does not hang the reader.
        number = os.open(Path(where, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                return Skipped(path, "no regular file")
            content = file.read(LARGEST + 1)
    except OSError as error:
        link = Path(where, name).is_symlink()
        return Skipped(path, "a link" if link else error.strerror or "it cannot be read")
    if len(content) > LARGEST:
        return Skipped(path, f"more than {LARGEST:,} bytes")
    if b"\0" in content:
        return Skipped(path, "binary")
    try:
        return Source(path, content.decode())
    except UnicodeDecodeError:
        return Skipped(path, "not UTF-8")
