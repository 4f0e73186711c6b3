"""Cold starts that are forced, on real controllers: known delays are measured, phase by phase."""

import random
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from clusters import eventually
from known_starts import LOAD, PULL, independent_look
from live import Live

from scaletozero.cold_start.remembered import Start
from scaletozero.kubernetes.cold_start import Phase
from scaletozero.kubernetes.look import look
from scaletozero.kubernetes.wake import FORCE, refused, wake_plan
from scaletozero.kubernetes.waking import LOOK_SECONDS, Waker, Woken
from scaletozero.kubernetes.watched import Watched
from scaletozero.sandbox.cluster.controllers import NODE_CLASS

STARTS = 4
POLL = LOOK_SECONDS + 1
"""One look, and the second that the API rounds to."""


class Delayed:
    """The cluster, in which each wake has the next of the known delays."""

    def __init__(self, live: Live, place: str, delays: list[dict[str, int]]) -> None:
        self.live, self.place, self.delays = live, place, iter(delays)
        self.clock = live.api.clock
        self.asked = list[float]()

    def patch(self, manifest: Any, change: Any) -> Any:
        if change["metadata"]["annotations"][FORCE]:
            delay = next(self.delays)
            self.node(delay["node"])
            deployment = self.live.manifest("apps/v1", "Deployment", self.place, "llm")
            annotations = {PULL: f"{delay['pull']}s", LOAD: f"{delay['load']}s"}
            self.live.api.patch(deployment, {"spec": {"template": {"metadata": {"annotations": annotations}}}})
            self.asked.append(time.monotonic())
        return self.live.api.patch(manifest, change)

    def node(self, seconds: int) -> None:
        version = f"{NODE_CLASS['group']}/v1alpha1"
        self.live.api.apply(
            {
                "apiVersion": version,
                "kind": NODE_CLASS["kind"],
                "metadata": {"name": self.place},
                "spec": {"nodeRegistrationDelay": f"{seconds}s"},
            }
        )


@pytest.fixture
def delayed(live: Live, place: str) -> Iterator[tuple[Delayed, list[dict[str, int]]]]:
    chance = random.Random(15)
    delays = [{each: chance.randint(2, 12) for each in ("node", "pull", "load")} for _ in range(STARTS)]
    cluster = Delayed(live, place, delays)
    cluster.node(0)
    yield cluster, delays
    live.api.delete(live.manifest(f"{NODE_CLASS['group']}/v1alpha1", NODE_CLASS["kind"], None, place))


def test_known_delays_are_measured_by_phase_within_one_poll(
    live: Live, place: str, delayed: tuple[Delayed, list[dict[str, int]]]
) -> None:
    cluster, delays = delayed
    live.space(place)
    live.pool(place, node_class=place)
    planned = live.declare(place, pool=place, scaling__wake=1)
    manifest = live.manifest("keda.sh/v1alpha1", "ScaledObject", place, "llm")

    def ready() -> dict[str, Any] | None:
        found = live.api.get(manifest) or {}
        conditions = (found.get("status") or {}).get("conditions") or ()
        return found if {each["type"]: each["status"] for each in conditions}.get("Ready") == "True" else None

    scaled = eventually(ready)
    assert scaled
    assert refused("llm", scaled) is None
    deployment = live.api.get(live.manifest("apps/v1", "Deployment", place, "llm"))
    assert deployment
    cold = planned.derived.cold
    assert isinstance(cold.node, Phase)
    plan = wake_plan(scaled, deployment, cold, 5, 1, Decimal(1))
    woken, lines, heard = Woken(Watched("eu-central-1")), list[str](), list[Start]()
    waker = Waker(cluster, manifest, lambda: look(live.api, place, "llm"), plan, lines.append)
    with independent_look(live.api, place) as seen:
        waker.run(STARTS, None, woken, heard.extend)

    assert (woken.stopped, woken.others) == ("", ())
    assert len(woken.starts) == STARTS
    for start, known, asked in zip(woken.starts, delays, cluster.asked, strict=True):
        measured = {key: value for key, value in start.seconds.model_dump(exclude_none=True).items() if key != "poll"}
        other = seen.phases(start.id)
        print(known, measured, {key: round(value, 1) for key, value in other.items()}, start.seconds.poll)
        for phase, seconds in measured.items():
            assert seconds == pytest.approx(other[phase], abs=POLL), (phase, known, measured, other)
        # kwok ends its stages on time; a node takes what Karpenter takes to decide, besides.
        assert measured["pull"] == pytest.approx(known["pull"], abs=POLL)
        assert measured["load"] == pytest.approx(known["load"], abs=POLL)
        assert measured["node"] >= known["node"] - 1
        # How long KEDA takes to see it is its own, and longer than its interval on a busy machine.
        assert start.seconds.poll == pytest.approx(seen.moments[start.id]["created"] - asked, abs=POLL)
    # It is no longer kept awake, and sleeps.
    assert FORCE not in ((live.api.get(manifest) or {})["metadata"].get("annotations") or {})
    live.gone(place, place)
    assert Decimal(0) < woken.usd <= plan.bound(STARTS)
