"""Forced starts of an asynchronous endpoint: a request wakes it, its start is measured, and scaling lets it sleep.

Nothing keeps it awake: it sleeps again by its own policy, also if a run ends in the middle of a wake.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from model_packaging.findings import Finding
from scaletozero.cold_start.remembered import PhaseSeconds, Start
from scaletozero.kubernetes.starts import Unmeasured
from scaletozero.kubernetes.wake import WakePlan
from scaletozero.observability.past_starts import Kept, asked_for, forced_wake
from scaletozero.settings.pools import WAKE_COOLDOWN_SECONDS

LOOK_SECONDS = 1.0
"""How often the endpoint is looked at during a wake."""

LOG_SECONDS = 60.0
"""How long the containers' last lines may take until CloudWatch Logs shows them."""

ALARM_SECONDS = 300
"""How long it may take until instances are asked for: a minute's metric, its alarm, and CloudWatch's own delay."""

START_SECONDS = 1800
"""How long an instance may take until it responds; minutes are reported, and SageMaker's own limits are longer."""

SCALE_IN_SECONDS = 15 * 60
"""How long the backlog has to be low until target tracking removes an instance: 15 minutes' values (its AlarmLow)."""

MARGIN_SECONDS = 120
"""For an instance that is deleted, besides."""


def refused_wakes(endpoint: str, status: str, target: Mapping[str, Any] | None) -> Finding | None:
    """Why an asynchronous endpoint cannot be woken by a request; None if it can.

    Args:
        endpoint: its name in the environment.
        status: its status at SageMaker.
        target: its scalable target, as DescribeScalableTargets has it.
    """
    then = "nothing was woken"
    if status not in ("InService", "Updating"):
        return Finding(endpoint, "must be in service", status, then, "see `scaletozero status`, and deploy it again")
    if target is None:
        fix = "set `scaling.min` to 0, and run `scaletozero up`"
        return Finding(endpoint, "must sleep to be woken", "no scaling: it never sleeps", then, fix)
    if least := int(target.get("MinCapacity", 0)):
        fix = "set `scaling.min` to 0, or look at the starts of callers with `--past 7d`"
        return Finding(endpoint, "must sleep to be woken", f"a floor of {least}: it never sleeps now", then, fix)
    suspended = target.get("SuspendedState") or {}
    if suspended.get("DynamicScalingOutSuspended") or not int(target.get("MaxCapacity", 0)):
        got = "its scaling is suspended: a request would wait for an instance that does not come"
        return Finding(endpoint, "must not be paused", got, then, "run `scaletozero reopen` if a guard has closed it")
    return None


def wakes_plan(usd_per_hour: Decimal, idle_seconds: int, expected_seconds: int) -> WakePlan:
    """The times and the price of one wake.

    Args:
        usd_per_hour: price of an instance.
        idle_seconds: how long the backlog must be low before instances are removed.
        expected_seconds: how long a start should take.
    """
    limit = ALARM_SECONDS + START_SECONDS
    return WakePlan(1, 1, START_SECONDS, limit, idle_seconds + SCALE_IN_SECONDS, expected_seconds, usd_per_hour)


@dataclass(frozen=True)
class Instances:
    """What an endpoint has at a moment.

    Attributes:
        status: its status.
        current, desired: its instances.
        failure: why its last change failed; empty if it did not.
    """

    status: str
    current: int
    desired: int
    failure: str = ""

    @property
    def asleep(self) -> bool:
        """Whether there is no instance, and none comes."""
        return self.status == "InService" and not self.current and not self.desired


@dataclass(frozen=True)
class Request:
    """A request that was submitted: its id, and when, by the service's clock."""

    id: str
    at: datetime


@dataclass(frozen=True)
class Answer:
    """The outcome of a request: when it was there, and why it is none; empty if it is one."""

    at: datetime
    failed: str = ""


class Service(Protocol):
    """The requests to an asynchronous endpoint."""

    def clock(self) -> datetime:
        """The service's time."""
        ...

    def instances(self) -> Instances:
        """What it has now."""
        ...

    def submit(self) -> Request:
        """Submits a request."""
        ...

    def answer(self, request: Request) -> Answer | None:
        """The outcome of a request; None while there is none."""
        ...

    def kept(self, since: datetime) -> Kept:
        """What AWS keeps of it since then. Its metrics are not needed."""
        ...


@dataclass
class Forced:
    """What came of the starts.

    Attributes:
        starts: the measured ones.
        others: the requests without one.
        usd: what they cost so far, with what it costs until everything is asleep, from above.
        stopped: why not all were made; empty if all were.
        failed: whether that is a start that failed.
    """

    starts: list[Start] = field(default_factory=list)
    others: list[Unmeasured] = field(default_factory=list)
    usd: Decimal = Decimal(0)
    stopped: str = ""
    failed: bool = False


@dataclass
class _Meter:
    """What instances have cost so far: from when they were asked for until they are gone."""

    plan: WakePlan
    usd: Decimal = Decimal(0)
    count: int = 0
    _at: float | None = None

    def see(self, at: float, there: Instances) -> None:
        if self._at is not None:
            self.usd += self.plan.usd(at - self._at, self.count)
        self._at, self.count = at, max(there.current, there.desired)

    def to_sleep(self, least: int = 0) -> Decimal:
        """What it comes to if nothing more is asked of at least so many instances."""
        return self.usd + self.plan.usd(self.plan.after_seconds, max(self.count, least))


@dataclass(frozen=True)
class RequestWaker:
    """Wakes one asynchronous endpoint.

    Attributes:
        service: it.
        served: makes a start of its id, its begin and its phases.
        plan: the times and the price of a wake.
        say: receives lines about the progress.
        cooldown: seconds after a wake in which no other one begins.
        monotonic, sleep: the clock.
    """

    service: Service
    served: Callable[[str, datetime, PhaseSeconds], Start]
    plan: WakePlan
    say: Callable[[str], object]
    cooldown: float = WAKE_COOLDOWN_SECONDS
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep

    def run(self, starts: int, most_usd: Decimal | None, made: Forced, on_start: Callable[[Start], None]) -> None:
        """Makes so many wakes, one after the other, each once it sleeps again.

        Args:
            starts: how many.
            most_usd: it ends before they cost more, in USD.
            made: receives what came of it, also if it is broken off.
            on_start: receives each new start.
        """
        meter = _Meter(self.plan)
        try:
            for number in range(1, starts + 1):
                self.say(f"start {number} of {starts}: waiting until it sleeps")
                made.stopped = self._asleep(meter, most_usd) or self._too_dear(meter, most_usd, 1)
                if made.stopped:
                    return
                made.stopped = self._one(meter, most_usd, made, on_start)
                if made.stopped:
                    return
        finally:
            made.usd = meter.to_sleep()

    def _one(self, meter: _Meter, most_usd: Decimal | None, made: Forced, on_start: Callable[[Start], None]) -> str:
        """One wake. Returns why no other should follow; empty if one may."""
        old = self.service.instances().failure  # which the last change has left
        began, request = self.monotonic(), self.service.submit()
        # From here on an instance comes, and is paid for.
        meter.count = max(meter.count, 1)
        while True:
            self.sleep(LOOK_SECONDS)
            there, since = self.service.instances(), self.monotonic() - began
            meter.see(self.monotonic(), there)
            answer = self.service.answer(request)
            if answer and answer.failed:
                made.failed = True
                return f"the request failed: {answer.failed}"
            if answer:
                start = self._measured(request, answer)
                if isinstance(start, Unmeasured):
                    made.others.append(start)
                else:
                    made.starts.append(start)
                    on_start(start)
                return ""
            if why := self._failure(request, there, since, old):
                made.failed = True
                made.others.append(Unmeasured(request.id, why))
                return why
            if too_dear := self._too_dear(meter, most_usd, 1):
                return too_dear

    def _measured(self, request: Request, answer: Answer) -> Start | Unmeasured:
        """The start that a request has caused; its last lines may still be on their way."""
        began = self.monotonic()
        while True:
            wake = forced_wake(self.service.kept(request.at), request.at, answer.at)
            if wake.failed:
                return Unmeasured(request.id, wake.failed)
            if "model" in wake.seconds or self.monotonic() - began > LOG_SECONDS:
                return self.served(request.id, request.at, PhaseSeconds(**wake.seconds))
            self.sleep(LOOK_SECONDS)

    def _failure(self, request: Request, there: Instances, since: float, old: str) -> str:
        """Why a wake will not succeed, as far as this can be told already; empty while it may."""
        if there.failure and there.failure != old:
            return f"no instance: {there.failure}"
        if there.status == "Failed":
            return "the endpoint has failed"
        # Scaling records its failures, such as a lack of capacity or a quota, only among its activities.
        for each in self.service.kept(request.at).activities:
            if each.get("StatusCode") in ("Failed", "Unfulfilled") and each["StartTime"] >= request.at:
                return str(each.get("StatusMessage") or each["StatusCode"])
        if since > ALARM_SECONDS and not there.desired and not there.current:
            return f"no instance was asked for in {since:.0f} s: see the alarm on HasBacklogWithoutCapacity"
        if since > self.plan.limit_seconds:
            return f"no response after {since:.0f} s: its container does not start, see the endpoint's log"
        return ""

    def _asleep(self, meter: _Meter, most_usd: Decimal | None) -> str:
        """Waits until there is no instance. Returns why it does not come to that."""
        began, longest = self.monotonic(), self.plan.after_seconds + MARGIN_SECONDS
        while True:
            there = self.service.instances()
            meter.see(self.monotonic(), there)
            if there.asleep and self._rested():
                return ""
            if self.monotonic() - began > longest:
                return f"it does not sleep after {longest} s: callers or a window keep it awake"
            if too_dear := self._too_dear(meter, most_usd, 0):
                return too_dear
            self.sleep(LOOK_SECONDS)

    def _rested(self) -> bool:
        """Whether the policy that wakes it would act: within its cooldown a request waits longer than it has to."""
        since = self.service.clock() - timedelta(seconds=self.cooldown)
        return not any(each["StartTime"] > since for each in asked_for(self.service.kept(since).activities))

    def _too_dear(self, meter: _Meter, most_usd: Decimal | None, least: int) -> str:
        """Why it has to end now, so that it costs no more than it may."""
        # Until the next look, too.
        comes_to = meter.to_sleep(least) + self.plan.usd(LOOK_SECONDS, max(meter.count, least))
        if most_usd is None or comes_to <= most_usd:
            return ""
        return f"the starts cost {comes_to:.2f} USD until it sleeps, and may cost {most_usd:.2f}"
