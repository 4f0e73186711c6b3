"""A discrete-event simulation of recorded calls to an endpoint: which containers are warm, which calls wait or fail.

An endpoint has a floor of provisioned containers, which are never stopped, and starts more on demand, up to `maximum`
in total. A call is sent to the free container that was used last. If there is none, it starts one and waits for its
cold start. A container above the floor that was unused for `idle_seconds` is stopped. As many concurrent calls as are
provisioned are billed at that rate, further ones on demand. Provisioned concurrency stays at its floor: what target
tracking adds after some minutes is ignored, so that the figures are those of the worst case.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace
from math import inf

from scaletozero.scaling.trace import Trace


@dataclass(frozen=True)
class Endpoint:
    """The simulated endpoint.

    Attributes:
        maximum: the maximum number of containers at a time.
        cold_seconds: how long a container takes to start.
        idle_seconds: how long an idle on-demand container is kept. It is an assumption: AWS does not document it.
        waits: whether a call waits if all containers are busy, as when callers retry; otherwise it is refused.
    """

    maximum: int
    cold_seconds: float
    idle_seconds: float
    waits: bool = False


@dataclass(frozen=True)
class Floor:
    """The number of provisioned containers from a moment on, in seconds since 1970."""

    at: float
    floor: int


@dataclass(frozen=True)
class WarmCalls:
    """A moment at which calls are made only to keep containers warm, their number, and how long each takes."""

    at: float
    count: int
    seconds: float


@dataclass(frozen=True)
class Replay:
    """The result of replaying a trace.

    Attributes:
        calls, cold_starts, refused: number of all calls, of those that waited for a container to start, of refusals.
        delays: for each delayed call, its work and its delay, in seconds.
        provisioned_seconds: seconds that provisioned containers existed, summed over them.
        busy_provisioned, busy_on_demand: seconds that the two kinds of containers worked, including their starts.
        warm_call_seconds: the part of `busy_on_demand` that was spent on calls that only keep containers warm.
        concurrency: number of concurrent calls when a call arrived, including itself -> how often.
    """

    calls: int
    cold_starts: int
    refused: int
    delays: list[tuple[float, float]]
    provisioned_seconds: float
    busy_provisioned: float
    busy_on_demand: float
    warm_call_seconds: float
    concurrency: dict[int, int]

    @property
    def cold_share(self) -> float:
        """The fraction of the processed calls that met a cold start."""
        return self.cold_starts / max(1, self.calls - self.refused)

    def percentile(self, share: float, sorted_durations: Sequence[float]) -> float:
        """The latency in seconds that a `share` of the processed calls do not exceed (nearest rank).

        Args:
            share: 0 to 1.
            sorted_durations: the trace's durations, ascending. They include refused calls, which must be few.
        """
        late = sorted(work + delay for work, delay in self.delays)
        was = sorted(work for work, _ in self.delays)
        rank = max(1, -(-int(share * 1_000_000) * len(sorted_durations) // 1_000_000))

        def within(latency: float) -> int:
            fast = bisect_right(sorted_durations, latency) - bisect_right(was, latency)
            return fast + bisect_right(late, latency)

        candidates = (sorted_durations, late)
        found = ((values, bisect_left(values, rank, key=within)) for values in candidates)
        return min(values[at] for values, at in found if at < len(values))


def replay(trace: Trace, endpoint: Endpoint, events: Sequence[Floor | WarmCalls] = ()) -> Replay:
    """Replays a trace. The result is exact and repeatable: nothing is random.

    Args:
        trace: the arrivals.
        endpoint: the endpoint that receives them.
        events: events in order of time. The floor is 0 until the first one.
    """
    maximum, cold, idle, waits = endpoint.maximum, endpoint.cold_seconds, endpoint.idle_seconds, endpoint.waits
    busy: list[float] = []  # when each working container becomes free
    free: deque[float] = deque()  # since when each container is idle, the longest first; provisioned ones since ever
    delays: list[tuple[float, float]] = []
    concurrency = [0] * (maximum + 2)
    floor = cold_starts = refused = 0
    busy_provisioned = busy_on_demand = warm_call_seconds = provisioned_seconds = 0.0
    pending = deque(events)
    upcoming = pending[0].at if pending else inf
    begin, end = trace.starts[0], trace.starts[0] + trace.seconds
    since = begin

    def advance(now: float) -> None:
        while busy and busy[0] <= now:
            free.append(heappop(busy))
        while free and now - free[0] >= idle and len(free) + len(busy) > floor:
            free.popleft()

    def provision(event: Floor) -> None:
        nonlocal floor, since, provisioned_seconds
        provisioned_seconds += floor * max(0.0, min(event.at, end) - since)
        floor, since = event.floor, min(max(begin, event.at), end)
        free.extendleft([-inf] * (floor - len(free) - len(busy)))

    def warm(event: WarmCalls) -> float:
        count = min(event.count, maximum - len(busy))
        warm = min(count, len(free))
        for _ in range(warm):
            free.pop()
        for index in range(count):
            heappush(busy, event.at + event.seconds + (0.0 if index < warm else cold))
        return count * event.seconds + (count - warm) * cold

    for now, work in zip(trace.starts, trace.durations, strict=True):
        while now >= upcoming:
            event = pending.popleft()
            advance(event.at)
            if isinstance(event, Floor):
                provision(event)
            else:
                warm_call_seconds += warm(event)
            upcoming = pending[0].at if pending else inf
        while busy and busy[0] <= now:
            free.append(heappop(busy))
        while free and now - free[0] >= idle and len(free) + len(busy) > floor:
            free.popleft()
        working = len(busy)
        concurrency[working + 1] += 1
        if free:
            free.pop()
            heappush(busy, now + work)
        elif working < maximum:
            cold_starts += 1
            heappush(busy, now + cold + work)
            delays.append((work, cold))
            busy_on_demand += cold
        elif waits:
            begun = heapreplace(busy, busy[0] + work)
            delays.append((work, begun - now))
        else:
            refused += 1
            continue
        if working < floor:
            busy_provisioned += work
        else:
            busy_on_demand += work
    for event in pending:
        if isinstance(event, Floor):
            provision(event)
    provisioned_seconds += floor * (end - since)
    return Replay(
        calls=len(trace.starts),
        cold_starts=cold_starts,
        refused=refused,
        delays=delays,
        provisioned_seconds=provisioned_seconds,
        busy_provisioned=busy_provisioned,
        busy_on_demand=busy_on_demand + warm_call_seconds,
        warm_call_seconds=warm_call_seconds,
        concurrency={number: count for number, count in enumerate(concurrency) if count},
    )
