"""`bench`: what a deployed endpoint's cold start and its answers take, measured from the caller's side."""

from __future__ import annotations

import statistics
import time
from typing import Annotated, Any

import typer

from model_packaging.findings import refuse
from scaletozero.cli.deploying import EnvironmentName
from scaletozero.cli.output import done, findings_as_exit, print_json, say, table
from scaletozero.cli.querying import Target, ask, find_target, read_payload, require_fitting
from scaletozero.sandbox import daemon

SAMPLE = '{"inputs": ["A cold start is a number, not a hope."]}'


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed (the nearest-rank percentile)."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(len(ordered) * share * 100) // 100) - 1)]


def bench(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name in the environment.")],
    environment: EnvironmentName = "local",
    payload: Annotated[str, typer.Option(help="The JSON to ask.")] = SAMPLE,
    requests: Annotated[int, typer.Option(min=1, max=10_000, help="How many warm queries, one after another.")] = 50,
    cold: Annotated[int, typer.Option(min=0, max=50, help="How many cold starts, in the sandbox.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Measures an endpoint: cold starts by phase, then warm queries. On an account the queries are billed.

    Example: scaletozero bench sentences --cold 5 --requests 200
    """
    with findings_as_exit():
        body = read_payload(payload)
        target = find_target(endpoint, environment)
        if target.requests:
            why = "its answers come from a queue: their time says nothing of a call's"
            raise refuse("endpoint", "must answer its calls itself", endpoint, why, "name one that does")
        require_fitting(body)
    client = target.client()
    colds = [_cold_start(client, target, body) for _ in range(cold)] if target.sandbox else []
    if not target.sandbox and cold:
        say("on an account nobody but AWS can make an endpoint cold: see its ModelSetupTime metric")
    ask(client, target, body)
    warm = []
    for _ in range(requests):
        began = time.perf_counter()
        ask(client, target, body)
        warm.append((time.perf_counter() - began) * 1000)
    report = {
        "endpoint": target.name,
        "cold_ms": [start["wall_ms"] for start in colds],
        "phases_ms": _median_phases(colds),
        "warm_ms": {"n": requests, "p50": percentile(warm, 0.5), "p95": percentile(warm, 0.95), "max": max(warm)},
    }
    if as_json:
        print_json(report)
        return
    rows = [(f"cold start, median of {len(colds)}", _ms(statistics.median(report["cold_ms"])))] if colds else []
    rows += [(f"  {phase}", _ms(value)) for phase, value in report["phases_ms"].items()]
    rows += [(f"warm, {key} of {requests}", _ms(report["warm_ms"][key])) for key in ("p50", "p95", "max")]
    table(("measured", "time"), rows)
    done("measured from this machine, the client's own time included.")


def _cold_start(client: Any, target: Target, body: bytes) -> dict[str, Any]:
    """Waits until nothing is warm, asks once, and tells what the runtime says of that start."""
    assert target.sandbox
    wait_until_cold(target)
    began = time.perf_counter()
    ask(client, target, body)
    wall = (time.perf_counter() - began) * 1000
    start = daemon.status(target.sandbox)["endpoints"][target.name]["cold_starts"][-1]
    return {"wall_ms": wall, **start}


def wait_until_cold(target: Target, patience: float = 3700) -> None:
    """Waits until an endpoint of the sandbox has no process any more."""
    assert target.sandbox
    deadline = time.monotonic() + patience
    while daemon.status(target.sandbox)["endpoints"][target.name]["instances"]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{target.name} is still warm after {patience:.0f} s")
        time.sleep(0.1)


def _median_phases(starts: list[dict[str, Any]]) -> dict[str, float]:
    phases = starts[0]["phases"] if starts else {}
    return {phase: statistics.median(start["phases"][phase] for start in starts) for phase in phases}


def _ms(value: float) -> str:
    return f"{value:.1f} ms"
