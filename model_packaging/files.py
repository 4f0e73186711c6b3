"""Reads untrusted files, so that nothing in them hangs or crashes the reader; writes files whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from model_packaging.findings import FindingsError, refuse

STREAMS = ("/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/")
"""Paths that a shell passes as files: `/dev/stdin`, and `/dev/fd/63` for `<(command)`."""


_FOLDER, _PIPE = "a folder", "a named pipe"


def readable(path: Path) -> Path:
    """Returns the path if a file can be read there.

    Raises:
        FindingsError: nothing is there, there is a folder, a device or a named pipe, or the path is invalid.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a Path turns some errors into others
    except (OSError, ValueError) as error:
        raise refuse(shown(path), "must be a readable text file", _reason(error)) from None
    if kind := _special(path, mode):
        raise refuse(shown(path), "must be a readable text file", kind, "reading it might never end")
    return path


def require_writable(option: str, path: Path, *, new: bool = False) -> None:
    """Refuses an output file that cannot be written, before the work for it is done.

    Args:
        option: the option that names it, for the finding.
        path: the file.
        new: whether a file that exists is not to be replaced.

    Raises:
        FindingsError: its folder does not exist, or there is a folder or a named pipe, or a file that is to stay.
    """
    then = "the work would be done for nothing"
    try:
        there = path.absolute().parent.is_dir()
        kind = _special(path, path.stat().st_mode) if path.exists() else ""
    except (OSError, ValueError):
        there, kind = False, ""
    if not there:
        raise refuse(option, "must be in a folder that exists", shown(path), then)
    if kind in (_FOLDER, _PIPE):
        raise refuse(option, "must be a file that can be written", f"{shown(path)}, {kind}", then)
    if new and os.path.lexists(path):
        raise exists_already(option, path)


def exists_already(option: str, path: Path) -> FindingsError:
    """The error for an output file that exists, and is not to be replaced."""
    fix = "take another name, or give `--force`"
    return refuse(option, "must not exist yet", shown(path), "it would be replaced", fix)


def _special(path: Path, mode: int) -> str:
    """The kind of a path that is neither a regular file nor a stream from a shell; None for these."""
    if stat.S_ISREG(mode) or str(path).startswith(STREAMS):
        return ""
    return _FOLDER if stat.S_ISDIR(mode) else _PIPE if stat.S_ISFIFO(mode) else "a device or a socket"


def read_text(path: Path, limit: int) -> str:
    """Reads the text of a file.

    Args:
        path: the file.
        limit: its maximum size in bytes.

    Raises:
        FindingsError: it cannot be read, is too large, or is not UTF-8.
    """
    try:
        with readable(path).open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise refuse(shown(path), f"may have at most {limit:,} bytes", "more", fix="name the intended file")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise refuse(shown(path), "must be a readable text file", _reason(error)) from None


def read_json(path: Path, limit: int, rule: str = "must be a JSON file", fix: str = "") -> Any:
    """Reads a JSON file.

    Args:
        path: the file.
        limit: its maximum size in bytes.
        rule, fix: of the finding if it cannot be read.

    Raises:
        FindingsError: like `read_text`; or it is not JSON, or has nesting or numbers beyond the limits of Python's
            parser.
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


def replace_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Writes a file whole or not at all, so that nobody reads half of it.

    Args:
        path: the file, which may exist.
        text: its content.
        mode: its permissions.

    Raises:
        OSError: it cannot be written; it is as it was.
    """
    import tempfile  # not in a cold start, which reads only

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def exists(path: Path) -> bool:
    """Whether a path exists; False for a path that no file system accepts."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def shown(path: Path) -> str:
    """A path for an error message, truncated if it is too long."""
    text = str(path)
    return text if len(text) <= 200 else f"{text[:200]}…"


def cache_folder() -> Path:
    """The folder for what is fetched or made once: `$SCALETOZERO_CACHE`, or else the user's cache folder."""
    if chosen := os.environ.get("SCALETOZERO_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scaletozero"
