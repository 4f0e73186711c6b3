"""Endpoints at SageMaker in simulated time, whose starts take known times, for `bench --starts`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from scaletozero.cold_start.remembered import PhaseSeconds, Start
from scaletozero.observability.forced_calls import METRICS, Called, Total, Totals
from scaletozero.observability.forced_wakes import Answer, Instances, Request
from scaletozero.observability.past_starts import Kept, Ready

BEGAN = datetime(2026, 11, 28, 12, tzinfo=UTC)


def served(name: str, at: datetime, seconds: PhaseSeconds) -> Start:
    """A start of what is served."""
    return Start(
        id=name,
        at=at,
        region="eu-central-1",
        instance_type="ml.g5.xlarge",
        image="111122223333.dkr.ecr.eu-central-1.amazonaws.com/acme/serving:1",
        artifact="a" * 64,
        seconds=seconds,
    )


@dataclass
class Clock:
    """Simulated time, in which something may happen at a second."""

    now: float = 0.0
    at_second: dict[int, Callable[[], object]] = field(default_factory=dict)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        before = int(self.now)
        self.now += seconds
        for second in range(before + 1, int(self.now) + 1):
            self.at_second.pop(second, lambda: None)()

    def moment(self, seconds: float) -> datetime:
        return BEGAN + timedelta(seconds=seconds)


@dataclass
class Asynchronous(Clock):
    """An asynchronous endpoint.

    Attributes:
        phases: of each wake, the seconds of `queue`, `alarm`, `instance`, `container`, `model` and `answer`.
        idle: how long an instance stays after its answer.
        log_delay: how late the containers' lines are.
        fails: why scaling fails; empty if it does not.
        dead: whether no container ever responds.
        deaf: whether no alarm goes off.
        model_error: the model's reason; empty if it answers.
        callers: whether callers keep it awake.
        failures: what went wrong with its last change: before the first request, and after.
    """

    phases: Sequence[Mapping[str, float]] = ()
    idle: float = 20
    failures: tuple[str, str] = ("", "")
    log_delay: float = 0
    fails: str = ""
    dead: bool = False
    deaf: bool = False
    model_error: str = ""
    callers: bool = False
    asked: list[float] = field(default_factory=list)

    def _at(self, number: int, phase: str) -> float:
        """When a phase of a wake begins."""
        passed = 0.0
        for name, seconds in self.phases[number].items():
            if name == phase:
                break
            passed += seconds
        return self.asked[number] + passed

    def _end(self, number: int) -> float:
        return self.asked[number] + sum(self.phases[number].values())

    def instance_seconds(self) -> float:
        """How long instances were there in all, once everything sleeps."""
        return sum(self._end(each) + self.idle - self._at(each, "instance") for each in range(len(self.asked)))

    def clock(self) -> datetime:
        return self.moment(self.now)

    def instances(self) -> Instances:
        number = len(self.asked) - 1
        there = self.callers
        if number >= 0 and not self.deaf and not self.fails:
            gone = float("inf") if self.dead else self._end(number) + self.idle
            there = there or self._at(number, "instance") <= self.now < gone
        current = there and (self.callers or self._at(number, "container") <= self.now)
        return Instances("InService", int(current), int(there), self.failures[bool(self.asked)])

    def submit(self) -> Request:
        self.asked.append(self.now)
        return Request(f"request-{len(self.asked)}", self.moment(self.now))

    def answer(self, request: Request) -> Answer | None:
        end = self._end(len(self.asked) - 1)
        if self.now < end or self.dead or self.deaf or self.fails:
            return None
        return Answer(self.moment(end), self.model_error)

    def kept(self, since: datetime) -> Kept:
        number = len(self.asked) - 1
        if number < 0:
            return Kept((), (), (), ())
        began = self._at(number, "instance")
        if self.deaf or self.now < began:
            return Kept((), (), (), ())
        activity: dict[str, Any] = {
            "Description": "Setting desired instance count to 1.",
            "Cause": "monitor alarm wake in state ALARM triggered policy wake",
            "StartTime": self.moment(began),
            "StatusCode": "Failed" if self.fails else "InProgress",
            "StatusMessage": self.fails,
        }
        alarm = {
            "AlarmName": "wake",
            "HistorySummary": "Alarm updated from OK to ALARM",
            "Timestamp": self.moment(self._at(number, "alarm")),
        }
        made, ready = self._at(number, "container"), self._at(number, "answer")
        stream = {"logStreamName": f"i-{number}", "creationTime": self.moment(made).timestamp() * 1000}
        line = Ready(self.moment(ready), f"i-{number}", self.phases[number]["model"] * 1000, {})
        seen = self.now >= ready + self.log_delay
        activities = [activity] if self.moment(began) >= since else []
        return Kept(activities, [alarm], [stream] if self.now >= made else [], [line] if seen else [])


@dataclass
class Serverless(Clock):
    """A serverless endpoint.

    Attributes:
        phases: of each start, the seconds of `setup` without what the server logs, its own phases, `overhead` and
            `answer`.
        idle: how long a container stays after its last response.
        metric_delay: how late metrics are.
        others: how many calls of others each call meets.
        fails: why a call fails; empty if it does not.
        counted: whether its containers can be counted.
    """

    phases: Sequence[Mapping[str, float]] = ()
    idle: float = 700
    metric_delay: float = 90
    others: int = 0
    fails: str = ""
    counted: bool = False
    calls: list[tuple[float, float, bool]] = field(default_factory=list)
    """Of each call: its begin and its end, and whether it was cold."""

    def _warm_until(self) -> float:
        return self.calls[-1][1] + self.idle if self.calls else -1.0

    def _cold(self) -> list[tuple[float, float, bool]]:
        return [each for each in self.calls if each[2]]

    def call(self) -> Called:
        began, cold = self.now, self.now >= self._warm_until()
        phases = self.phases[len(self._cold())] if cold else {"answer": 0.1}
        if not self.fails:
            self.sleep(sum(phases.values()))
            self.calls.append((began, self.now, cold))
        return Called(self.moment(began), self.moment(self.now), self.fails)

    def totals(self) -> Totals:
        sums = {each: [0, 0.0] for each in METRICS}
        cold = 0
        for _, end, was_cold in self.calls:
            phases = self.phases[cold] if was_cold else {"answer": 0.1}
            cold += was_cold
            if self.now < end + self.metric_delay:
                continue
            setup = sum(value for key, value in phases.items() if key not in ("overhead", "answer"))
            values = {
                "OverheadLatency": setup + phases.get("overhead", 0.0),
                "ModelLatency": phases["answer"],
                **({"ModelSetupTime": setup} if was_cold else {}),
            }
            for name, value in values.items():
                sums[name] = [sums[name][0] + 1, sums[name][1] + value * 1e6]
            sums["Invocations"][0] += 1 + self.others
        return {name: Total(int(count), total) for name, (count, total) in sums.items()}

    def ready(self, since: datetime, until: datetime) -> Sequence[Ready]:
        found = []
        for number, (began, end, _) in enumerate(self._cold()):
            phases = {key: value * 1000 for key, value in self.phases[number].items() if key in ("imports", "load")}
            if since <= self.moment(began) and self.moment(end) <= until:
                found.append(Ready(self.moment(end), "i", sum(phases.values()), phases))
        return found

    def instances(self) -> int | None:
        return int(self.now < self._warm_until()) if self.counted else None
