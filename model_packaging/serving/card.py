"""The card of a packaged model, `model.json`, and whether the folder holds what it lists."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

CARD = "model.json"
CARD_SCHEMA = 1
CHUNK = 1 << 20


class NotServableError(RuntimeError):
    """The folder is not a packaged model that this program can serve, with the reason."""


def read_card(folder: Path) -> dict[str, Any]:
    """The card of the model in `folder`, after every file that it lists was found there.

    Raises:
        NotServableError: no card, a card of another schema, or a file that is missing.
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
    """Refuses a folder that holds anything besides the card and the files that the card lists.

    Raises:
        NotServableError: as `read_card`; a file that the card does not list.
    """
    listed = {CARD, *read_card(folder)["files"]}
    found = (
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    )
    if unlisted := sorted(set(found) - listed):
        raise NotServableError(f"{', '.join(unlisted[:3])}: not packaged with the model, {CARD} does not list it")


def verify(folder: Path) -> dict[str, Any]:
    """The card of the model in `folder`, after every file that it lists was found unchanged.

    Raises:
        NotServableError: as `read_card`; a file of another size or of another sha256.
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
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
    return digest.hexdigest()
