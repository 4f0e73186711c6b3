"""`advise`: finds the cheapest `min` or schedule that meets an objective, by replaying recorded calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from model_packaging.artifact.reader import open_artifact
from model_packaging.files import require_writable
from model_packaging.findings import refuse
from model_packaging.validation import nearest
from scaletozero.cli.advising_fleet import advise_instances
from scaletozero.cli.calls import Calls
from scaletozero.cli.deploying import EnvironmentName
from scaletozero.cli.output import FAILED, done, findings_as_exit, print_json, refuse_given, say, table, write_file
from scaletozero.cold_start.remembered import Served, Start, read_starts, recall
from scaletozero.endpoints.kinds import kind_of
from scaletozero.endpoints.sagemaker_kind import CALL
from scaletozero.environment.project import find_project
from scaletozero.scaling.advice import advise as weigh
from scaletozero.scaling.advice import cheapest
from scaletozero.scaling.fleet_advice import Objective
from scaletozero.scaling.plot import svg
from scaletozero.scaling.sample import work_seconds
from scaletozero.scaling.simulation import Endpoint
from scaletozero.scaling.timeline import lead_minutes
from scaletozero.settings.schedules import TimeZone

IDLE_SECONDS = 300.0
"""How long an idle container is assumed to be kept."""


def advise(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name in the environment.")],
    trace: Annotated[
        Path | None, typer.Option(help="CSV or JSON lines: `timestamp`, and `duration` or `duration_ms`.")
    ] = None,
    past: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Instead of a trace, the calls of the last so long (24h, 7d): from CloudWatch, or with --prometheus.",
        ),
    ] = None,
    prometheus: Annotated[
        str | None,
        typer.Option(metavar="URL", help="With --past, of an endpoint on a cluster: the address of its Prometheus."),
    ] = None,
    objective_ms: Annotated[
        float | None,
        typer.Option(min=0.001, help="The objective of a serverless endpoint: p99 of the latency, in milliseconds."),
    ] = None,
    objective_wait: Annotated[
        float | None,
        typer.Option(min=0, help="An objective of an endpoint on instances: p95 of the wait, in seconds."),
    ] = None,
    objective_cold: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="An objective of an endpoint on instances: percent of calls that are cold."),
    ] = None,
    environment: EnvironmentName = "local",
    timezone: Annotated[str, typer.Option(help="The time zone of the proposed window.")] = "UTC",
    idle_seconds: Annotated[
        float | None,
        typer.Option(min=1, help=f"How long SageMaker is assumed to keep idle containers. Default: {IDLE_SECONDS:g}."),
    ] = None,
    cold_ms: Annotated[
        float | None, typer.Option(min=0, help="Duration of a cold start. Default: the p95 of `bench`, or as packaged.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Region of the prices. Default: the environment's.")] = None,
    waits: Annotated[
        bool, typer.Option(help="Callers retry when all containers are busy, instead of giving up.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the random durations of a trace without durations.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Write the comparison to this SVG file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replays recorded calls and recommends what to keep warm: cost, cold starts and latency of each option.

    The calls are those of a trace, or with --past those that metrics have counted by minute: at random moments of
    each minute, with its mean duration.

    For a serverless endpoint it compares provisioned concurrency, schedules and calls. For an asynchronous one, or one
    on GPUs, it compares floors, idle times, schedules and, on a cluster, nodes that are kept ready, with the price of
    that buffer.

    Examples: scaletozero advise sentences --trace calls.csv --objective-ms 300 --plot advice.svg

    scaletozero advise chat --trace calls.csv --objective-wait 30 --objective-cold 5

    scaletozero advise chat -e gpu-eu --past 7d --prometheus http://localhost:9090 --objective-wait 30
    """
    of_serverless = {
        "--objective-ms": objective_ms,
        "--idle-seconds": idle_seconds,
        "--cold-ms": cold_ms,
        "--waits": waits or None,
        "--plot": plot,
    }
    of_instances = {"--objective-wait": objective_wait, "--objective-cold": objective_cold}
    with findings_as_exit():
        project = find_project()
        settings = project.environment(environment, with_artifacts=False)
        if endpoint not in settings.endpoints:
            guess = nearest(endpoint, settings.endpoints)
            fix = f"write `{guess}`" if guess else f"there are: {', '.join(settings.endpoints) or 'none'}"
            raise refuse("endpoint", f"must be an endpoint of {environment}", endpoint, "", fix)
        written = settings.endpoints[endpoint]
        by_call = kind_of(written).billed_per_call
        _only(of_instances if by_call else of_serverless, of_serverless if by_call else of_instances, endpoint)
        _known_zone(timezone)
        calls_of = Calls.asked(endpoint, environment, settings, trace=trace, past=past, prometheus=prometheus)
    if not by_call:
        cold_share = None if objective_cold is None else objective_cold / 100
        objective = Objective(objective_wait, cold_share)
        shown = {"timezone": timezone, "region": region, "seed": seed, "as_json": as_json}
        advise_instances(endpoint, environment, calls_of, objective, **shown)
        return
    assert objective_ms is not None
    idle_seconds = IDLE_SECONDS if idle_seconds is None else idle_seconds
    with findings_as_exit():
        artifact = open_artifact(project.root / written.artifact)
        manifest = artifact.manifest
        priced = region or settings.region
        declared = kind_of(written).as_declared(written, manifest, priced)
        each, memory = declared.rates, declared.memory_mb
        if plot:
            require_writable("--plot", plot)
        work = work_seconds(manifest)
        calls = calls_of.read(work, seed)
        starts = read_starts(project.starts_file(environment)).get(endpoint, ())
        measured = start_seconds(starts, kind_of(written).served(written, artifact, priced))
        cold = cold_ms / 1000 if cold_ms is not None else measured or manifest.cold_start.total_ms / 1000
    outcomes = weigh(
        calls,
        Endpoint(declared.maximum, cold, idle_seconds, waits),
        each,
        objective_seconds=objective_ms / 1000,
        timezone=timezone,
        lead=lead_minutes(cold),
        call_seconds=work,
        declared=[declared.plan],
        progress=lambda name: say(f"replaying {len(calls.starts)} calls: {name}"),
    )
    best = cheapest(outcomes)
    if plot:
        title = f"{endpoint}: {len(calls.starts):,} calls, {memory} MB, {priced}"
        with findings_as_exit(FAILED):
            write_file("--plot", plot, svg(outcomes, objective_seconds=objective_ms / 1000, title=title))
        say(f"plot: {plot}")
    assumed = {
        "calls": len(calls.starts),
        "hours": round(calls.seconds / 3600, 3),
        "durations_drawn": calls.drawn,
        "cold_ms": cold * 1000,
        "idle_seconds": idle_seconds,
        "max": declared.maximum,
        "memory_mb": memory,
        "prices": [{**row.shown(), "usd": row.usd, "captured": row.captured} for row in each.rows],
    }
    if as_json:
        shown = [{**asdict(one), "plan": one.plan.name} for one in outcomes]
        print_json({"assumed": assumed, "outcomes": shown, "cheapest": best.plan.name if best else None})
        return
    rows = [
        (
            "*" if one is best else "",
            one.plan.name,
            f"{one.usd_per_month:,.2f}",
            f"{one.cold_share * 100:.2f} %",
            f"{one.refused_share * 100:.2f} %",
            f"{one.p99_seconds * 1000:,.0f} ms",
            "yes" if one.meets else "no",
        )
        for one in outcomes
    ]
    table(("", "plan", "USD a month", "cold", "refused", "p99", "keeps it"), rows)
    say(f"assumed: a cold start of {cold * 1000:.0f} ms, idle containers stop after {idle_seconds:g} s, {memory} MB")
    for row in each.rows:
        say(f"price: {row.sku} {row.amount.normalize():f} USD/{row.unit}, {row.confidence}, {row.captured}")
    if best:
        done(f"cheapest that meets {objective_ms:g} ms: {best.plan.name}, {best.usd_per_month:,.2f} USD a month.")
    else:
        done(f"no plan meets {objective_ms:g} ms: the model itself is slower, or `max` is too low.")


def start_seconds(starts: Sequence[Start], served: Served | None) -> float | None:
    """The measured start of a serverless container, without the call itself; None where none is of what is served."""
    measured = recall(starts, served).seconds if served else {}
    return sum(seconds for phase, seconds in measured.items() if phase not in CALL) or None


def _only(others: Mapping[str, object], own: Mapping[str, object], endpoint: str) -> None:
    """Refuses options of other kinds, and a missing objective."""
    fix = f"leave it out; of {endpoint} are: {', '.join(own)}"
    refuse_given(others, f"must not be given for {endpoint}, which is of another kind", fix)
    objectives = [name for name in own if name.startswith("--objective")]
    if all(own[name] is None for name in objectives):
        raise refuse(
            " or ".join(objectives), "must say what is to be met", "nothing", fix=f"write `{objectives[0]} 30`"
        )


def _known_zone(name: str) -> None:
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(TimeZone).validate_python(name)
    except ValidationError:
        fix = "write one such as `Europe/Berlin`"
        raise refuse("--timezone", "must be a time zone of the IANA database", name, fix=fix) from None
