"""Rates of a customer in this process: requests that begin in a minute, and requests that are open."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from scaletozero.gateway.service.errors import limited
from scaletozero.settings.gateway import Customer

MINUTE = 60.0


class Rates:
    """Counts the requests of customers.

    Args:
        clock: seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._begun: dict[str, deque[float]] = {}
        self._open: dict[str, int] = {}

    def begin(self, name: str, customer: Customer) -> None:
        """Counts a request that begins; `end` is to be called once for it.

        Raises:
            RefusedError: 429, with the seconds after which one can begin; nothing is counted.
        """
        now = self._clock()
        with self._lock:
            if customer.concurrency is not None and self._open.get(name, 0) >= customer.concurrency:
                raise limited(f"{customer.concurrency} requests are open, which is the most at a time.", 1)
            if customer.requests_per_minute is not None:
                begun = self._begun.setdefault(name, deque())
                while begun and begun[0] <= now - MINUTE:
                    begun.popleft()
                if len(begun) >= customer.requests_per_minute:
                    most = customer.requests_per_minute
                    raise limited(f"{most} requests have begun within a minute, the most.", begun[0] + MINUTE - now)
                begun.append(now)
            self._open[name] = self._open.get(name, 0) + 1

    def end(self, name: str) -> None:
        """Counts a request that has ended."""
        with self._lock:
            self._open[name] -= 1
