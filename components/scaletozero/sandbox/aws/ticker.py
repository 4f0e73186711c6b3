"""The thread that lets the embedded AWS's clock act: alarms and schedules."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

EVERY_SECONDS = 0.25


class Ticker:
    """Calls steps in turn until it is stopped. A step that fails is in the log, and is called again."""

    def __init__(self, steps: Sequence[Callable[[], None]]) -> None:
        self._steps = steps
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="ticker")
        self._thread.start()

    def stop(self) -> None:
        """Ends it before it returns."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_SECONDS):
            for step in self._steps:
                try:
                    step()
                except Exception:
                    log.exception("a step of the clock")
