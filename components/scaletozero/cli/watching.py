"""`bench` of an endpoint on a cluster: measures the starts of its replicas without waking any, and remembers them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer

from model_packaging.findings import refuse
from scaletozero.cli.output import FAILED, done, findings_as_exit, print_json, say, table
from scaletozero.cold_start.gate import LEAST_STARTS, TOTAL, Slower, by_phase, interval, slower
from scaletozero.cold_start.remembered import PhaseSeconds, Start, add_starts, percentile, read_starts
from scaletozero.environment.project import find_project
from scaletozero.settings.kubernetes import Kubernetes

if TYPE_CHECKING:
    from scaletozero.kubernetes.starts import Unmeasured


def bench_cluster(endpoint: str, environment: str, margin: float | None, *, as_json: bool) -> None:
    """Measures and remembers the starts of an endpoint's replicas.

    Args:
        endpoint: an endpoint of the environment, on its cluster.
        environment: the environment.
        margin: compare them with those that are remembered, and fail if a phase is slower by more than this share; they
            are then not remembered. None: no comparison.
        as_json: print JSON.
    """
    with findings_as_exit():
        project = find_project()
        block = project.environment(environment, with_artifacts=False).kubernetes
        assert block
        path = project.starts_file(environment)
        before = read_starts(path).get(endpoint, ())
        found, others = _measure(endpoint, block)
        held = None if margin is None or not found else _held(endpoint, before, found, margin)
        if found and not (held and held.slower):
            add_starts(path, endpoint, found)
        known = read_starts(path).get(endpoint, ())
    alike = [each for each in known if found and _served(each) == _served(found[-1])]
    if as_json:
        print_json(_report(endpoint, found, others, alike, held))
    else:
        _show(found, others, alike)
    if not found:
        raise typer.Exit(FAILED)
    if held:
        _judge(endpoint, held)
    if not as_json:
        say(f"remembered: {path}, {len(known)} of {endpoint}")
        done(f"{endpoint}: {len(found)} starts measured. Its deadlines follow from them at the next preview.")


def _measure(endpoint: str, block: Kubernetes) -> tuple[list[Start], list[Unmeasured]]:
    from scaletozero.kubernetes.api import ApiError
    from scaletozero.kubernetes.facts.discover import open_cluster
    from scaletozero.kubernetes.manifests.objects import selector
    from scaletozero.kubernetes.starts import starts_of

    cluster, namespace = block.cluster, block.namespace
    api, _, region = open_cluster(os.environ.get("KUBECONFIG"), cluster.name, cluster.region, context=block.context)
    try:
        labels = ",".join(f"{key}={value}" for key, value in selector(endpoint).items())
        pods = api.list("v1", "Pod", namespace, labels)
        nodes, events = api.list("v1", "Node"), api.list("v1", "Event", namespace)
    except ApiError as error:
        then = "nothing was measured"
        raise refuse("KUBECONFIG", "must lead to a cluster that answers", str(error), then) from None
    finally:
        api.close()
    if not pods:
        raise refuse(
            endpoint,
            "must have a replica to be measured",
            "none, it is asleep",
            "nothing was measured, and nothing is woken",
            "send it a request, and run this within an hour of its start",
        )
    return starts_of(pods, nodes, events, region)


def _place(start: Start) -> tuple[str, str]:
    return start.region, start.instance_type


def _served(start: Start) -> tuple[str, ...]:
    return start.region, start.instance_type, start.image, start.artifact


@dataclass(frozen=True)
class Held:
    """The comparison with the remembered starts.

    Attributes:
        margin: the share by which a phase may be slower.
        before, now: how many starts were compared.
        slower: the phases that are slower.
    """

    margin: float
    before: int
    now: int
    slower: tuple[Slower, ...]


def _held(endpoint: str, known: Sequence[Start], found: Sequence[Start], margin: float) -> Held:
    """Compares new starts with the last ones that were remembered on the same instance type.

    Another image or artifact is what the gate is there to judge; another instance type is no regression of either.

    Raises:
        FindingsError: there are too few starts to compare.
    """
    now = [each for each in found if _place(each) == _place(found[-1])]
    new = {each.id for each in now}
    others = [each for each in known if each.id not in new and _place(each) == _place(found[-1])]
    before = [each for each in others if _served(each) == _served(others[-1])]
    for what, starts in (("remembered", before), ("new", now)):
        if len(starts) < LEAST_STARTS:
            raise refuse(
                endpoint,
                f"must have {LEAST_STARTS} {what} starts on {found[-1].instance_type} to be compared",
                f"{len(starts)}",
                "a difference could not be told from chance, and nothing was remembered",
                "run `scaletozero bench` without --gate while its replicas start, and try again",
            )
    return Held(margin, len(before), len(now), tuple(slower(by_phase(before), by_phase(now), margin)))


def _judge(endpoint: str, held: Held) -> None:
    """Says what the comparison found.

    Raises:
        Exit: a phase is slower.
    """
    compared = f"{held.now} starts against {held.before} remembered, margin {held.margin * 100:g} %"
    for each in held.slower:
        say(
            f"error: {each.phase} is slower: p95 {each.now:.0f} s, before {each.before:.0f} s "
            f"(+{each.percent:.0f} %, p = {each.chance:.3f}; {compared})"
        )
    if held.slower:
        say(f"{endpoint}: the starts are not remembered. To accept them, run this again without --gate.")
        raise typer.Exit(FAILED)
    say(f"no phase is slower: {compared}")


def _percentiles(starts: Sequence[Start]) -> dict[str, dict[str, Any]]:
    return {phase: _shares(values) for phase, values in by_phase(starts).items()}


SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95}


def _shares(values: Sequence[float]) -> dict[str, Any]:
    found: dict[str, Any] = {"n": len(values)}
    for name, share in SHARES.items():
        ends = interval(values, share)
        found |= {name: percentile(values, share), f"{name}_interval": [ends.low, ends.high]}
    return found


def _report(
    endpoint: str,
    found: Sequence[Start],
    others: Sequence[Unmeasured],
    alike: Sequence[Start],
    held: Held | None,
) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "starts": [each.model_dump(mode="json") for each in found],
        "not_measured": {each.pod: each.why for each in others},
        "remembered": _percentiles(alike),
        **({"gate": {**asdict(held), "held": not held.slower}} if held else {}),
    }


def _show(found: Sequence[Start], others: Sequence[Unmeasured], alike: Sequence[Start]) -> None:
    for each in others:
        say(f"not measured: {each.pod}: {each.why}")
    if not found:
        return
    columns = (*PhaseSeconds.model_fields, TOTAL)
    rows = [(f"{each.at:%Y-%m-%d %H:%M:%S}", each.instance_type, *_cells(by_phase([each]), columns)) for each in found]
    shares = _percentiles(alike)
    for name in SHARES:
        cells = (_with_interval(shares[phase], name) if phase in shares else "-" for phase in columns)
        rows.append((f"{name} of {len(alike)}", found[-1].instance_type, *cells))
    table(("start", "instance", *columns), rows)
    say("in brackets: the interval that holds the true percentile with 95 %; `?`: more starts are needed")
    if any(each.seconds.pull is None for each in found):
        say("pull is measured only where the node did not have the image, and for an hour after it was pulled")


def _cells(phases: Mapping[str, Sequence[float]], columns: Sequence[str]) -> list[str]:
    return [f"{phases[each][0]:.0f} s" if each in phases else "-" for each in columns]


def _with_interval(shares: Mapping[str, Any], name: str) -> str:
    low, high = ("?" if end is None else f"{end:.0f}" for end in shares[f"{name}_interval"])
    return f"{shares[name]:.0f} s ({low} to {high})"
