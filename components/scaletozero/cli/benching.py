"""`bench`: measures cold starts and latency of a deployed endpoint, or cold starts of an artifact."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from model_packaging.files import require_writable
from model_packaging.findings import FindingsError, refuse
from scaletozero.cli.asking import Yes
from scaletozero.cli.durations import seconds_of
from scaletozero.cli.forced_starts import Asked
from scaletozero.cli.measuring import STARTS, bench_artifact, is_artifact
from scaletozero.cli.output import done, findings_as_exit, print_json, refuse_given, say, table
from scaletozero.cli.past import bench_past
from scaletozero.cli.querying import Target, ask, find_target, read_payload, require_fitting
from scaletozero.cli.target_metrics import KEPT_SECONDS
from scaletozero.cli.waking import wake_cluster
from scaletozero.cli.watching import Output, bench_cluster, watch_cluster
from scaletozero.cold_start.remembered import percentile
from scaletozero.endpoints.kinds import kind_of
from scaletozero.environment.project import find_project
from scaletozero.sandbox import daemon

LONGEST_WATCH = 31 * 86_400
"""Most seconds of a watch."""

SAMPLE = '{"inputs": ["A cold start is a number, not a hope."]}'


def bench(
    endpoint: Annotated[
        str, typer.Argument(metavar="WHAT", help="The name of an endpoint, or the folder of an artifact.")
    ],
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", help="For an endpoint: its environment. Default: local.")
    ] = None,
    payload: Annotated[str | None, typer.Option(help="For an endpoint: the JSON to send. Default: a sentence.")] = None,
    requests: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="For an endpoint: number of warm requests. Default: 50.")
    ] = None,
    cold: Annotated[
        int | None,
        typer.Option(min=0, max=50, help="For an endpoint in the sandbox: number of cold starts. Default: 3."),
    ] = None,
    starts: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="For an endpoint: start it from nothing so many times, which costs money. For an artifact: number of "
            f"starts. Default: {STARTS}.",
        ),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(metavar="USD", min=0, help="With --starts of an endpoint: end before the starts cost more."),
    ] = None,
    yes: Yes = False,
    against: Annotated[
        Path | None,
        typer.Option(help="For an artifact: spec of the source model to compare with. Default: models/<name>.yaml."),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(help="Write a chart of the phases, of starts also how their times are spread.")
    ] = None,
    gate: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT",
            min=0,
            max=1000,
            help="For starts of an endpoint: fail if a phase's p95 is larger than the remembered one by more than "
            "this, and the difference is significant.",
        ),
    ] = None,
    watch: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="For an endpoint on a cluster: record the starts that callers cause, for so long (90s, 30m, 24h, 7d).",
        ),
    ] = None,
    past: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="For an endpoint on SageMaker: the cold starts of the last so long (30m, 24h, 7d), without a call.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measures cold starts by phase: of a deployed endpoint, with warm queries, or of an artifact on this machine.

    Of an endpoint on a cluster it measures the starts of the replicas that are there now, from what the cluster keeps
    of them, or with --watch the starts that callers cause from now on, and wakes none.

    With --starts it starts an endpoint of any kind from nothing, one time after the other, once it has printed what
    this costs at most and that was agreed to. The starts are added to <environment>.cold-starts.json beside the
    settings, from which the deadlines of an endpoint on a cluster follow at the next preview. With --gate they are
    compared with the remembered ones first, and are not added if a phase became slower.

    With --past it measures the starts that callers of an endpoint on SageMaker have caused, from what AWS keeps of
    them: metrics, scaling activities, alarms and logs.

    An artifact is a path with a slash, an archive, or a folder with a manifest. It is unpacked and started in new
    processes, alternating with the fp32 model that it was packaged from, in the usual gzip -9 archive. A source
    that is a Hugging Face folder is exported through torch first.

    Queries to an endpoint on an account are billed.

    Examples: scaletozero bench sentences --cold 5 --requests 200

    scaletozero bench artifacts/paraphrase-minilm --starts 20 --svg starts.svg

    scaletozero bench artifacts/mine --against specs/mine.yaml --json

    scaletozero bench chat -e gpu-eu --gate 10

    scaletozero bench chat -e gpu-eu --watch 24h

    scaletozero bench chat -e gpu-eu --starts 20 --max-cost 15 --svg starts.svg

    scaletozero bench reports -e prod-eu --starts 20

    scaletozero bench sentences -e prod-eu --past 7d
    """
    of_endpoint = {"--environment": environment, "--payload": payload, "--requests": requests, "--cold": cold}
    of_artifact = {"--against": against}
    of_wakes = {"--max-cost": max_cost, "--yes": yes or None}
    on_cluster = {"--gate": gate, "--watch": watch, **of_wakes}
    output = Output(None if gate is None else gate / 100, svg, as_json)
    with findings_as_exit():
        artifact = is_artifact(endpoint)
        _only(
            {**of_endpoint, **on_cluster, "--past": past} if artifact else of_artifact,
            "an artifact" if artifact else "an endpoint",
            endpoint,
        )
        if svg is not None:
            require_writable("--svg", svg)
    if artifact:
        bench_artifact(Path(endpoint), starts or STARTS, against, svg, as_json=as_json)
        return
    if _on_cluster(endpoint, environment or "local"):
        with findings_as_exit():
            of_called = {"--payload": payload, "--requests": requests, "--cold": cold, "--past": past}
            _only(of_called, "an endpoint on a cluster", endpoint)
            _only_with_starts(of_wakes if starts is None else {"--watch": watch})
            seconds = None if watch is None else seconds_of("--watch", watch, longest=LONGEST_WATCH)
        if starts is not None:
            wake_cluster(endpoint, environment or "local", Asked(starts, max_cost, yes), output)
        elif seconds is None:
            bench_cluster(endpoint, environment or "local", output)
        else:
            watch_cluster(endpoint, environment or "local", seconds, output)
        return
    if starts is not None:
        with findings_as_exit():
            others = {"--watch": watch, "--requests": requests, "--cold": cold, "--past": past}
            _only(others, "starts of an endpoint on SageMaker", endpoint)
            body = read_payload(SAMPLE if payload is None else payload)
            require_fitting(body)
        from scaletozero.cli.starting import start_sagemaker

        start_sagemaker(endpoint, environment or "local", Asked(starts, max_cost, yes), body, output)
        return
    with findings_as_exit():
        _only({**on_cluster, "--svg": svg}, "an endpoint that is not on a cluster, without --starts", endpoint)
        look_back = None if past is None else seconds_of("--past", past, longest=KEPT_SECONDS)
        if past is not None:
            measured = {"--payload": payload, "--requests": requests, "--cold": cold}
            refuse_given(measured, "must not be given with --past, which calls nothing", "leave it out")
    if look_back is not None:
        bench_past(endpoint, environment or "local", look_back, as_json=as_json)
        return
    cold, requests = 3 if cold is None else cold, requests or 50
    _bench_endpoint(
        endpoint, environment or "local", SAMPLE if payload is None else payload, requests, cold, as_json=as_json
    )


def _on_cluster(endpoint: str, environment: str) -> bool:
    """Whether it is declared as an endpoint on a cluster."""
    try:
        settings = find_project().environment(environment, with_artifacts=False)
    except FindingsError:
        return False  # `find_target` reports it
    return endpoint in settings.endpoints and kind_of(settings.endpoints[endpoint]).on_cluster


def _only(others: Mapping[str, object], kind: str, what: str) -> None:
    """Refuses options that have no effect on what is measured."""
    fix = "leave it out; an artifact is given by a path with a slash, an endpoint by its name"
    refuse_given(others, f"must not be given for {kind}, and {what} is one", fix)


def _only_with_starts(others: Mapping[str, object]) -> None:
    """Refuses options of wakes without a wake, and those that exclude them."""
    refuse_given(
        others, "is of a run with --starts, or must not be given with it", "add `--starts 20`, or leave it out"
    )


def _bench_endpoint(endpoint: str, environment: str, payload: str, requests: int, cold: int, *, as_json: bool) -> None:
    with findings_as_exit():
        body = read_payload(payload)
        target = find_target(endpoint, environment, "bench")
        if target.requests:
            why = "its results come from a queue, so that a call's latency cannot be measured"
            raise refuse(
                "endpoint", "must be synchronous", endpoint, why, "name a serverless endpoint, or add `--past 24h`"
            )
        require_fitting(body)
    client = target.client()
    colds = [_cold_start(client, target, body) for _ in range(cold)] if target.sandbox else []
    if not target.sandbox and cold:
        say("cold starts cannot be forced on an account: see those of callers with `--past 7d`")
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
    done("measured from this machine, including the client's own time.")


def _cold_start(client: Any, target: Target, body: bytes) -> dict[str, Any]:
    """Waits until no instance is warm, sends one request, and returns what the runtime recorded about that start."""
    assert target.sandbox
    wait_until_cold(target)
    began = time.perf_counter()
    ask(client, target, body)
    wall = (time.perf_counter() - began) * 1000
    start = daemon.status(target.sandbox)["endpoints"][target.name]["cold_starts"][-1]
    return {"wall_ms": wall, **start}


def wait_until_cold(target: Target, patience: float = 3700) -> None:
    """Waits until an endpoint in the sandbox has no process any more."""
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
