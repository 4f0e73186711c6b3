"""The card of a packaged model, `model.json`, and the check that the folder contains what it lists."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from pathlib import Path
from typing import Any

CARD = "model.json"
CARD_SCHEMA = 1
WINDOW = 1 << 26
"""Bytes of a file that are mapped at a time."""


class NotServableError(RuntimeError):
    """The folder is not a packaged model that this program can serve; the text is the reason."""


def read_card(folder: Path) -> dict[str, Any]:
    """Reads the card of the model in `folder` and checks that every listed file exists.

    Raises:
        NotServableError: there is no card, the card is of another schema, or a file is missing.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except OSError as error:
        raise NotServableError(f"no packaged model in {folder}: {CARD}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise NotServableError(f"{folder / CARD} is not JSON: {error}") from error
    if not isinstance(card, dict) or card.get("schema") != CARD_SCHEMA:
        raise NotServableError(f"{folder / CARD} is not of schema {CARD_SCHEMA}: package the model with this version")
    listed = card.get("files")
    if not isinstance(listed, dict) or not all(_is_entry(each) for each in listed.values()):
        raise NotServableError(f"{folder / CARD} lists no files: package the model with this version")
    for name in listed:
        path = folder / name
        if not path.is_file() or path.is_symlink():
            raise NotServableError(f"{path} is missing")
    return card


def require_nothing_else(folder: Path) -> None:
    """Refuses a folder that contains anything besides the card and the files that it lists.

    Raises:
        NotServableError: like `read_card`; or there is a file that the card does not list.
    """
    listed = {CARD, *read_card(folder)["files"]}
    found = (
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    )
    if unlisted := sorted(set(found) - listed):
        raise NotServableError(f"{', '.join(unlisted[:3])}: not packaged with the model, {CARD} does not list it")


def verify(folder: Path) -> dict[str, Any]:
    """Reads the card of the model in `folder` and checks that every listed file is unchanged.

    Raises:
        NotServableError: like `read_card`; or a file has another size or another SHA-256.
    """
    card = read_card(folder)
    for name, recorded in card["files"].items():
        path = folder / name
        if path.stat().st_size != recorded["size"]:
            raise NotServableError(f"{path} has {path.stat().st_size} bytes, the card says {recorded['size']}")
        if _sha256(path) != recorded["sha256"]:
            raise NotServableError(f"{path} is not the file that was packaged: its sha256 differs from the card's")
    return card


def _is_entry(recorded: Any) -> bool:
    return isinstance(recorded, dict) and {"size", "sha256"} <= recorded.keys()


def _sha256(path: Path) -> str:
    # Mapped, so that the whole file is hashed without Python, which other threads need; and so that it is in memory
    # when onnxruntime maps it.
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for begin in range(0, size, WINDOW):
            with mmap.mmap(file.fileno(), min(WINDOW, size - begin), prot=mmap.PROT_READ, offset=begin) as window:
                window.madvise(mmap.MADV_WILLNEED)
                digest.update(window)
    return digest.hexdigest()
