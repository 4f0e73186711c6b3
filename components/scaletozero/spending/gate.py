"""The gate: a cap that could be exceeded, with nothing to keep it, is refused before anything is deployed. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from typing import Protocol

from model_packaging.findings import Finding
from scaletozero.settings.spending import Spending
from scaletozero.spending.estimate import EndpointEstimate, Estimate
from scaletozero.spending.money import HOURS, LONGEST_MONTH, bound

FUNCTION = "function"
"""The kind of what a gateway runs as."""


class Bounded(Protocol):
    """What has a part that is paid without a request, and a worst case."""

    @property
    def fixed(self) -> Decimal: ...
    @property
    def worst_per_hour(self) -> Decimal: ...


def gate_findings(spending: Spending, estimate: Estimate, path: str = "spending") -> list[Finding]:
    """What keeps an environment from its caps.

    Args:
        spending: the environment's caps.
        estimate: its estimate, each endpoint with its guard if it has one.
        path: where the caps stand.
    """
    return list(_findings(spending, estimate, path))


def _findings(spending: Spending, estimate: Estimate, path: str) -> Iterator[Finding]:
    whole, cap = f"{path}.cap_usd_per_month", spending.cap_usd_per_month
    for name, findings in estimate.unpriced:
        at = f"{path}.endpoints.{name}" if name in spending.endpoints else whole
        for each in findings:
            rule = f"needs every price of {name}: {each.path} {each.rule}"
            yield Finding(at, rule, each.got, "nobody could say whether the cap holds", each.fix)
    for each in estimate.endpoints:
        if (own := spending.endpoints.get(each.name)) is not None:
            yield from cap_findings(f"{path}.endpoints.{each.name}", own, each, stopped=each.guard is not None)
    if estimate.gateway is not None and estimate.gateway.cap is not None:
        held = estimate.gateway.guard is not None
        yield from cap_findings(f"{path}.gateway", estimate.gateway.cap, estimate.gateway, stopped=held)
    kept = _most_a_month(spending, estimate)
    stopped = bool(estimate.parts) and kept <= cap
    found = list(cap_findings(whole, cap, estimate, stopped=stopped, endpoints=estimate.parts))
    if found and kept < estimate.worst_per_hour * LONGEST_MONTH and estimate.fixed * LONGEST_MONTH / HOURS <= cap:
        found = [_guards_do_not_suffice(whole, cap, kept, open_door=estimate.gateway is not None)]
    yield from found


def _most_a_month(spending: Spending, estimate: Estimate) -> Decimal:
    """The most that a month of 31 days can cost: of an endpoint under a guard its cap, of any other its worst case."""
    most = Decimal(0)
    for each in estimate.endpoints:
        own = spending.endpoints.get(each.name) if each.guard else None
        most += each.worst_per_month if own is None else min(own, each.worst_per_month)
    if (door := estimate.gateway) is not None:
        own = door.cap if door.guard else None
        most += door.worst_per_month if own is None else min(own, door.worst_per_month)
    return most


def _guards_do_not_suffice(path: str, cap: Decimal, kept: Decimal, *, open_door: bool) -> Finding:
    each = "each endpoint, and `gateway` to the gateway" if open_door else "each endpoint"
    return Finding(
        path,
        f"must be at least the caps of the endpoints under the guard and the worst cases of the others, {bound(kept)}",
        f"{cap:f}",
        "it could be exceeded, while every endpoint is within its own cap or has none",
        f"lower the caps in `endpoints`, or give one to {each}; or write {_whole(kept)} or more",
    )


def cap_findings(
    path: str, cap: Decimal, it: Bounded, *, stopped: bool, endpoints: tuple[EndpointEstimate, ...] = ()
) -> Iterator[Finding]:
    """What is wrong between a cap and what it is a cap of.

    Args:
        path: where the cap stands.
        cap: USD a month.
        it: what it is a cap of.
        stopped: whether something stops it at the cap.
        endpoints: its parts, to name the dearest.
    """
    idle = it.fixed * LONGEST_MONTH / HOURS
    if cap < idle:
        yield Finding(
            path,
            f"must be at least what is paid without a request, {bound(idle)} in a month of 31 days",
            f"{cap:f}",
            "the cap would be exceeded by doing nothing",
            f"write {_whole(idle)} or more, or lower `min`, the schedules or the buffer",
        )
    elif not stopped and (worst := it.worst_per_hour * LONGEST_MONTH) > cap:
        dearest = max(endpoints, key=lambda each: each.worst_per_hour, default=None)
        most = f"; the most of it is {dearest.name}'s" if dearest and len(endpoints) > 1 else ""
        if dearest is not None and dearest.kind == FUNCTION:
            most += ", by its `concurrency`: write a cap as `gateway`, with a `guard`"
        yield Finding(
            path,
            f"must be at least the worst case, {bound(worst)} in a month of 31 days "
            f"({bound(it.worst_per_hour)} an hour), where nothing stops it",
            f"{cap:f}",
            f"it could be exceeded after {cap / it.worst_per_hour:,.0f} hours, and nothing would stop it",
            f"lower `scaling.max`{most}; or write {_whole(worst)} or more, or `enforce: warn`",
        )


def _whole(amount: Decimal) -> str:
    return f"{amount.quantize(Decimal(1), ROUND_CEILING):f}"
