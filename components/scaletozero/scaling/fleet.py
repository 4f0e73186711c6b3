"""A discrete-event simulation of recorded calls to instances: of an asynchronous endpoint, or GPU nodes of a cluster.

An instance works on several calls at a time; calls that find no room wait in order, none is refused. As many instances
run as the calls need that are worked on or wait, at least the floor and at most the maximum. One that a call needs and
that is not there is started at once, and takes its calls when it is ready. An instance that was not needed for the
idle time is stopped. Nodes of a buffer are ready for the next instances, whose start is then shorter; each that is
taken is replaced. An instance is billed from the beginning of its start until it is stopped, a buffer always.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from math import inf

from scaletozero.scaling.simulation import Floor
from scaletozero.scaling.trace import Trace


@dataclass(frozen=True)
class Fleet:
    """The simulated instances.

    Attributes:
        maximum: the most instances.
        concurrency: calls that one instance works on at a time.
        start_seconds: how long one takes to be ready.
        idle_seconds: how long one is kept that no call needs.
        buffer: nodes that are kept ready for the next instances.
        buffered_start_seconds: how long an instance takes to be ready on one of them.
        refill_seconds: how long a node takes to replace one of them.
    """

    maximum: int
    concurrency: int
    start_seconds: float
    idle_seconds: float
    buffer: int = 0
    buffered_start_seconds: float = 0.0
    refill_seconds: float = 0.0


@dataclass(frozen=True)
class FleetReplay:
    """The result of replaying a trace.

    Attributes:
        waits: the seconds that each call waited, in order of arrival.
        cold: number of calls that waited because too few instances were ready, although more were allowed.
        starts: number of instances that were started.
        instance_seconds: billed seconds of instances, summed over them, without the buffer.
    """

    waits: list[float]
    cold: int
    starts: int
    instance_seconds: float

    @property
    def cold_share(self) -> float:
        """The fraction of the calls that met a cold start."""
        return self.cold / max(1, len(self.waits))


def replay_fleet(trace: Trace, fleet: Fleet, floors: Sequence[Floor] = ()) -> FleetReplay:
    """Replays a trace. The result is exact and repeatable: nothing is random.

    Args:
        trace: the arrivals.
        fleet: the instances.
        floors: the least number of instances from a moment on, in order of time; 0 before the first. Instances of a
            floor at the first arrival are ready by then.
    """
    run = _Run(fleet, trace.starts[0], len(trace.starts))
    pending = deque(floors)
    at = pending[0].at if pending else inf
    for number, (now, work) in enumerate(zip(trace.starts, trace.durations, strict=True)):
        while now >= at:
            run.set_floor(pending.popleft())
            at = pending[0].at if pending else inf
        run.arrive(number, now, work)
    end = trace.starts[0] + trace.seconds
    while at < end:
        run.set_floor(pending.popleft())
        at = pending[0].at if pending else inf
    return run.finish(end)


class _Run:
    """The state of a replay. Instances are levels: the first is the last to be stopped."""

    def __init__(self, fleet: Fleet, begin: float, calls: int) -> None:
        self.fleet, self.begin, self.floor = fleet, begin, 0
        self.waits = [0.0] * calls
        self.cold = self.starts = 0
        self.billed = 0.0
        self.working: list[float] = []  # when each call that is worked on ends
        self.queue: deque[tuple[int, float, float]] = deque()  # number, arrival, work
        self.began: list[float] = []  # of each instance
        self.ready_at: list[float] = []
        self.needed_until: list[float] = []  # of each instance; inf while calls need it
        self.starting: list[float] = []  # moments at which an instance becomes ready
        self.room = 0  # calls that the ready instances work on at a time
        self.spare = [-inf] * fleet.buffer  # when each node of the buffer is ready
        heapify(self.spare)

    def arrive(self, number: int, now: float, work: float) -> None:
        self.advance(now)
        if len(self.working) < self.room:
            heappush(self.working, now + work)
        else:
            self.queue.append((number, now, work))
            if len(self.began) < self.fleet.maximum or self.starting:
                self.cold += 1
        self.need(now)

    def advance(self, now: float) -> None:
        """Everything that happens until `now`, in order: calls end, instances become ready, idle ones are stopped."""
        working, starting = self.working, self.starting
        while True:
            ends = working[0] if working else inf
            ready = starting[0] if starting else inf
            moment = ends if ends <= ready else ready
            if moment > now:
                break
            self.stop_idle(moment)
            if ends <= ready:
                if self.queue and len(working) <= self.room:
                    heapreplace(working, moment + self.start_next(moment))
                else:
                    heappop(working)
                self.spare_from(moment)
            elif starting and starting[0] == moment:
                heappop(starting)
                self.room += self.fleet.concurrency
                while self.queue and len(working) < self.room:
                    heappush(working, moment + self.start_next(moment))
        self.stop_idle(now)

    def start_next(self, now: float) -> float:
        number, arrived, work = self.queue.popleft()
        self.waits[number] = now - arrived
        return work

    def wanted(self) -> int:
        calls = len(self.working) + len(self.queue)
        return min(self.fleet.maximum, max(self.floor, -(-calls // self.fleet.concurrency)))

    def need(self, now: float) -> None:
        """Starts what is needed and not there, and keeps what is needed."""
        wanted, until = self.wanted(), self.needed_until
        level = wanted
        while level and level <= len(until) and until[level - 1] != inf:
            until[level - 1] = inf
            level -= 1
        while len(self.began) < wanted:
            self.start(now)

    def start(self, now: float) -> None:
        fleet, seconds = self.fleet, self.fleet.start_seconds
        if self.spare and self.spare[0] <= now:
            heapreplace(self.spare, now + fleet.refill_seconds)
            seconds = fleet.buffered_start_seconds
        self.began.append(now)
        self.ready_at.append(now + seconds)
        self.needed_until.append(inf)
        heappush(self.starting, now + seconds)
        self.starts += 1

    def spare_from(self, now: float) -> None:
        """Marks the instances that are not needed any more."""
        level, wanted, until = len(self.began), self.wanted(), self.needed_until
        while level > wanted and until[level - 1] == inf:
            until[level - 1] = now
            level -= 1

    def stop_idle(self, now: float) -> None:
        idle = self.fleet.idle_seconds
        while self.began and self.needed_until[-1] + idle <= now:
            at = self.needed_until.pop() + idle
            self.billed += at - self.began.pop()
            ready = self.ready_at.pop()
            if ready > at:  # it was still starting
                self.starting.remove(ready)
                heapify(self.starting)
            else:
                self.room -= self.fleet.concurrency

    def set_floor(self, event: Floor) -> None:
        now = max(event.at, self.begin)
        self.advance(now)
        self.floor = min(event.floor, self.fleet.maximum)
        if event.at <= self.begin:
            while len(self.began) < self.floor:
                self.began.append(self.begin)
                self.ready_at.append(self.begin)
                self.needed_until.append(inf)
                self.room += self.fleet.concurrency
        self.need(now)
        self.spare_from(now)

    def finish(self, end: float) -> FleetReplay:
        """Works off what waits. What runs beyond the end of the trace is not billed."""
        self.advance(end)
        billed = self.billed + sum(end - began for began in self.began)
        while self.queue:
            self.advance(min([*self.working[:1], *self.starting[:1]]))
        return FleetReplay(self.waits, self.cold, self.starts, billed)
