"""The cold start and its deadlines as a table, for the preview."""

from __future__ import annotations

from scaletozero.cold_start.predict import Gain
from scaletozero.kubernetes.plan import GpuPlan
from scaletozero.kubernetes.predicted import shown
from scaletozero.settings.gpu import GpuEndpointSettings


def rows(plan: GpuPlan, settings: GpuEndpointSettings) -> list[tuple[str, int, str]]:
    """Each phase and each deadline: its name, its seconds, and their source or what they must outlast."""
    cold, deadlines = plan.derived.cold, plan.derived.deadlines
    total, replicas = cold.total(), settings.scaling.max
    waits = "the old replica's grace, " if plan.derived.waits else ""
    each = f", for each of {replicas} replicas" if replicas > 1 else ""
    predicted = plan.predicted
    beside = {name: f"; predicted {shown(each)}" for name, each in predicted.phases.items()}
    found = [(phase.name, phase.seconds, phase.source + beside.get(phase.name, "")) for phase in cold.phases]
    sums = f"; predicted {shown(predicted.total)}" if predicted.total and predicted.phases else ""
    found.append(("cold start", total, f"their sum{sums}"))
    if plan.warm and plan.warm.backend.kind in ("buffer", "static", "managed"):
        found.append(("cold start, node warm", cold.total("node"), "without the node"))
    elif plan.warm:
        found.append(("cold start, node warm", cold.total("image"), "without node and image"))
    if settings.on_cold.action != "reject":
        found.append(("held", deadlines.hold, f"then {'the fallback' if settings.on_cold.service else '504'}"))
    found += [
        (proxy.name, proxy.timeout_seconds, "outlasts the longest request, held or not")
        for proxy in settings.cluster.route
    ]
    found += [
        ("startup probe", deadlines.startup, f"outlasts weights and engine, {cold.loading} s"),
        ("rollout", deadlines.rollout, f"outlasts {waits}node, image and startup"),
        ("pulumi", deadlines.deploy, f"outlasts the rollout, {deadlines.rollout} s{each}"),
        ("drain", deadlines.drain, f"the longest request, {settings.serving.request_seconds} s, and its proxies"),
        ("grace", deadlines.grace, f"outlasts the drain, {deadlines.drain} s"),
    ]
    if settings.scaling.min == 0:
        found.append(("idle", deadlines.idle, f"outlasts the cold start, {total} s"))
    if settings.schedule:
        found.append(("window's lead", deadlines.lead, f"outlasts the cold start, {total} s"))
    return found + [_gain(each) for each in plan.predicted.gains if round(each.seconds) >= 1]


def _gain(gain: Gain) -> tuple[str, int, str]:
    beside = "is {with_}, without it {without}" if gain.on else "would be {with_}, is {without}"
    how = beside.format(with_=shown(gain.with_), without=shown(gain.without))
    return (gain.setting, -round(gain.seconds), f"predicted {gain.phase} {how}")


def text(plan: GpuPlan, settings: GpuEndpointSettings) -> str:
    """The table, and the notes."""
    lines = rows(plan, settings)
    width = max(len(name) for name, _, _ in lines)
    table = [f"{name:<{width}}  {seconds:>5} s  {why}" for name, seconds, why in lines]
    return "\n".join([f"{plan.namespace}/{plan.name}", *table, *plan.notes])
