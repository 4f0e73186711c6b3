"""A circuit breaker of one target: one that keeps failing is left alone for a while, and then tried by one request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from scaletozero.gateway.service.failures import FailedError

FAILURES = 5
"""In succession, after which a target is left alone."""

OPEN_SECONDS = 30.0
"""For which it is left alone then."""

CAPPED_SECONDS = 60.0
"""For which it is left alone at a spending limit, which no further try overcomes."""

LONGEST_SECONDS = 120.0
"""For which it is left alone at most, whatever it says."""


class Breaker:
    """Counts the failures of a target.

    Args:
        clock: seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._failures, self._closed_at, self._probing = 0, 0.0, False
        self._last: FailedError | None = None

    def blocked(self) -> FailedError | None:
        """The failure for which no request is sent now; None if one may be. After a time one request may, and the
        others when that has succeeded."""
        with self._lock:
            if self._last is None:
                return None
            if self._clock() < self._closed_at or self._probing:
                return self._last
            self._probing = True
            return None

    def worked(self) -> None:
        """A request was answered, or refused for a fault of its own."""
        with self._lock:
            self._failures, self._last, self._probing = 0, None, False

    def failed(self, error: FailedError) -> None:
        """A request was not answered."""
        if error.kind == "refused":
            self.worked()
            return
        with self._lock:
            self._failures, self._probing = self._failures + 1, False
            said: dict[str, float] = {"capped": CAPPED_SECONDS, "throttled": error.seconds or 0.0, "cold": 0.0}
            pause = said.get(error.kind, OPEN_SECONDS if self._failures >= FAILURES else 0.0)
            if pause:
                self._closed_at, self._last = self._clock() + min(pause, LONGEST_SECONDS), error
            elif self._last is not None:  # the one request that was to try it
                self._closed_at = self._clock() + OPEN_SECONDS

    def left(self) -> None:
        """A request that was to try it ended without an answer, for a reason that says nothing about it."""
        with self._lock:
            self._probing = False
