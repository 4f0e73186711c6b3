"""The sandbox's folder: private to its owner, with the locks that coordinate processes.

A lock is held through an open file, so that the kernel releases it however a process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_used: dict[Path, IO[str]] = {}
"""Folder whose sandbox this process uses -> the open file that holds its lock."""


def private_folder(folder: Path) -> Path:
    """Creates and returns a folder that only its owner can read, and that git ignores.

    Raises:
        OSError: it cannot be created, or belongs to another user.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    return folder


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks the folder while a sandbox is started, found or stopped, so that two commands do not start two."""
    with (folder / "sandbox.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def locked_now(folder: Path) -> Iterator[bool]:
    """Like `locked`, without waiting; yields whether the folder was locked."""
    try:
        file = (folder / "sandbox.lock").open("w")
    except FileNotFoundError:  # the whole folder was deleted
        yield True
        return
    with file:
        yield _lock(file, fcntl.LOCK_EX)


def use(folder: Path) -> None:
    """Announces that this process uses the folder's sandbox until it ends or calls `release`."""
    folder = folder.absolute()
    if folder not in _used:
        file = (folder / "users.lock").open("a+")
        fcntl.flock(file, fcntl.LOCK_SH)
        _used[folder] = file


def release(folder: Path) -> None:
    """Announces that this process no longer uses the folder's sandbox."""
    file = _used.pop(folder.absolute(), None)
    if file:
        file.close()


def is_used(folder: Path) -> bool:
    """Whether a process uses the folder's sandbox. To be called while the folder is `locked`."""
    try:
        with (folder / "users.lock").open("a+") as file:
            return not _lock(file, fcntl.LOCK_EX)
    except FileNotFoundError:
        return False


def claim(folder: Path) -> IO[str] | None:
    """Makes this process the folder's sandbox for as long as the returned file is open; None if another one is."""
    file = (folder / "daemon.lock").open("a+")
    if not _lock(file, fcntl.LOCK_EX):
        file.close()
        return None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def claimant(folder: Path) -> int | None:
    """The process that is the folder's sandbox, even while it is starting or hangs; None if there is none."""
    try:
        with (folder / "daemon.lock").open("r+") as file:
            if _lock(file, fcntl.LOCK_SH):
                return None
            text = file.read()
            return int(text) if text.isdecimal() else None
    except FileNotFoundError:
        return None


def _lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
