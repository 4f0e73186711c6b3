"""Wakes an endpoint by force, measures its start, and lets it go to sleep, again and again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from scaletozero.cold_start.remembered import Start
from scaletozero.kubernetes.api import ApiError, Manifest
from scaletozero.kubernetes.starts import Unmeasured, why_unready
from scaletozero.kubernetes.wake import FORCE, MARGIN_SECONDS, Meter, WakePlan, failure, replicas
from scaletozero.kubernetes.watched import Sight, Watched

LOOK_SECONDS = 1.0
"""How often the cluster is looked at during a wake."""

PATIENCE_SECONDS = 300.0
"""How long the cluster may not answer until the run ends."""

RELEASE_SECONDS = 60.0
"""How long it is tried to let the endpoint go to sleep, if the cluster does not answer."""


class Cluster(Protocol):
    """The requests to a cluster."""

    def clock(self) -> datetime:
        """The server's time."""
        ...

    def patch(self, manifest: Manifest, change: Manifest) -> Any:
        """Changes an object."""
        ...


class StillAwakeError(RuntimeError):
    """The endpoint could not be let go to sleep."""


@dataclass
class Woken:
    """What came of the wakes.

    Attributes:
        watched: the measured starts, and the replicas without one.
        usd: what they cost so far, with what it costs until everything is asleep, from above.
        stopped: why not all were made; empty if all were.
        failed: whether that is a wake that failed.
    """

    watched: Watched
    usd: Decimal = Decimal(0)
    stopped: str = ""
    failed: bool = False
    starts: list[Start] = field(default_factory=list)

    @property
    def others(self) -> Sequence[Unmeasured]:
        """Replicas without a start."""
        return tuple(self.watched.failed.values())


@dataclass(frozen=True)
class Waker:
    """Wakes one endpoint.

    Attributes:
        api: its cluster.
        scaled: names its ScaledObject.
        look: what there is of it now.
        plan: the times and the price of a wake.
        say: receives lines about the progress.
        monotonic, sleep: the clock.
    """

    api: Cluster
    scaled: Manifest
    look: Callable[[], Sight]
    plan: WakePlan
    say: Callable[[str], object]
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep

    def run(self, starts: int, most_usd: Decimal | None, woken: Woken, on_start: Callable[[list[Start]], None]) -> None:
        """Makes so many wakes, one after the other.

        However it ends, by an exception too, the endpoint is no longer kept awake afterwards.

        Args:
            starts: how many.
            most_usd: it ends before they cost more, in USD.
            woken: receives what came of it, also if it is broken off.
            on_start: receives the new starts.

        Raises:
            ApiError: the cluster refuses, or has not answered for long.
            StillAwakeError: the endpoint could not be let go to sleep.
        """
        meter = Meter(self.plan)
        try:
            woken.watched.see(self._look())
            for number in range(1, starts + 1):
                self.say(f"start {number} of {starts}: waiting until it sleeps")
                woken.stopped = self._asleep(meter, most_usd) or self._too_dear(meter, most_usd, self.plan.nodes)
                if woken.stopped:
                    return
                with self._awake() as asked:
                    woken.stopped = self._one(asked, meter, most_usd, woken, on_start)
                if woken.stopped:
                    return
        finally:
            woken.usd = meter.to_sleep()

    def _one(
        self,
        asked: datetime,
        meter: Meter,
        most_usd: Decimal | None,
        woken: Woken,
        on_start: Callable[[list[Start]], None],
    ) -> str:
        """One wake. Returns why no other should follow; empty if one may."""
        began, watched = self.monotonic(), woken.watched
        before = {*watched.measured, *watched.failed}
        while True:
            self.sleep(LOOK_SECONDS)
            sight = self._look()
            since = self.monotonic() - began
            meter.see(self.monotonic(), sight)
            new = [_with_poll(each, asked) for each in watched.see(sight)]
            if new:
                woken.starts += new
                on_start(new)
            uids = {each["metadata"]["uid"] for each in sight.pods if not why_unready(each)}
            unmeasured = (uids & watched.failed.keys()) - before
            measured = watched.measured.keys() - before
            if len(measured) + len(unmeasured) >= self.plan.replicas:
                if measured:
                    return ""
                woken.failed = True
                return f"a start could not be measured: {watched.failed[unmeasured.pop()].why}"
            if why := failure(sight, since, self.plan, watched.measured):
                woken.failed = True
                return why
            if too_dear := self._too_dear(meter, most_usd, meter.nodes):
                return too_dear

    def _asleep(self, meter: Meter, most_usd: Decimal | None) -> str:
        """Waits until neither replicas nor nodes of a wake are left. Returns why it does not come to that."""
        began, longest = self.monotonic(), self.plan.after_seconds + MARGIN_SECONDS
        while True:
            sight = self._look()
            meter.see(self.monotonic(), sight)
            awake = replicas(sight.deployment) or len(sight.pods)
            if not awake and not meter.left(sight):
                return ""
            if self.monotonic() - began > longest:
                if awake:
                    return f"it does not sleep after {longest} s: callers or a window keep it awake"
                self.say("the nodes of the last wake are still there: the next has no phase `node`")
                return ""
            if too_dear := self._too_dear(meter, most_usd, meter.nodes):
                return too_dear
            self.sleep(LOOK_SECONDS)

    def _too_dear(self, meter: Meter, most_usd: Decimal | None, nodes: int) -> str:
        """Why it has to end now, so that it costs no more than it may."""
        if most_usd is None:
            return ""
        comes_to = meter.usd + self.plan.usd(self.plan.after_seconds, max(nodes, meter.nodes))
        if comes_to <= most_usd:
            return ""
        return f"the wakes cost {comes_to:.2f} USD until it sleeps, and may cost {most_usd:.2f}"

    def _look(self) -> Sight:
        began = self.monotonic()
        while True:
            try:
                return self.look()
            except ApiError as error:
                if self.monotonic() - began > PATIENCE_SECONDS or error.status in (401, 403):
                    raise
                self.sleep(LOOK_SECONDS)

    @contextlib.contextmanager
    def _awake(self) -> Iterator[datetime]:
        """While it is kept awake. Gives the time at which this was asked for, by the cluster's clock."""
        asked = self.api.clock()
        try:
            self.api.patch(self.scaled, {"metadata": {"annotations": {FORCE: "true"}}})
            yield asked
        finally:
            self._release()

    def _release(self) -> None:
        began = self.monotonic()
        while True:
            try:
                self.api.patch(self.scaled, {"metadata": {"annotations": {FORCE: None}}})
                return
            except ApiError as error:
                if self.monotonic() - began > RELEASE_SECONDS:
                    metadata = self.scaled["metadata"]
                    command = f"kubectl -n {metadata['namespace']} annotate scaledobject {metadata['name']} {FORCE}-"
                    raise StillAwakeError(f"it is still kept awake, which costs: run `{command}` ({error})") from None
                self.sleep(LOOK_SECONDS)


def _with_poll(start: Start, asked: datetime) -> Start:
    """The start with the time from the request until its pod was created, both by the cluster's clock.

    A pod that was there before was asked for by a caller, and nobody knows when.
    """
    poll = (start.at - asked).total_seconds()
    if poll < 0:
        return start
    return start.model_copy(update={"seconds": start.seconds.model_copy(update={"poll": poll})})
