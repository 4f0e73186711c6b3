"""Finds the cheapest `min` or schedule that meets an objective, by replaying recorded calls through each. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from scaletozero.scaling.cost import CALL_MINUTES, HOURS, Rates
from scaletozero.scaling.simulation import Endpoint, Floor, Replay, WarmCalls, replay
from scaletozero.scaling.timeline import spans
from scaletozero.scaling.trace import Trace
from scaletozero.settings.schedules import DAY, Window, clock

QUANTILES = (0.5, 0.9, 0.99, 0.999)
"""Quantiles of the trace's concurrency, which are tried as floors."""

BUSY_SHARE = 0.9
"""The share of all calls that the proposed window contains."""


@dataclass(frozen=True)
class Plan:
    """A way to keep an endpoint warm.

    Attributes:
        name: the displayed name.
        floor: number of provisioned containers outside the windows.
        windows: the windows with a higher floor.
        by_calls: whether containers are kept warm in the windows by calls instead of provisioned concurrency.
    """

    name: str
    floor: int = 0
    windows: tuple[Window, ...] = ()
    by_calls: bool = False


@dataclass(frozen=True)
class Declared:
    """A declared endpoint, for a comparison with other plans.

    Attributes:
        plan: how the endpoint is kept warm.
        maximum: the maximum number of containers at a time.
        memory_mb: the memory of one container.
        rates: what a container costs.
    """

    plan: Plan
    maximum: int
    memory_mb: int
    rates: Rates


@dataclass(frozen=True)
class Outcome:
    """The result of replaying the trace through a plan.

    Attributes:
        usd_per_month: the trace's cost, extrapolated to a month of 730 hours.
        cold_share, refused_share: fractions of all calls.
        p99_seconds: the 99th percentile of the latency of processed calls.
        meets: whether 99 % of all calls, including the refused ones, were within the objective.
    """

    plan: Plan
    usd_per_month: float
    cold_share: float
    refused_share: float
    p99_seconds: float
    meets: bool
    cold_starts: int


def advise(
    trace: Trace,
    endpoint: Endpoint,
    rates: Rates,
    *,
    objective_seconds: float,
    timezone: str = "UTC",
    lead: int = 0,
    call_seconds: float = 0.0,
    declared: Sequence[Plan] = (),
    progress: Callable[[str], object] = lambda _: None,
) -> list[Outcome]:
    """Replays the trace through each plan. Returns the outcomes, the cheapest first.

    The plans are: nothing warm; floors at quantiles of the trace's concurrency, up to the first that meets the
    objective; the hours of the day with most calls, kept warm by provisioned concurrency and by calls; and the plan
    of the endpoint.

    Args:
        trace: recorded calls.
        endpoint: the endpoint that receives them.
        rates: what a container costs.
        objective_seconds: the objective for the 99th percentile of latency.
        timezone: time zone of the proposed window.
        lead: minutes by which a window is opened early.
        call_seconds: how long a call that keeps a container warm takes.
        declared: additional plans.
        progress: receives the name of every plan before it is replayed.
    """
    ordered = sorted(trace.durations)

    def run(plan: Plan) -> tuple[Outcome, Replay]:
        progress(plan.name)
        found = replay(trace, endpoint, list(events(plan, trace, lead, call_seconds)))
        p99 = found.percentile(0.99, ordered)
        meets = found.refused <= 0.01 * found.calls and p99 <= objective_seconds
        return _outcome(plan, found, trace, rates, p99, meets), found

    nothing, seen = run(Plan("min 0"))
    outcomes = [nothing]
    levels = [level for level in _levels(seen, endpoint.maximum) if level]
    for level in levels:
        if outcomes[-1].meets:
            break
        outcomes.append(run(Plan(f"min {level}", level))[0])
    enough = outcomes[-1].plan.floor
    if enough > 1 and (window := busy_window(trace, timezone, enough)):
        shown = f"{clock(window.start)}-{clock(window.end)}"
        outcomes.append(run(Plan(f"min 1, {enough} from {shown}", 1, (window,)))[0])
        outcomes.append(run(Plan(f"calls, {enough} from {shown}", 0, (window,), by_calls=True))[0])
    known = {(each.plan.floor, each.plan.windows, each.plan.by_calls) for each in outcomes}
    outcomes += [run(plan)[0] for plan in declared if (plan.floor, plan.windows, plan.by_calls) not in known]
    return sorted(outcomes, key=lambda each: (each.usd_per_month, each.plan.name))


def cheapest(outcomes: Iterable[Outcome]) -> Outcome | None:
    """The cheapest outcome that meets the objective."""
    return min((each for each in outcomes if each.meets), key=lambda each: each.usd_per_month, default=None)


def _levels(seen: Replay, maximum: int) -> list[int]:
    found, total = [], 0
    wanted = [quantile * seen.calls for quantile in QUANTILES]
    for level, count in sorted(seen.concurrency.items()):
        total += count
        while wanted and total >= wanted[0]:
            found.append(min(level, maximum))
            wanted.pop(0)
    return sorted(set(found))


def _outcome(plan: Plan, found: Replay, trace: Trace, rates: Rates, p99: float, meets: bool) -> Outcome:
    usd = (
        found.busy_on_demand * rates.on_demand
        + found.provisioned_seconds * rates.provisioned
        + found.busy_provisioned * rates.provisioned_work
    )
    refused = found.refused / found.calls
    month = usd * HOURS * 3600 / trace.seconds
    return Outcome(plan, month, found.cold_share, refused, p99, meets, found.cold_starts)


def events(plan: Plan, trace: Trace, lead: int, call_seconds: float) -> Iterator[Floor | WarmCalls]:
    """The events of a plan during a trace, in order of time."""
    if plan.by_calls:
        for begin, end, floor in _opened(plan, trace, lead):
            at = begin
            while at < end:
                yield WarmCalls(at, floor, call_seconds)
                at += CALL_MINUTES * 60
        return
    yield Floor(trace.starts[0], plan.floor)
    changes = [(begin, floor) for begin, _, floor in _opened(plan, trace, lead)]
    ends = [(end, plan.floor) for _, end, _ in _opened(plan, trace, lead)]
    begins = {at for at, _ in changes}
    for at, floor in sorted([*changes, *((at, floor) for at, floor in ends if at not in begins)]):
        yield Floor(at, floor)


def _opened(plan: Plan, trace: Trace, lead: int) -> Iterator[tuple[float, float, int]]:
    """(begin, end, floor) of every opening of the plan's windows that overlaps the trace, in order."""
    first = datetime.fromtimestamp(trace.starts[0], UTC).date() - timedelta(days=1)
    last = datetime.fromtimestamp(trace.starts[0] + trace.seconds, UTC).date() + timedelta(days=1)
    stretches: list[tuple[float, float, int]] = []
    for span in spans(plan.windows, lead=lead):
        zone = ZoneInfo(span.timezone)
        for step in range((last - first).days + 1):
            day = first + timedelta(days=step)
            if span.day in (day.weekday(), day.isoformat()):
                midnight = datetime(day.year, day.month, day.day)
                begin = (midnight + timedelta(minutes=span.start)).replace(tzinfo=zone).timestamp()
                end = (midnight + timedelta(minutes=span.end)).replace(tzinfo=zone, fold=1).timestamp()
                stretches.append((begin, end, span.floor))
    finish = trace.starts[0] + trace.seconds
    yield from sorted(each for each in stretches if each[1] > trace.starts[0] and each[0] < finish)


def busy_window(trace: Trace, timezone: str, floor: int) -> Window | None:
    """The shortest daily range of whole hours that contains most of the calls; None if that is nearly all day."""
    zone = ZoneInfo(timezone)
    hours = [0] * 24
    offset, until = 0.0, -math.inf
    for start in trace.starts:
        if start >= until:  # a zone's offset is computed once per hour, not once per call
            moment = datetime.fromtimestamp(start, zone)
            offset = (moment.utcoffset() or timedelta()).total_seconds()
            until = start - (start % 3600) + 3600
        hours[int((start + offset) // 3600) % 24] += 1
    total = sum(hours)
    for length in range(1, 21):
        counts = [sum(hours[(begin + step) % 24] for step in range(length)) for begin in range(24)]
        best = max(range(24), key=counts.__getitem__)
        if counts[best] >= BUSY_SHARE * total:
            end = best + length
            return Window(
                start=best * 60,
                end=end * 60 if end * 60 <= DAY else (end - 24) * 60,
                overnight=end > 24,
                timezone=timezone,
                min=floor,
            )
    return None
