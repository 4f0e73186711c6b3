"""The queued and running requests of one asynchronous endpoint. A backlog outlives the instances that empty it."""

from __future__ import annotations

import threading
from collections import deque

from scaletozero.sandbox.aws.async_inference.calls import AsyncCall


class ClosedBacklogError(RuntimeError):
    """The endpoint has been deleted, or the sandbox is stopping."""


class Backlog:
    """A thread-safe first-in, first-out queue of requests. All times are seconds since the epoch."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._waiting: deque[AsyncCall] = deque()
        self._working: dict[int, AsyncCall] = {}
        self._closed = False

    def put(self, call: AsyncCall) -> None:
        """Appends a request to the queue. Raises ClosedBacklogError."""
        with self._lock:
            if self._closed:
                raise ClosedBacklogError
            self._waiting.append(call)
            self._lock.notify_all()

    def wait(self, seconds: float) -> bool:
        """Waits up to `seconds` for a request, or until the backlog is closed. Returns whether there is a request."""
        with self._lock:
            self._lock.wait_for(lambda: self._waiting or self._closed, seconds)
            return bool(self._waiting)

    def take(self) -> AsyncCall | None:
        """Starts the oldest waiting request, to be ended with `done()` or `put_back()`. None if the queue is empty."""
        with self._lock:
            if not self._waiting:
                return None
            call = self._waiting.popleft()
            self._working[id(call)] = call
            return call

    def take_expired(self, now: float) -> list[AsyncCall]:
        """Starts all requests whose waiting time has expired, each to be ended with `done()`."""
        with self._lock:
            expired = [call for call in self._waiting if call.expired(now)]
            self._waiting = deque(call for call in self._waiting if not call.expired(now))
            self._working.update({id(call): call for call in expired})
            return expired

    def done(self, call: AsyncCall) -> None:
        """Ends a request whose result or failure has been written."""
        with self._lock:
            del self._working[id(call)]
            self._lock.notify_all()

    def put_back(self, call: AsyncCall) -> None:
        """Puts a request whose instance was stopped before it responded back at the front of the queue."""
        with self._lock:
            del self._working[id(call)]
            if not self._closed:
                self._waiting.appendleft(call)
            self._lock.notify_all()

    def close(self) -> int:
        """Refuses further requests and drops the waiting ones. Returns how many were dropped."""
        with self._lock:
            self._closed = True
            dropped = len(self._waiting)
            self._waiting.clear()
            self._lock.notify_all()
            return dropped

    def settle(self, seconds: float) -> bool:
        """Waits up to `seconds` for the running requests to end; returns whether they did."""
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
        """`ApproximateBacklogSize`: waiting and running requests, as the developer guide defines it."""
        with self._lock:
            return len(self._waiting) + len(self._working)

    def age(self, now: float) -> float:
        """Seconds since the oldest waiting or running request was received; 0 when there is none."""
        with self._lock:
            return max((now - call.received for call in (*self._waiting, *self._working.values())), default=0.0)
