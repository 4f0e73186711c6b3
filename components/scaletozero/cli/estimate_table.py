"""The table of an estimate with what each figure was before, and what is said below it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from scaletozero.spending.estimate import EndpointEstimate, Estimate
from scaletozero.spending.money import MICRO, bound, dollars
from scaletozero.spending.prices import stale_warning
from scaletozero.spending.traffic import SECONDS, Assumptions


def estimate_table(
    found: Estimate, deployed: Mapping[str, Any] | None = None
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The columns and the rows of an estimate.

    Args:
        deployed: the estimate of what is deployed, as the stack's output has it; each figure that differs is shown
            with it.
    """
    before = (deployed or {}).get("endpoints") or {}
    capped = any(each.cap is not None for each in found.parts)
    columns = ("endpoint", "on", "fixed a month", "1,000 requests", "expected a month", "worst an hour")
    rows = [_row(each, before.get(each.name) or {}, capped) for each in found.endpoints]
    rows += [(name, "not priced", *["-"] * (len(columns) - 2 + 3 * capped)) for name, _ in found.unpriced]
    if found.gateway is not None:
        rows.append(_row(found.gateway, (deployed or {}).get("gateway") or {}, capped))
    if len(rows) > 1:
        was = (deployed or {}).get("total") or {}
        figures = [
            _changed(dollars, was.get("fixed_usd_per_month"), found.fixed),
            "",
            _changed(dollars, was.get("expected_usd_per_month"), found.expected),
            _changed(bound, was.get("worst_usd_per_hour"), found.worst_per_hour),
        ]
        rows.append(("total", "", *figures, *[""] * (3 * capped)))
    return (*columns, *(("cap a month", "reached in", "stopped by") if capped else ())), rows


def estimate_notes(found: Estimate, assumed: Assumptions, deployed: Mapping[str, Any] | None = None) -> Iterator[str]:
    """What an estimate assumes, what is no longer in it, and what it cannot price."""
    before = (deployed or {}).get("endpoints") or {}
    kept = {each.name for each in found.endpoints} | {name for name, _ in found.unpriced}
    for name in sorted(before.keys() - kept):
        yield f"no longer: {name}, expected {dollars(amount(before[name].get('expected_usd_per_month')))} a month"
    if found.cap is not None and (hours := found.hours_to_cap) is not None:
        yield f"cap: {dollars(found.cap)} a month of all of it, which the worst case reaches in {hours:,.0f} h"
    if found.endpoints:
        yield f"assumed: {_assumed(found.endpoints, assumed)}"
    if found.gateway is not None:
        yield (
            f"assumed of the gateway: {found.gateway.traffic.requests:,} requests a month, of each endpoint that it "
            f"leads to and of each model behind an API, each {found.gateway.traffic.seconds.normalize():f} s; without "
            "what providers charge, which customers' caps bound"
        )
    for each in found.parts:
        if each.saturated:
            yield f"warning: {each.name} cannot serve so many requests: the rest would be refused, or wait for ever"
        for finding in each.unpriced:
            yield f"not in the figures of {each.name}: {finding}"
    for name, findings in found.unpriced:
        for finding in findings:
            yield f"not priced: {name}: {finding}"
    if warning := stale_warning(found.rows, datetime.now(UTC).date()):
        yield f"warning: {warning}"


def _row(each: EndpointEstimate, before: Mapping[str, Any], capped: bool) -> tuple[str, ...]:
    cells = (
        each.name,
        f"{each.kind}, {each.size}",
        _changed(dollars, before.get("fixed_usd_per_month"), each.fixed),
        _changed(dollars, before.get("usd_per_1000_requests"), each.per_thousand),
        _changed(dollars, before.get("expected_usd_per_month"), each.expected),
        _changed(bound, before.get("worst_usd_per_hour"), each.worst_per_hour),
    )
    if not capped:
        return cells
    hours = each.hours_to_cap
    guard = f"{each.guard.name}, {each.guard.seconds} s, {bound(each.overshoot)} over" if each.guard else "nothing"
    return (*cells, dollars(each.cap), f"{hours:,.1f} h" if hours is not None else "-", guard)


def _changed(shown: Callable[[Decimal], str], before: object, figure: Decimal) -> str:
    """A figure, with what it was where that is another one; it was kept as JSON, to a millionth of a dollar."""
    was = amount(before)
    now = shown(figure)
    return now if was is None or abs(was - figure) <= MICRO else f"{now} (was {shown(was)})"


def amount(value: object) -> Decimal | None:
    """A figure of an estimate that was kept as JSON; None where it is no number."""
    return Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _assumed(endpoints: Sequence[EndpointEstimate], assumed: Assumptions) -> str:
    each = ", ".join(f"{e.name} {e.traffic.seconds.normalize():f} s" for e in endpoints)
    tokens = (
        f", {assumed.input_tokens} tokens in and {assumed.output_tokens} out" if endpoints[0].traffic.tokens else ""
    )
    when = f" in {assumed.hours_per_month.normalize():f} hours" if assumed.hours_per_month != 730 else ""
    by_manifest = "" if assumed.seconds else f" (of the manifest, else {SECONDS} s)"
    return (
        f"{assumed.requests_per_month:,} requests a month{when} of each endpoint, {assumed.payload_bytes:,} bytes with "
        f"their response{tokens}; worked on for: {each}{by_manifest}"
    )
