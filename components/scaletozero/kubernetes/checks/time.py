"""Checks that every deadline of the chain outlasts what happens inside it. Each finding has the value to write."""

from __future__ import annotations

from collections.abc import Iterator

from model_packaging.findings import Finding
from scaletozero.kubernetes.cold_start import (
    DEPLOY_MARGIN_SECONDS,
    DEREGISTER_SECONDS,
    FALLBACK_SECONDS,
    replacement,
    up,
)
from scaletozero.kubernetes.derive import Derived
from scaletozero.kubernetes.manifests.cron import cron_triggers
from scaletozero.settings.gpu import GpuEndpointSettings


def time_findings(settings: GpuEndpointSettings, derived: Derived) -> Iterator[Finding]:
    """Everything about deadlines."""
    yield from _cooldown(settings, derived)
    yield from _hold(settings, derived)
    yield from _start(settings, derived)
    yield from _schedule(settings, derived)
    yield from _drain(settings, derived)
    yield from _picker(settings, derived)


def _cooldown(settings: GpuEndpointSettings, derived: Derived) -> Iterator[Finding]:
    need, got = up(derived.cold.total()), derived.deadlines.idle
    if settings.scaling.min == 0 and got < derived.cold.total():
        yield Finding(
            "scaling.idle_seconds",
            f"must be at least the cold start, {derived.cold.total()} s",
            str(got),
            "KEDA would remove a replica that is still loading once its client has given up: it would never be ready",
            f"write {need}",
        )


def _hold(settings: GpuEndpointSettings, derived: Derived) -> Iterator[Finding]:
    held, cold = derived.deadlines.hold, derived.cold.total()
    action = settings.on_cold.action
    if action == "hold" and held < cold:
        yield Finding(
            "on_cold.after_seconds",
            f"must be at least the cold start, {cold} s, unless there is a fallback",
            str(held),
            "the first request after a pause would fail with 504, every time",
            f"write {up(cold)}, or choose `action: fallback` or `action: reject`",
        )
    # Held, and then the time until the model's first byte.
    response = settings.serving.request_seconds
    waits = (0 if action == "reject" else held) + response
    for index, proxy in enumerate(settings.cluster.route):
        if proxy.timeout_seconds < waits:
            otherwise = "" if action == "hold" else ", or lower `serving.request_seconds`"
            if action == "hold" and proxy.timeout_seconds >= response + FALLBACK_SECONDS:
                otherwise = ", or choose `on_cold.action: fallback` or `reject`"
            yield Finding(
                f"cluster.route.{index}.timeout_seconds",
                f"must be at least as long as a request may be held and then wait for its first byte, {waits} s",
                f"{proxy.timeout_seconds} ({proxy.name})",
                f"{proxy.name} would end a request whose response is still to come",
                f"raise {proxy.name}'s timeout to {up(waits)}{otherwise}",
            )


def _start(settings: GpuEndpointSettings, derived: Derived) -> Iterator[Finding]:
    cold, deadlines = derived.cold, derived.deadlines
    if deadlines.startup < cold.loading:
        yield Finding(
            "overrides.startup_seconds",
            f"must be at least the time for weights and engine, {cold.loading} s",
            str(deadlines.startup),
            "the container would be killed while it loads, again and again",
            f"write {up(1.5 * cold.loading)}",
        )
    least = replacement(cold, deadlines.startup, deadlines.grace, waits=derived.waits)
    parts = "the old replica's grace, node, image and startup" if derived.waits else "node, image and startup"
    if deadlines.rollout < least:
        yield Finding(
            "overrides.rollout_seconds",
            f"must be at least {parts} together, {least} s",
            str(deadlines.rollout),
            "a rollout that is in progress would be reported as failed",
            f"write {up(least)}",
        )
    replicas = settings.scaling.max
    if deadlines.deploy < replicas * deadlines.rollout:
        each = f", for each of {replicas} replicas" if replicas > 1 else ""
        yield Finding(
            "overrides.deploy_seconds",
            f"must be at least the rollout's own deadline, {deadlines.rollout} s{each}",
            str(deadlines.deploy),
            "Pulumi would report a rollout as failed while Kubernetes still waits for it",
            f"write {replicas * deadlines.rollout + DEPLOY_MARGIN_SECONDS}",
        )


def _schedule(settings: GpuEndpointSettings, derived: Derived) -> Iterator[Finding]:
    if not settings.schedule:
        return
    lead, cold = derived.deadlines.lead, derived.cold.total()
    if lead < cold:
        yield Finding(
            "scaling.lead_seconds",
            f"must be at least the cold start, {cold} s",
            str(lead),
            "a window would open before its replicas are ready",
            f"write {up(cold, 60)}, or remove the setting",
        )
    triggers = (trigger["metadata"] for trigger in cron_triggers(settings.schedule, lead))
    if never := next((each for each in triggers if each["start"] == each["end"]), None):
        yield Finding(
            "schedule",
            "must leave a time at which each window is closed",
            f"a window that opens as it closes ({never['start']})",
            "KEDA would refuse the ScaledObject",
            "raise `scaling.min` instead of declaring a window that is always open",
        )


def _drain(settings: GpuEndpointSettings, derived: Derived) -> Iterator[Finding]:
    grace, drain = derived.deadlines.grace, derived.deadlines.drain
    if grace <= drain:
        yield Finding(
            "overrides.grace_seconds",
            f"must be longer than a pod's drain, {drain} s ({DEREGISTER_SECONDS} s and `serving.request_seconds`)",
            str(grace),
            "requests in flight would be cut off when a replica is deleted",
            f"write {drain + 15}, or lower `serving.request_seconds`",
        )
    pool = derived.pool
    if pool and pool.termination_grace_seconds is not None and grace > pool.termination_grace_seconds:
        most = pool.termination_grace_seconds - 15 - DEREGISTER_SECONDS
        yield Finding(
            "overrides.grace_seconds",
            f"must be at most the grace of a draining node of the pool {pool.name}, {pool.termination_grace_seconds} s",
            str(grace),
            "the node would be terminated with requests in flight, whatever the disruption budget says",
            f"raise the pool's `termination_grace_seconds` to {grace}"
            + (f", or write `serving.request_seconds: {most}`" if most > 0 else ""),
        )


def _picker(settings: GpuEndpointSettings, derived: Derived) -> Iterator[Finding]:
    ttl, cold = settings.cluster.endpoint_picker_ttl_seconds, derived.cold.total()
    if ttl is not None and settings.scaling.min == 0 and ttl < cold:
        yield Finding(
            "cluster.endpoint_picker_ttl_seconds",
            f"must be at least the cold start, {cold} s",
            str(ttl),
            "the endpoint picker would drop held requests while the model loads",
            f"set the picker's request TTL to {up(cold)} s",
        )
