"""The requests of one asynchronous endpoint that wait or are worked on. It outlives the instances that empty it."""

from __future__ import annotations

import threading
from collections import deque

from scaletozero.sandbox.aws.async_inference.calls import AsyncCall


class ClosedBacklogError(RuntimeError):
    """The endpoint has been deleted, or the sandbox stops."""


class Backlog:
    """First come, first served. Every method may be called from any thread; times are seconds since the epoch."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._waiting: deque[AsyncCall] = deque()
        self._working: dict[int, AsyncCall] = {}
        self._closed = False

    def put(self, call: AsyncCall) -> None:
        """Has it wait behind the others. Raises ClosedBacklogError."""
        with self._lock:
            if self._closed:
                raise ClosedBacklogError
            self._waiting.append(call)
            self._lock.notify_all()

    def wait(self, seconds: float) -> bool:
        """Whether one waits, now or within `seconds`; at once where it is closed."""
        with self._lock:
            self._lock.wait_for(lambda: self._waiting or self._closed, seconds)
            return bool(self._waiting)

    def take(self) -> AsyncCall | None:
        """The one that has waited longest, to be worked on until `done()` or `put_back()`; None where none waits."""
        with self._lock:
            if not self._waiting:
                return None
            call = self._waiting.popleft()
            self._working[id(call)] = call
            return call

    def take_expired(self, now: float) -> list[AsyncCall]:
        """Those that have waited longer than they may, to be worked on until `done()`."""
        with self._lock:
            expired = [call for call in self._waiting if call.expired(now)]
            self._waiting = deque(call for call in self._waiting if not call.expired(now))
            self._working.update({id(call): call for call in expired})
            return expired

    def done(self, call: AsyncCall) -> None:
        """Its result or its failure is written."""
        with self._lock:
            del self._working[id(call)]
            self._lock.notify_all()

    def put_back(self, call: AsyncCall) -> None:
        """Its instance was stopped before the result: it is the next again."""
        with self._lock:
            del self._working[id(call)]
            if not self._closed:
                self._waiting.appendleft(call)
            self._lock.notify_all()

    def close(self) -> int:
        """Takes no more, and drops what waits: how many those are."""
        with self._lock:
            self._closed = True
            dropped = len(self._waiting)
            self._waiting.clear()
            self._lock.notify_all()
            return dropped

    def settle(self, seconds: float) -> bool:
        """Whether what is worked on is done within `seconds`."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._working, seconds)

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def size(self) -> int:
        """`ApproximateBacklogSize`: what waits and what is worked on (the developer guide's words)."""
        with self._lock:
            return len(self._waiting) + len(self._working)

    def age(self, now: float) -> float:
        """Seconds since the oldest of them came; 0 where there is none."""
        with self._lock:
            return max((now - call.received for call in (*self._waiting, *self._working.values())), default=0.0)
