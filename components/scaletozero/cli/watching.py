"""`bench` of an endpoint on a cluster that adds no wake: the starts of its replicas now, or while they are watched."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from model_packaging.findings import refuse
from scaletozero.cli.output import FAILED, done, findings_as_exit, print_json, say, write_file
from scaletozero.cli.starts_shown import Held, held_to, judge, picture, report, served, show, told
from scaletozero.cold_start.remembered import Start, add_starts, read_starts
from scaletozero.environment.project import find_project
from scaletozero.settings.kubernetes import Kubernetes

if TYPE_CHECKING:
    from scaletozero.kubernetes.starts import Unmeasured

LOOK_SECONDS = 5.0
"""How often a cluster is looked at: as often as KEDA looks for requests."""

PATIENCE_SECONDS = 600.0
"""How long a cluster may not answer until a watch ends."""


@dataclass(frozen=True)
class Output:
    """How starts are judged and shown.

    Attributes:
        margin: compare them with those that are remembered, and fail if a phase is slower by more than this share; they
            are then not remembered. None: no comparison.
        svg: where a picture of them is written; None for none.
        as_json: print JSON.
    """

    margin: float | None = None
    svg: Path | None = None
    as_json: bool = False


@dataclass(frozen=True)
class Findings:
    """What was measured.

    Attributes:
        starts: the measured starts.
        others: the replicas without one.
        more: what else programs are told.
        then: what follows from them, for the last line.
    """

    starts: Sequence[Start]
    others: Sequence[Unmeasured]
    more: Mapping[str, Any] = field(default_factory=dict)
    then: str = " Its deadlines follow from them at the next preview."


def bench_cluster(endpoint: str, environment: str, output: Output) -> None:
    """Measures and remembers the starts of the replicas that an endpoint has now.

    Args:
        endpoint: an endpoint of the environment, on its cluster.
        environment: the environment.
        output: how they are judged and shown.
    """
    with findings_as_exit():
        block, path = where(endpoint, environment)
        found = _now(endpoint, block)
    conclude(endpoint, path, found, output)


def watch_cluster(endpoint: str, environment: str, seconds: int, output: Output) -> None:
    """Measures and remembers the starts that callers cause in the next `seconds`; Ctrl-C ends it earlier.

    Args:
        endpoint, environment, output: see `bench_cluster`.
        seconds: how long it is watched.
    """
    with findings_as_exit():
        block, path = where(endpoint, environment)
        found = _watch(endpoint, block, path if output.margin is None else None, seconds)
    conclude(endpoint, path, found, output)


def where(endpoint: str, environment: str) -> tuple[Kubernetes, Path]:
    """The cluster of an environment, and the file of measured starts, which is valid.

    Raises:
        FindingsError: the environment or the file is invalid.
    """
    project = find_project()
    block = project.environment(environment, with_artifacts=False).kubernetes
    assert block
    path = project.starts_file(environment)
    read_starts(path)
    return block, path


def conclude(endpoint: str, path: Path, found: Findings, output: Output) -> None:
    """Compares, remembers and shows what was measured.

    Args:
        endpoint: the endpoint.
        path: the file of measured starts.
        found: what was measured.
        output: how it is judged and shown.

    Raises:
        Exit: nothing was measured, a phase is slower, or the picture cannot be written.
    """
    starts = found.starts
    with findings_as_exit():
        held: Held | None = None
        if output.margin is not None and starts:
            held = held_to(endpoint, read_starts(path).get(endpoint, ()), starts, output.margin)
        if starts and not (held and held.slower):
            add_starts(path, endpoint, starts)
        known = read_starts(path).get(endpoint, ())
    alike = [each for each in known if starts and served(each) == served(starts[-1])]
    if output.as_json:
        print_json({**report(endpoint, starts, found.others, alike, held), **found.more})
    else:
        show(starts, found.others, alike)
    if not starts:
        raise typer.Exit(FAILED)
    if output.svg:
        with findings_as_exit(FAILED):
            write_file("--svg", output.svg, picture(endpoint, starts if held and held.slower else alike))
        say(f"plot: {output.svg}")
    if held:
        judge(endpoint, held)
    if not output.as_json:
        say(f"remembered: {path}, {len(known)} of {endpoint}")
        done(f"{endpoint}: {len(starts)} starts measured.{found.then}")


def _now(endpoint: str, block: Kubernetes) -> Findings:
    from scaletozero.kubernetes.look import log_of, look, opened
    from scaletozero.kubernetes.starts import starts_of

    with opened(block) as (api, region):
        sight = look(api, block.namespace, endpoint, pods_only=True)
        if sight.pods:
            log = log_of(api, block.namespace, say)
            return Findings(*starts_of(sight.pods, sight.nodes, sight.events, region, log))
    raise refuse(
        endpoint,
        "must have a replica to be measured",
        "none, it is asleep",
        "nothing was measured, and nothing is woken",
        "send it a request, and run this within an hour of its start; or add `--watch 24h`, and wait for callers",
    )


def _watch(endpoint: str, block: Kubernetes, path: Path | None, seconds: int) -> Findings:
    """Watches for so long. Each start is remembered at once if there is a path, so that a watch of days loses none."""
    from scaletozero.kubernetes.api import ApiError
    from scaletozero.kubernetes.look import log_of, look, opened
    from scaletozero.kubernetes.watched import Watched

    until = time.monotonic() + seconds
    with opened(block) as (api, region):
        watched = Watched(region, log_of(api, block.namespace, say))
        watched.see(look(api, block.namespace, endpoint))
        say(f"watching {endpoint} until callers wake it, for {seconds} s; Ctrl-C ends it, and keeps what was measured")
        answered = time.monotonic()
        try:
            while (left := until - time.monotonic()) > 0:
                time.sleep(min(left, LOOK_SECONDS))
                try:
                    new = watched.see(look(api, block.namespace, endpoint))
                except ApiError as error:
                    if time.monotonic() - answered > PATIENCE_SECONDS:
                        say(f"the watch ends: the cluster has not answered for {PATIENCE_SECONDS:.0f} s: {error}")
                        break
                    continue
                answered = time.monotonic()
                if new and path:
                    add_starts(path, endpoint, new)
                told(new)
        except KeyboardInterrupt:
            say("the watch was ended")
    lasted = seconds - max(0.0, until - time.monotonic())
    if watched.blocked:
        say(f"no pod could be created: {watched.blocked}")
    more = {"watched_seconds": round(lasted, 1), **({"blocked": watched.blocked} if watched.blocked else {})}
    return Findings(watched.starts, tuple(watched.failed.values()), more)
