"""Finds the cheapest floor, buffer, schedule or idle time that meets an objective for waits, by replay. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from scaletozero.cold_start.remembered import percentile
from scaletozero.scaling.advice import Plan, busy_window, events
from scaletozero.scaling.cost import HOURS
from scaletozero.scaling.fleet import Fleet, FleetReplay, replay_fleet
from scaletozero.scaling.simulation import Floor
from scaletozero.scaling.trace import Trace
from scaletozero.settings.schedules import clock
from scaletozero.spending.price_rows import Price

HOUR = 3600
IDLE_SECONDS = (1800, 3600, 7200)
"""Idle times that are tried besides the declared one, in seconds."""

SHARE = 0.95
"""Share of the calls whose wait the objective bounds."""


@dataclass(frozen=True)
class Objective:
    """What is to be met; at least one of both.

    Attributes:
        wait_seconds: the p95 of the wait, in seconds.
        cold_share: the share of calls that meet a cold start.
    """

    wait_seconds: float | None = None
    cold_share: float | None = None

    def met(self, wait: float, cold: float) -> bool:
        """Whether a p95 and a share are within it."""
        return (self.wait_seconds is None or wait <= self.wait_seconds) and (
            self.cold_share is None or cold <= self.cold_share
        )


@dataclass(frozen=True)
class FleetPlan:
    """A way to keep instances ready.

    Attributes:
        plan: the floor, and the windows with a higher one.
        idle_seconds: how long an instance is kept that no call needs.
        buffer: nodes that are kept ready for the next instances.
    """

    plan: Plan
    idle_seconds: float
    buffer: int = 0

    @property
    def name(self) -> str:
        """The displayed name."""
        more = f", buffer {self.buffer}" if self.buffer else ""
        return f"{self.plan.name}{more}, idle {self.idle_seconds:g} s"


@dataclass(frozen=True)
class DeclaredFleet:
    """A declared endpoint on instances, for a comparison with other plans.

    Attributes:
        fleet: its instances.
        plan: how they are kept ready.
        price: the price of an instance, per hour.
        lead: minutes by which a window is opened early.
        buffers: whether nodes can be kept ready for the next instances.
        work_seconds: how long a call takes where a trace does not say; None if nothing says so.
    """

    fleet: Fleet
    plan: FleetPlan
    price: Price
    lead: int
    buffers: bool = False
    work_seconds: float | None = None


@dataclass(frozen=True)
class FleetOutcome:
    """The result of replaying the trace through a plan.

    Attributes:
        usd_per_month: cost of the instances and the buffer, extrapolated to a month of 730 hours.
        buffer_usd_per_month: the part of it that is the buffer's.
        cold_share: the fraction of the calls that met a cold start.
        wait_p50, wait_p95: percentiles of the wait, in seconds.
        starts: number of instances that were started.
        meets: whether the objective was met.
    """

    plan: FleetPlan
    usd_per_month: float
    buffer_usd_per_month: float
    cold_share: float
    wait_p50: float
    wait_p95: float
    starts: int
    meets: bool


def advise_fleet(
    trace: Trace,
    declared: DeclaredFleet,
    objective: Objective,
    *,
    timezone: str = "UTC",
    progress: Callable[[str], object] = lambda _: None,
) -> list[FleetOutcome]:
    """Replays the trace through each plan. Returns the outcomes, the cheapest first.

    The plans are: the declared one; nothing ready; longer idle times; floors up to the first that meets the objective;
    a buffer of one and two nodes; and the hours of the day with most calls, with that floor.

    Args:
        trace: recorded calls.
        declared: the endpoint; the idle time and the buffer of its instances are replaced by those of the plans.
        objective: the objective.
        timezone: time zone of the proposed window.
        progress: receives the name of every plan before it is replayed.
    """

    def run(plan: FleetPlan) -> FleetOutcome:
        progress(plan.name)
        this = replace(fleet, idle_seconds=plan.idle_seconds, buffer=plan.buffer)
        floors = [each for each in events(plan.plan, trace, declared.lead, 0.0) if isinstance(each, Floor)]
        return _outcome(plan, replay_fleet(trace, this, floors), trace, declared.price.usd, objective)

    fleet, own, idle = declared.fleet, declared.plan, declared.plan.idle_seconds
    nothing = FleetPlan(Plan("min 0"), idle)
    outcomes = {own: run(own)}
    if own.plan.floor or own.plan.windows or own.buffer:
        outcomes[nothing] = run(nothing)
    for plan in _without_floor(nothing, idle, buffers=declared.buffers):
        if plan not in outcomes:
            outcomes[plan] = run(plan)
    for floor in range(1, fleet.maximum + 1):
        plan = FleetPlan(Plan(f"min {floor}", floor), idle)
        outcomes[plan] = run(plan)
        if outcomes[plan].meets or outcomes[plan].cold_share == 0:
            for other in _with_window(trace, timezone, floor, idle):
                outcomes[other] = run(other)
            break
    return sorted(outcomes.values(), key=lambda each: (each.usd_per_month, each.plan.name))


def cheapest_fleet(outcomes: Iterable[FleetOutcome]) -> FleetOutcome | None:
    """The cheapest outcome that meets the objective."""
    return min((each for each in outcomes if each.meets), key=lambda each: each.usd_per_month, default=None)


def _without_floor(nothing: FleetPlan, idle: float, *, buffers: bool) -> Iterator[FleetPlan]:
    yield from (replace(nothing, idle_seconds=float(each)) for each in IDLE_SECONDS if each > idle)
    if buffers:
        yield from (replace(nothing, buffer=count) for count in (1, 2))


def _with_window(trace: Trace, timezone: str, floor: int, idle: float) -> Iterator[FleetPlan]:
    if window := busy_window(trace, timezone, floor):
        yield FleetPlan(Plan(f"min {floor} from {clock(window.start)}-{clock(window.end)}", 0, (window,)), idle)


def _outcome(plan: FleetPlan, found: FleetReplay, trace: Trace, hourly: float, objective: Objective) -> FleetOutcome:
    ordered: Sequence[float] = sorted(found.waits)
    p95 = percentile(ordered, SHARE)
    buffer = plan.buffer * HOURS * hourly
    instances = found.instance_seconds / HOUR * hourly * HOURS * HOUR / trace.seconds
    return FleetOutcome(
        plan,
        instances + buffer,
        buffer,
        found.cold_share,
        percentile(ordered, 0.5),
        p95,
        found.starts,
        objective.met(p95, found.cold_share),
    )
