"""Starts and responds once, in this process, on an unpacked model. `bench` runs it in fresh processes.

Usage: python -m model_packaging.benchmark.whole_start FOLDER checked|unchecked; prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from model_packaging.serving import clock, environment

if TYPE_CHECKING:
    from model_packaging.serving.runtime import Runtime


def main(folder: Path, checked: bool) -> None:
    """Starts like our server; `unchecked` like other servers: one step after the other, without digests and canary."""
    runtime, measured = _like_ours(folder) if checked else _like_others(folder)
    phases = clock.Phases()
    runtime.answer_sample()
    phases.end("answer")
    print(json.dumps({"phases": measured | phases.ms, "peak_rss_mb": clock.peak_rss_mb()}))


def _like_ours(folder: Path) -> tuple[Runtime, dict[str, float]]:
    from model_packaging.serving.start import start

    return start(folder, environment.threads(), _server, parts=True)


def _server() -> None:
    from model_packaging.serving import server

    server.State()


def _like_others(folder: Path) -> tuple[Runtime, dict[str, float]]:
    python = clock.since_process_start_ms()
    phases = clock.Phases()
    from model_packaging.serving import card as cards
    from model_packaging.serving.runtime import Runtime

    _server()
    phases.end("imports")
    card = json.loads((folder / cards.CARD).read_text(encoding="utf-8"))
    runtime = Runtime.load(folder, card, environment.threads(), phases.end)
    return runtime, {"python": round(python, 1), **phases.ms}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "checked")
