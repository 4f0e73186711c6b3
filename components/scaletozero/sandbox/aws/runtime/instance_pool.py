"""The instances of one deployment: started when no instance is free for a request, stopped when idle."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from scaletozero.sandbox.aws.runtime.deployment import Deployment
from scaletozero.sandbox.aws.runtime.instance import Instance, StartFailedError

log = logging.getLogger(__name__)

KEPT_COLD_STARTS = 200


class ThrottledError(RuntimeError):
    """All the instances that are allowed are busy."""


class ClosedError(RuntimeError):
    """The pool was replaced or removed before the request got an instance."""


class InstancePool:
    """One deployment's instances. Thread-safe.

    Args:
        start: starts an instance; raises StartFailedError.
        idle_seconds: how long an idle instance beyond the provisioned ones is kept.
    """

    def __init__(
        self,
        deployment: Deployment,
        start: Callable[[Deployment, threading.Event], Instance],
        idle_seconds: float,
    ) -> None:
        self.deployment = deployment
        self._start, self._idle_seconds = start, idle_seconds
        self._lock = threading.Condition()
        self._free: list[Instance] = []
        self._busy: dict[Instance, int] = {}  # number of requests in progress
        self._starting = 0
        self._closed = False
        self._cancelled = threading.Event()
        self.cold_starts: deque[dict[str, Any]] = deque(maxlen=KEPT_COLD_STARTS)
        self.cold_start_count = 0
        self.invocations = 0

    def prove(self) -> None:
        """Starts the provisioned instances, or at least one, as the service does before InService.

        Raises:
            StartFailedError: an instance did not become healthy.
        """
        first = self._start(self.deployment, self._cancelled)
        if not self.deployment.provisioned:
            first.stop()
            return
        with self._lock:
            self._free.append(first)
        self.top_up(self.deployment.provisioned)

    def top_up(self, floor: int) -> list[Instance]:
        """Starts instances until there are `floor`; returns the new ones. Raises StartFailedError if one fails."""
        with self._lock:
            missing = floor - len(self._free) - len(self._busy) - self._starting
            if missing <= 0 or self._closed:
                return []
            self._starting += missing
        with ThreadPoolExecutor(min(missing, 4)) as pool:
            results = [pool.submit(self._start_counted) for _ in range(missing)]
        made = [result.result() for result in results if not result.exception()]
        for instance in made:
            self._give_back(instance)
        for result in results:
            result.result()
        return made

    def resize(self, maximum: int, provisioned: int) -> None:
        """Changes the bounds. Raises StartFailedError, and leaves them unchanged, if the floor cannot be reached.

        Surplus instances of an endpoint that is not serverless are stopped at once, or after the request that they
        are working on.
        """
        before, began = self.deployment, time.perf_counter()
        self.deployment = dataclasses.replace(before, maximum=maximum, provisioned=provisioned)
        try:
            made = self.top_up(provisioned)
        except StartFailedError:
            self.deployment = before
            self._trim()
            raise
        if made and not before.maximum:  # callers were waiting for this start
            with self._lock:
                self._record_start(made[0], began)
        self._trim()

    def _trim(self) -> None:
        if self.deployment.serverless:
            return
        with self._lock:
            surplus = max(0, len(self._free) + len(self._busy) - self.deployment.maximum)
            gone, self._free = self._free[:surplus], self._free[surplus:]
        for instance in gone:
            instance.stop()

    def acquire(self, seconds: float) -> Instance | None:
        """Reserves an existing instance for one request until `release()`; None if none is free in time.

        It starts no instance: that is done by scaling. Raises ClosedError.
        """
        with self._lock:
            self._lock.wait_for(lambda: self._closed or self._place(), seconds)
            if self._closed:
                raise ClosedError
            found = self._place()
            if found is None:
                return None
            if found in self._free:
                self._free.remove(found)
            self._busy[found] = self._busy.get(found, 0) + 1
            self.invocations += 1
            return found

    def _place(self) -> Instance | None:
        """An instance with room for a request: a free one, or else the least busy one that is kept."""
        for instance in reversed(self._free):
            if instance.alive:
                return instance
        # When some have to be stopped, the busiest are kept, so that the others become idle.
        stay = sorted(self._busy, key=self._busy.__getitem__, reverse=True)[: self.deployment.maximum]
        room = [each for each in stay if self._busy[each] < self.deployment.concurrency and each.alive]
        return min(room, key=self._busy.__getitem__, default=None)

    def release(self, instance: Instance) -> None:
        """Ends the request that an instance was reserved for."""
        self._give_back(instance)

    def abandon(self, instance: Instance) -> None:
        """Kills an instance whose request timed out, unless it is working on other requests too."""
        with self._lock:
            alone = self._busy.get(instance) == 1
        if alone:
            instance.kill()

    @property
    def closed(self) -> bool:
        """Whether it was replaced or removed."""
        return self._closed

    @contextmanager
    def instance(self) -> Iterator[tuple[Instance, float | None]]:
        """An instance for one request, with the seconds that its start took if it had to be started.

        Raises:
            ThrottledError, StartFailedError, ClosedError
        """
        taken, setup = self._take()
        try:
            yield taken, setup
        finally:
            self._give_back(taken)

    def _take(self) -> tuple[Instance, float | None]:
        with self._lock:
            if self._closed:
                raise ClosedError
            self.invocations += 1
            if self.busy >= self.deployment.maximum:
                raise ThrottledError
            while self._free:
                candidate = self._free.pop()
                if candidate.alive:
                    self._busy[candidate] = 1
                    return candidate, None
                self._discard(candidate)
            self._starting += 1
        began = time.perf_counter()
        made = self._start_counted()
        with self._lock:
            setup = self._record_start(made, began)
        return made, setup

    def _record_start(self, made: Instance, began: float) -> float:
        """Records a start that a request waited for; returns the seconds that it took."""
        setup = time.perf_counter() - began
        self.cold_start_count += 1
        self.cold_starts.append(
            {"at": time.time(), "pid": made.process.pid, "total_ms": round(setup * 1000, 1), "phases": made.phases}
        )
        return setup

    def _start_counted(self) -> Instance:
        try:
            made = self._start(self.deployment, self._cancelled)
        except BaseException:
            with self._lock:
                self._starting -= 1
                self._lock.notify_all()
            raise
        with self._lock:
            self._starting -= 1
            self._busy[made] = 1
            self._lock.notify_all()
        return made

    def _give_back(self, instance: Instance) -> None:
        with self._lock:
            self._busy[instance] -= 1
            if self._busy[instance]:
                self._lock.notify_all()
                return
            del self._busy[instance]
            here = len(self._free) + len(self._busy)
            surplus = not self.deployment.serverless and here >= self.deployment.maximum
            keep = instance.alive and not self._closed and not surplus
            if keep:
                self._free.append(instance)
            self._lock.notify_all()
        if not keep:
            instance.stop()

    def _discard(self, instance: Instance) -> None:
        threading.Thread(target=instance.stop, daemon=True).start()

    def reap(self) -> None:
        """Stops instances that have been idle too long or have died; starts missing provisioned ones."""
        now = time.monotonic()
        with self._lock:
            dead = [item for item in self._free if not item.alive]
            alive = [item for item in self._free if item.alive]
            spare = len(alive) + len(self._busy) - self.deployment.provisioned
            idle = [item for item in alive if now - item.idle_since >= self._idle_seconds]
            idle = sorted(idle, key=lambda item: item.idle_since)[: max(0, spare)]
            self._free = [item for item in alive if item not in idle]
        for instance in (*dead, *idle):
            instance.stop()
        try:
            self.top_up(self.deployment.provisioned)
        except StartFailedError as error:
            log.warning("%s: a provisioned instance did not start: %s", self.deployment.endpoint, error)

    def stop(self, cancel: bool = False) -> None:
        """Refuses new requests, waits for those in progress, then stops all instances. `cancel` also ends starts."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        if cancel:
            self._cancelled.set()
        for instance in free:
            instance.stop()
        with self._lock:
            self._lock.wait_for(lambda: not self._busy and not self._starting, timeout=90)
            left = list(self._busy)
        for instance in left:
            instance.stop()

    def kill(self) -> None:
        """Kills every instance, even in the middle of a request."""
        with self._lock:
            self._closed = True
            everything, self._free = [*self._free, *self._busy], []
        self._cancelled.set()
        for instance in everything:
            instance.process.kill()
        for instance in everything:
            instance.stop()

    @property
    def busy(self) -> int:
        """Number of requests in progress and of instances that are starting."""
        return sum(self._busy.values()) + self._starting

    def processors(self) -> list[float]:
        """Processor time of each instance since the last call, in percent of one processor."""
        with self._lock:
            here = [each for each in (*self._free, *self._busy) if each.alive]
        return [percent for each in here if (percent := each.processor_percent()) is not None]

    @property
    def utilisation(self) -> float:
        """Fraction of the allowed instances that are working, 0 to 1."""
        return len(self._busy) / max(1, self.deployment.maximum)

    def provisioned_metrics(self) -> dict[str, float]:
        """Whether provisioned concurrency takes the request that has just begun, as metrics; none where there is none.

        It takes as many at a time as it has.
        """
        if not (self.deployment.serverless and self.deployment.provisioned):
            return {}
        beyond = len(self._busy) > self.deployment.provisioned
        return {f"ServerlessProvisionedConcurrency{'Spillover' if beyond else ''}Invocations": 1.0}

    def snapshot(self) -> dict[str, Any]:
        """What `status` shows."""
        now = time.monotonic()
        with self._lock:
            states = [("idle", item) for item in self._free] + [("busy", item) for item in self._busy]
            return {
                "config": self.deployment.config,
                "memory_mb": self.deployment.memory_mb,
                "min": self.deployment.provisioned,
                "max": self.deployment.maximum,
                "instances": [
                    {
                        "pid": item.process.pid,
                        "state": state if item.alive else "dead",
                        "idle_s": round(now - item.idle_since, 1) if state == "idle" else 0.0,
                        "log": str(item.log),
                    }
                    for state, item in states
                ],
                "starting": self._starting,
                "cold_starts": list(self.cold_starts),
                "cold_start_count": self.cold_start_count,
                "invocations": self.invocations,
            }
