"""`advise` for endpoints on instances: asynchronous ones, and those on GPUs of a cluster."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scaletozero.cli.calls import Calls
from scaletozero.cli.output import done, findings_as_exit, print_json, say, table
from scaletozero.endpoints.kinds import kind_of
from scaletozero.environment.project import find_project
from scaletozero.scaling.fleet_advice import (
    DeclaredFleet,
    FleetOutcome,
    Objective,
    advise_fleet,
    cheapest_fleet,
)
from scaletozero.scaling.trace import Trace
from scaletozero.spending.prices import prices


def advise_instances(
    endpoint: str,
    environment: str,
    calls_of: Calls,
    objective: Objective,
    *,
    timezone: str,
    region: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Replays recorded calls on an endpoint's instances, and shows what each way to keep some ready costs.

    Args:
        endpoint, environment: the endpoint, of a kind on instances.
        calls_of: where the calls are read from.
        objective: what is to be met.
        timezone: time zone of the proposed window.
        region: Region of the prices; None for the environment's.
        seed: of durations that the trace does not have.
        as_json: print JSON.
    """
    with findings_as_exit():
        settings = find_project().environment(environment)
        written = settings.endpoints[endpoint]
        declared = kind_of(written).as_fleet(written, settings.opened[endpoint], region or settings.region, prices())
        assert declared
        calls = calls_of.read(declared.work_seconds, seed)
    outcomes = advise_fleet(
        calls,
        declared,
        objective,
        timezone=timezone,
        progress=lambda name: say(f"replaying {len(calls.starts)} calls: {name}"),
    )
    best = cheapest_fleet(outcomes)
    if as_json:
        print_json(_report(declared, calls, objective, outcomes, best))
        return
    _show(declared, outcomes, best)


def _report(
    declared: DeclaredFleet,
    calls: Trace,
    objective: Objective,
    outcomes: list[FleetOutcome],
    best: FleetOutcome | None,
) -> dict[str, Any]:
    price = declared.price
    return {
        "objective": asdict(objective),
        "assumed": {
            "calls": len(calls.starts),
            "hours": round(calls.seconds / 3600, 3),
            "durations_drawn": calls.drawn,
            **asdict(declared.fleet),
            "prices": [{**price.shown(), "usd": price.usd, "captured": price.captured}],
        },
        "outcomes": [{**asdict(each), "plan": each.plan.name} for each in outcomes],
        "cheapest": best.plan.name if best else None,
    }


def _show(declared: DeclaredFleet, outcomes: list[FleetOutcome], best: FleetOutcome | None) -> None:
    rows = [
        (
            "*" if each is best else "",
            each.plan.name,
            f"{each.usd_per_month:,.2f}",
            f"{each.buffer_usd_per_month:,.2f}" if each.plan.buffer else "-",
            f"{each.starts:,}",
            f"{each.cold_share * 100:.2f} %",
            f"{each.wait_p50:,.0f} s",
            f"{each.wait_p95:,.0f} s",
            "yes" if each.meets else "no",
        )
        for each in outcomes
    ]
    columns = ("", "plan", "USD a month", "of it buffer", "starts", "cold", "wait p50", "wait p95", "keeps it")
    table(columns, rows)
    fleet, price = declared.fleet, declared.price
    on_buffer = f", {fleet.buffered_start_seconds:.0f} s on a node of a buffer" if declared.buffers else ""
    say(f"assumed: a start of {fleet.start_seconds:.0f} s{on_buffer}; {fleet.concurrency} calls an instance")
    say(f"price: {price.sku} {price.amount.normalize():f} USD/{price.unit}, {price.confidence}, {price.captured}")
    if best:
        done(f"cheapest that meets the objective: {best.plan.name}, {best.usd_per_month:,.2f} USD a month.")
    else:
        done(f"no plan meets the objective: `max` is {fleet.maximum}, and the calls need more instances, or a floor.")
