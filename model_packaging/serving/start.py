"""From a folder to a model that has answered once: verify, load, canary."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_packaging.serving import clock

if TYPE_CHECKING:
    from model_packaging.serving.runtime import Runtime

CARD = "model.json"
CARD_SCHEMA = 1
CHUNK = 1 << 20


class NotServableError(RuntimeError):
    """The folder is not a packaged model that this program can serve, with the reason."""


def start(folder: Path, threads: int) -> tuple[Runtime, dict[str, float]]:
    """Verifies, loads and tries the model in `folder`.

    Returns:
        the runtime, and milliseconds per phase: `python` (process start to here), `imports`, `verify`, `load`,
        `canary`.

    Raises:
        NotServableError: a file is missing or differs from its sha256, the runtime cannot load it, or the
            canary's answer is off.
    """
    python = clock.since_process_start_ms()
    phases = clock.Phases()
    from model_packaging.serving.runtime import Runtime

    phases.end("imports")
    card = verify(folder)
    phases.end("verify")
    runtime = Runtime.load(folder, card, threads)
    phases.end("load")
    runtime.canary()
    phases.end("canary")
    return runtime, {"python": round(python, 1), **phases.ms}


def verify(folder: Path) -> dict[str, Any]:
    """The card (`model.json`) of the model in `folder`, after every file it names was found whole.

    Raises:
        NotServableError: no card, a card of another schema, a file that is missing, of another size, or of
            another sha256.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except OSError as error:
        raise NotServableError(f"no packaged model in {folder}: {CARD}: {error.strerror}") from error
    except ValueError as error:
        raise NotServableError(f"{folder / CARD} is not JSON: {error}") from error
    if not isinstance(card, dict) or card.get("schema") != CARD_SCHEMA:
        raise NotServableError(f"{folder / CARD} is not of schema {CARD_SCHEMA}: package the model with this version")
    for name, recorded in card["files"].items():
        path = folder / name
        if not path.is_file() or path.is_symlink():
            raise NotServableError(f"{path} is missing")
        if path.stat().st_size != recorded["size"]:
            raise NotServableError(f"{path} has {path.stat().st_size} bytes, the card says {recorded['size']}")
        if _sha256(path) != recorded["sha256"]:
            raise NotServableError(f"{path} is not the file that was packaged: its sha256 differs from the card's")
    return card


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
    return digest.hexdigest()
