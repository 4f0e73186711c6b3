"""Starts a model: verifies its folder, loads it, and runs the canary.

Python runs one thread at a time, but hashing files, making a tokenizer and loading a graph are not Python: they run on
other threads while this one imports the libraries, of which numpy takes the longest.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_packaging.serving import clock
from model_packaging.serving.ahead import Ahead
from model_packaging.serving.card import verify
from model_packaging.serving.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from model_packaging.serving.runtime import Runtime


def start(
    folder: Path, threads: int, meanwhile: Callable[[], object] = lambda: None, *, parts: bool = False
) -> tuple[Runtime, dict[str, float]]:
    """Verifies and loads the model in `folder`, and runs its canary. Nothing is loaded before it is verified.

    Args:
        meanwhile: what else the first response needs; it is called while the graph is loaded.
        parts: whether `load` is divided into `tokenizer`, `session`, and what `meanwhile` takes longer (`server`).

    Returns:
        the runtime, and milliseconds per phase: `python` (process start to here), `imports`, `verify`, `load`,
        `canary`. Of what is done at the same time, a phase is the part that was waited for.

    Raises:
        NotServableError: a file is missing or differs from its sha256, the runtime cannot load it, or the
            canary's result is off.
    """
    python = clock.since_process_start_ms()
    phases = clock.Phases()
    # numpy's linear algebra has one thread for each CPU and memory for each thread; here it makes one dot product.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    collecting = gc.isenabled()
    gc.disable()  # what is imported stays
    try:
        verified = Ahead(lambda: verify(folder))
        tokenizer = Ahead(lambda: _tokenizer(verified.result(), folder))
        from model_packaging.serving.runtime import Runtime

        phases.end("imports")
        card = verified.result()
        phases.end("verify")
        done = phases.end if parts else _unsaid
        loaded = Ahead(lambda: Runtime.load(folder, card, threads, done, tokenizer.result))
        meanwhile()
        runtime = loaded.result()
        phases.end("server" if parts else "load")
        runtime.canary()
        phases.end("canary")
    finally:
        if collecting:
            gc.enable()
    return runtime, {"python": round(python, 1), **phases.ms}


def _unsaid(phase: str) -> None:
    """For a start whose parts nobody asks for."""


def _tokenizer(card: dict[str, Any], folder: Path) -> Any:
    return load_tokenizer(card, folder) if "tokenizer" in card else None
