"""Starts and responds once, in this process, on an unpacked model. `bench` runs it in fresh processes.

Usage: python -m model_packaging.benchmark.whole_start FOLDER checked|unchecked; prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from model_packaging.serving import clock, environment


def main(folder: Path, checked: bool) -> None:
    """Starts like the server; `unchecked` omits the digests and the canary, like other servers."""
    python = clock.since_process_start_ms()
    phases = clock.Phases()
    from model_packaging.serving import card as cards
    from model_packaging.serving import server
    from model_packaging.serving.runtime import Runtime

    state = server.State()
    phases.end("imports")
    if checked:
        card = cards.verify(folder)
        phases.end("verify")
    else:
        card = json.loads((folder / cards.CARD).read_text(encoding="utf-8"))
    state.runtime = Runtime.load(folder, card, environment.threads(), phases.end)
    if checked:
        state.runtime.canary()
        phases.end("canary")
    state.runtime.answer_sample()
    phases.end("answer")
    measured = {"python": round(python, 1), **phases.ms}
    print(json.dumps({"phases": measured, "peak_rss_mb": clock.peak_rss_mb()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "checked")
