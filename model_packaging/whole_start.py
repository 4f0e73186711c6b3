"""One whole cold start in this process: unpack, import, load, answer. `bench` runs it in fresh processes.

Usage: python -m model_packaging.whole_start ARCHIVE NEW_FOLDER checked|unchecked; prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from model_packaging.archive import safe_extract
from model_packaging.serving import clock, environment


def main(archive: Path, into: Path, checked: bool) -> None:
    """Starts as the server does; unchecked leaves out the digests and the canary, as others' servers do."""
    python = clock.since_process_start_ms()
    phases = clock.Phases()
    safe_extract(archive, into)
    phases.end("unpack")
    from model_packaging.serving import server, start
    from model_packaging.serving.runtime import Runtime

    prepared = server.State()
    phases.end("imports")
    if checked:
        card = start.verify(into)
        phases.end("verify")
    else:
        card = json.loads((into / start.CARD).read_text(encoding="utf-8"))
    prepared.runtime = Runtime.load(into, card, environment.threads())
    phases.end("load")
    if checked:
        prepared.runtime.canary()
        phases.end("canary")
    prepared.runtime.answer({"inputs": "How do I get to the station from here?"})
    phases.end("answer")
    measured = {"python": round(python, 1), **phases.ms}
    print(json.dumps({"phases": measured, "peak_rss_mb": clock.peak_rss_mb()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "checked")
