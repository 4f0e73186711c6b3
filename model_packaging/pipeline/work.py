"""The folder in which a run keeps the result of each stage, so that a killed run can be continued."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import onnx
from onnx import ModelProto

from model_packaging.findings import refuse

_KEY_LENGTH = 16
_KEY = f"[0-9a-f]{{{_KEY_LENGTH}}}"


def key_of(*parts: object) -> str:
    """A SHA-256 (hex) of the JSON of `parts`: only results of a run with the same key are reused."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def write_text(path: Path, text: str) -> None:
    """Writes a file that appears under its name only when it is complete."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class Work:
    """Results of one run, by name; each is complete or absent.

    One run at a time can use it, as a context manager. Leaving it without an error removes the results, including those
    of earlier runs, and the folder unless it contains something else.

    Raises:
        FindingsError: another run is using it.
    """

    def __init__(self, root: Path, key: str) -> None:
        self._root = root
        self._folder = root / key[:_KEY_LENGTH]
        self._lock: int | None = None

    def __enter__(self) -> Work:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._root)
        for stale in self._folder.glob("*.partial"):
            _remove(stale)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            for theirs in self._root.iterdir():
                if re.fullmatch(_KEY, theirs.name):
                    _remove(theirs)
            # It may be a user's folder.
            if not any(self._root.iterdir()):
                self._root.rmdir()
        if self._lock is not None:
            os.close(self._lock)

    def value(self, name: str, compute: Callable[[], Any]) -> Any:
        """A JSON value; a damaged one is recomputed."""
        path = self._folder / f"{name}.json"
        with contextlib.suppress(FileNotFoundError, ValueError, RecursionError):
            return json.loads(path.read_text(encoding="utf-8"))
        write_text(path, json.dumps(compute()))
        return json.loads(path.read_text(encoding="utf-8"))

    def model(self, name: str, compute: Callable[[], ModelProto]) -> ModelProto:
        """An ONNX model with its weights inside."""
        path = self._folder / f"{name}.onnx"
        if path.exists():
            return onnx.load_model(str(path))
        model = compute()
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(model.SerializeToString())
        partial.replace(path)
        return model

    def folder(self, name: str, build: Callable[[Path], None]) -> Path:
        """A folder that `build` fills."""
        path = self._folder / name
        if not path.exists():
            partial = path.with_name(name + ".partial")
            partial.mkdir()
            build(partial)
            partial.rename(path)
        return path


def _lock(root: Path) -> int:
    import fcntl

    handle = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise refuse(
            str(root),
            "one run at a time may use it",
            "another run is at work",
            "",
            "wait for it, or name another `out`",
        ) from error
    return handle


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
