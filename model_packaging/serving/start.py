"""Starts a model: verifies its folder, loads it, and runs the canary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from model_packaging.serving import clock
from model_packaging.serving.card import verify

if TYPE_CHECKING:
    from model_packaging.serving.runtime import Runtime


def start(folder: Path, threads: int) -> tuple[Runtime, dict[str, float]]:
    """Verifies and loads the model in `folder`, and runs its canary.

    Returns:
        the runtime, and milliseconds per phase: `python` (process start to here), `imports`, `verify`, `load`,
        `canary`.

    Raises:
        NotServableError: a file is missing or differs from its sha256, the runtime cannot load it, or the
            canary's result is off.
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
