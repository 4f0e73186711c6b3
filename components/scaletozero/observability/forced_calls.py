"""Forced starts of a serverless endpoint: one call at a time, after a wait in which its idle containers end.

SageMaker neither says how long it keeps an idle container, nor ends one. More concurrency than containers would force
starts as well, but takes it from callers, and a changed configuration would make all of them meet a start. So a call is
made after a wait, which becomes longer while calls find a container. What a call was is read from the endpoint's
metrics: how much each of them grew by it, so that calls in one minute can be told apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from model_packaging.findings import Finding
from model_packaging.serving.limits import INVOCATION_SECONDS
from scaletozero.cold_start.remembered import PhaseSeconds, Start
from scaletozero.kubernetes.starts import Unmeasured
from scaletozero.observability.forced_wakes import LOOK_SECONDS, Forced
from scaletozero.observability.past_starts import Ready

SETUP_SECONDS = 180
"""The longest start: time for the download and the first healthy /ping (developer guide, serverless endpoints)."""

IDLE_SECONDS = 600
"""The first wait. AWS publishes none; minutes are reported."""

LONGEST_IDLE_SECONDS = 3600
"""The longest wait until an endpoint counts as one that callers keep warm."""

METRIC_SECONDS = 600
"""How long CloudWatch may take until a call's metrics are there."""

METRICS = ("Invocations", "ModelSetupTime", "OverheadLatency", "ModelLatency")
"""Metrics that a call grows; all but the first in microseconds."""

LOGGED = ("python", "imports", "verify", "load", "canary")
"""The phases that the server in the container logs."""


@dataclass(frozen=True)
class Total:
    """A metric since the begin: how many samples, and their sum."""

    count: int = 0
    total: float = 0.0

    def less(self, other: Total) -> Total:
        """What was added since `other`."""
        return Total(self.count - other.count, self.total - other.total)


Totals = Mapping[str, Total]


@dataclass(frozen=True)
class Called:
    """A call: when it began and ended, by this machine's clock, and why it failed; empty if it did not."""

    at: datetime
    until: datetime
    failed: str = ""


class Serverless(Protocol):
    """The requests to a serverless endpoint."""

    def call(self) -> Called:
        """Sends one call, and waits for its response."""
        ...

    def totals(self) -> Totals:
        """Its metrics since the begin of the run."""
        ...

    def ready(self, since: datetime, until: datetime) -> Sequence[Ready]:
        """What containers logged when they could respond."""
        ...

    def instances(self) -> int | None:
        """How many containers there are; None where nobody says."""
        ...


def refused_calls(endpoint: str, status: str, provisioned: int) -> Finding | None:
    """Why a start of a serverless endpoint cannot be forced; None if it can.

    Args:
        endpoint: its name in the environment.
        status: its status at SageMaker.
        provisioned: its provisioned concurrency.
    """
    then = "nothing was called"
    if status not in ("InService", "Updating"):
        return Finding(endpoint, "must be in service", status, then, "see `scaletozero status`, and deploy it again")
    if provisioned:
        got = f"provisioned concurrency of {provisioned}: it never sleeps now"
        fix = "set `scaling.min` to 0, or look at the starts of callers with `--past 7d`"
        return Finding(endpoint, "must sleep to be started", got, then, fix)
    return None


@dataclass(frozen=True)
class CallPlan:
    """The price and the times of the calls.

    Attributes:
        usd_per_second: price of a second of one container.
        idle_seconds: the first wait.
        expected_seconds: how long a call with a start should take.
    """

    usd_per_second: Decimal
    idle_seconds: float = IDLE_SECONDS
    expected_seconds: float = 10

    @property
    def waits(self) -> list[float]:
        """The waits before the calls of one start, until it is given up."""
        found = [self.idle_seconds]
        while found[-1] < LONGEST_IDLE_SECONDS:
            found.append(min(2 * found[-1], LONGEST_IDLE_SECONDS))
        return found

    def bound(self, starts: int) -> Decimal:
        """The most that so many starts cost, in USD: each needs all calls, and all take as long as they may.

        Whether AWS bills the start is documented nowhere, so it counts.
        """
        return starts * len(self.waits) * self.usd(SETUP_SECONDS + INVOCATION_SECONDS)

    def expected(self, starts: int) -> Decimal:
        """What so many starts should cost, in USD."""
        return starts * self.usd(self.expected_seconds)

    def usd(self, seconds: float) -> Decimal:
        """The price of one container for so long."""
        return Decimal(str(seconds)) * self.usd_per_second


@dataclass(frozen=True)
class Caller:
    """Calls one serverless endpoint.

    Attributes:
        service: it.
        served: makes a start of its id, its begin and its phases.
        plan: the price and the times.
        say: receives lines about the progress.
        monotonic, sleep: the clock.
    """

    service: Serverless
    served: Callable[[str, datetime, PhaseSeconds], Start]
    plan: CallPlan
    say: Callable[[str], object]
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep

    def run(self, starts: int, most_usd: Decimal | None, made: Forced, on_start: Callable[[Start], None]) -> None:
        """Makes so many starts.

        Args:
            starts: how many.
            most_usd: it ends before they cost more, in USD.
            made: receives what came of it, also if it is broken off.
            on_start: receives each new start.
        """
        for number in range(1, starts + 1):
            self.say(f"start {number} of {starts}: waiting until its containers have ended")
            made.stopped = self._one(number, most_usd, made, on_start)
            if made.stopped:
                return

    def _one(self, number: int, most_usd: Decimal | None, made: Forced, on_start: Callable[[Start], None]) -> str:
        """Calls until one has met a start that could be measured. Returns why no other should follow."""
        why = ""
        for wait in self.plan.waits:
            self._idle(wait)
            longest = self.plan.usd(SETUP_SECONDS + INVOCATION_SECONDS)
            if most_usd is not None and made.usd + longest > most_usd:
                return f"a call may cost {longest:.4f} USD more, and the starts may cost {most_usd:.4f}"
            before = self.service.totals()
            call = self.service.call()
            made.usd += self.plan.usd((call.until - call.at).total_seconds())
            if call.failed:
                made.failed = True
                made.others.append(Unmeasured(f"call {number}", call.failed))
                return f"the call failed: {call.failed}"
            grown = self._grown(before)
            if grown is None:
                made.failed = True
                return f"CloudWatch has no metrics of a call after {METRIC_SECONDS} s: it counts as none"
            if grown["Invocations"].count > 1:
                made.others.append(Unmeasured(f"call {number}", "others called at the same time"))
                why = "callers keep it awake"
            elif not grown["ModelSetupTime"].count:
                why = f"a container was still there after {wait:g} s"
            else:
                start = self._start(call, grown)
                made.starts.append(start)
                on_start(start)
                return ""
        return f"it does not sleep: {why}"

    def _idle(self, seconds: float) -> None:
        """Waits; where containers can be counted, only until there are none."""
        until = self.monotonic() + seconds
        while self.monotonic() < until and self.service.instances() != 0:
            self.sleep(LOOK_SECONDS)

    def _grown(self, before: Totals) -> Totals | None:
        """What metrics grew by a call, once they are there and two looks see the same; None if they do not come."""
        began, last = self.monotonic(), None
        while self.monotonic() - began < METRIC_SECONDS:
            now = self.service.totals()
            grown = {each: now.get(each, Total()).less(before.get(each, Total())) for each in METRICS}
            if grown["Invocations"].count and grown["OverheadLatency"].count and grown == last:
                return grown
            last = grown
            self.sleep(LOOK_SECONDS)
        return None

    def _start(self, call: Called, grown: Totals) -> Start:
        """The phases of a call that met a start, in seconds. The overhead includes the start."""
        setup, overhead, model = (grown[each].total / 1e6 for each in METRICS[1:])
        second = timedelta(seconds=1)
        logged = self.service.ready(call.at - second, call.until + second)
        inside = {phase: logged[-1].phases[phase] / 1000 for phase in LOGGED if logged and phase in logged[-1].phases}
        return self.served(
            f"call-{call.at:%Y%m%dT%H%M%S.%f}",
            call.at,
            PhaseSeconds(
                setup=max(0.0, setup - sum(inside.values())),
                overhead=max(0.0, overhead - setup),
                answer=model,
                **inside,
            ),
        )
