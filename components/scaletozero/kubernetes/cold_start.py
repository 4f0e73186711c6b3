"""The duration of a cold start, phase by phase, and the deadlines that follow from it.

Each phase has a default, which a measured value replaces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scaletozero.cold_start.remembered import Recalled
from scaletozero.settings.cluster import Cluster, Pool
from scaletozero.settings.gpu import GpuEndpoint

NODE_SECONDS = 90
"""A node of Karpenter or EKS Auto Mode, from the unschedulable pod to Ready: 30 to 90 s are reported."""
PULL_GB_PER_SECOND = 0.06
"""A container image, pulled and unpacked without any help: 15 to 20 GB take 4 to 6 minutes."""
WEIGHTS_GB_PER_SECOND = 0.8
"""Weights streamed from S3 to a GPU: 16 GB take 20 s."""
ENGINE_SECONDS = 60
"""An engine's compilation and warm-up: 30 to 120 s are reported."""
POLL_SECONDS = 5
"""Until KEDA has counted the request, and the probe has succeeded."""

Warmth = Literal["cold", "node", "image"]
"""What is ready already: nothing, the node, or the node with the image."""


@dataclass(frozen=True)
class Phase:
    """A phase.

    Attributes:
        name: its name.
        seconds: its time.
        source: the source of the figure.
        measured: whether it was measured, or written by hand.
    """

    name: str
    seconds: int
    source: str
    measured: bool = False


@dataclass(frozen=True)
class ColdStart:
    """A cold start's phases, in order."""

    node: Phase
    pull: Phase
    weights: Phase
    engine: Phase
    poll: Phase = Phase("poll", POLL_SECONDS, "default")

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All phases."""
        return (self.node, self.pull, self.weights, self.engine, self.poll)

    @property
    def loading(self) -> int:
        """Seconds from the start of the container to the first response."""
        return self.weights.seconds + self.engine.seconds

    def total(self, warm: Warmth = "cold") -> int:
        """Seconds from the first request to the first response."""
        skipped = {"cold": 0, "node": self.node.seconds, "image": self.node.seconds + self.pull.seconds}[warm]
        return sum(phase.seconds for phase in self.phases) - skipped


NOTHING = Recalled({}, {})


def cold_start(
    settings: GpuEndpoint, weights_bytes: int, cluster: Cluster, pool: Pool | None, recalled: Recalled = NOTHING
) -> ColdStart:
    """The cold start of an endpoint. A phase that is written by hand comes before a measured one.

    Args:
        settings: the endpoint.
        weights_bytes: size of its weights in bytes.
        cluster: its cluster.
        pool: its pool of nodes.
        recalled: what was measured of it.
    """
    measured, known = settings.cold_start, loading_phases(settings, recalled)

    def phase(name: str, given: int | None, seconds: float, source: str) -> Phase:
        if given is not None:
            return Phase(name, given, "given", measured=True)
        # A node that is always there, and an image on its disk, take no time, whatever was measured before.
        return known[name] if name in known and seconds else Phase(name, math.ceil(seconds), source)

    image_gb, weights_gb = settings.serving.image_gb, weights_bytes / 1e9
    if pool and pool.cached_image:
        pull = phase("pull", measured.pull, 0, "on the node's disk")
    else:
        how = f"{image_gb:g} GB at {PULL_GB_PER_SECOND} GB/s"
        pull = phase("pull", measured.pull, image_gb / PULL_GB_PER_SECOND, how)
    always = pool is not None and pool.static is not None
    return ColdStart(
        phase("node", measured.node, 0 if always else NODE_SECONDS, "always there" if always else "default"),
        pull,
        phase(
            "weights",
            measured.weights,
            weights_gb / WEIGHTS_GB_PER_SECOND,
            f"{weights_gb:.1f} GB at {WEIGHTS_GB_PER_SECOND} GB/s",
        ),
        phase("engine", measured.engine, ENGINE_SECONDS, "default"),
        known.get("poll", Phase("poll", POLL_SECONDS, "default")),
    )


def loading_phases(settings: GpuEndpoint, recalled: Recalled) -> dict[str, Phase]:
    """The measured phases. A pod does not say when its weights were loaded: the engine's phase has both, less what is
    given by hand of either."""
    found = {
        name: Phase(name, math.ceil(recalled.seconds[name]), recalled.sources[name], measured=True)
        for name in ("poll", "node", "pull")
        if name in recalled.seconds
    }
    if "load" in recalled.seconds:
        load, source, by_hand = math.ceil(recalled.seconds["load"]), recalled.sources["load"], settings.cold_start
        given = (by_hand.weights or 0) + (by_hand.engine or 0)
        rest = "weights" if by_hand.weights is None and by_hand.engine is not None else "engine"
        if rest == "engine" and by_hand.weights is None:
            source += ", with the weights"
            found["weights"] = Phase("weights", 0, "in the engine's", measured=True)
        found[rest] = Phase(rest, max(load - given, 0), source, measured=True)
    return found


@dataclass(frozen=True)
class Deadlines:
    """Deadlines in seconds. See `deadlines` for how they are derived."""

    startup: int
    rollout: int
    deploy: int
    hold: int
    idle: int
    lead: int
    drain: int
    grace: int


DEREGISTER_SECONDS = 15
"""Until no proxy sends new requests to a terminating pod."""


def replacement(cold: ColdStart, startup: int, grace: int, *, waits: bool) -> int:
    """Seconds until a replica has been replaced.

    Args:
        cold: the cold start.
        startup: seconds that the startup probe allows.
        grace: seconds that a terminating replica may take, during which it keeps its GPUs.
        waits: whether the new replica may have to wait for the GPUs of an old one.
    """
    return cold.node.seconds + cold.pull.seconds + startup + (grace if waits else 0)


FALLBACK_SECONDS = 2
"""How long a request is held before it is sent to the fallback."""
DEPLOY_MARGIN_SECONDS = 120
"""For everything besides the rollout, until Pulumi has detected its end."""


def deadlines(settings: GpuEndpoint, cold: ColdStart, *, surge: bool, waits: bool) -> Deadlines:
    """Every deadline, as declared or as it follows from the cold start.

    The engine gets half as much again as it should need; each outer link outlasts the inner ones. The Deployment's
    deadline for a rollout starts again with every replica; Pulumi's covers all replicas, one after the other.

    Args:
        settings: the endpoint.
        cold: its cold start.
        surge: whether a rollout may start a new replica before it stops an old one.
        waits: whether a new replica may have to wait for the GPUs of an old one.
    """
    given, scaling = settings.overrides, settings.scaling
    drain = DEREGISTER_SECONDS + settings.serving.request_seconds
    grace = given.grace_seconds or drain + 15
    startup = given.startup_seconds or up(1.5 * cold.loading)
    rollout = given.rollout_seconds or up(replacement(cold, startup, grace, waits=waits))
    # Only without a surge is there a moment with no replica ready.
    gap = given.rollout_seconds or up(replacement(cold, startup, grace, waits=not surge))
    hold = settings.on_cold.after_seconds
    if hold is None:
        hold = (
            FALLBACK_SECONDS
            if settings.on_cold.action == "fallback"
            else max(gap + cold.poll.seconds, up(cold.total()))
        )
    return Deadlines(
        startup=startup,
        rollout=rollout,
        deploy=given.deploy_seconds or scaling.max * rollout + DEPLOY_MARGIN_SECONDS,
        hold=hold,
        idle=max(300, up(cold.total())) if scaling.idle_seconds is None else scaling.idle_seconds,
        lead=up(cold.total(), 60) if scaling.lead_seconds is None else scaling.lead_seconds,
        drain=drain,
        grace=grace,
    )


def up(seconds: float, step: int = 10) -> int:
    """Rounds up to a multiple of `step`."""
    return math.ceil(seconds / step) * step
