"""`python -m model_packaging.serving serve`: the container's program. `check` runs one canary and exits.

`check --largest` also serves the largest possible requests, so that the peak it prints is the memory a container
needs.
"""

from __future__ import annotations

import json
import sys

from model_packaging.serving import clock

USAGE = "usage: python -m model_packaging.serving serve | check [--largest]"


def main(arguments: list[str]) -> int:
    """Runs `serve` until SIGTERM, or `check` once. Returns 0, 1 if the model cannot be served, 2 for wrong usage."""
    if arguments not in (["serve"], ["check"], ["check", "--largest"]):
        print(USAGE, file=sys.stderr)
        return 2
    if arguments == ["serve"]:
        from model_packaging.serving.serve import serve

        return serve()
    from model_packaging.serving.card import NotServableError
    from model_packaging.serving.environment import model_dir, threads
    from model_packaging.serving.start import start

    try:
        runtime, phases = start(model_dir(), threads())
        if "--largest" in arguments:
            runtime.answer_largest()
    except NotServableError as error:
        print(f"model_packaging.serving: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"status": "ready", "phases": phases, "peak_rss_mb": clock.peak_rss_mb()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
