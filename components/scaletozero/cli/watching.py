"""`bench` of an endpoint on a cluster: measures the starts of its replicas without waking any, and remembers them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from model_packaging.findings import refuse
from scaletozero.cli.output import FAILED, done, findings_as_exit, print_json, say, table
from scaletozero.cold_start.remembered import PhaseSeconds, Start, add_starts, percentile, read_starts
from scaletozero.environment.project import find_project
from scaletozero.settings.kubernetes import Kubernetes

if TYPE_CHECKING:
    from scaletozero.kubernetes.starts import Unmeasured


def bench_cluster(endpoint: str, environment: str, *, as_json: bool) -> None:
    """Measures and remembers the starts of an endpoint's replicas.

    Args:
        endpoint: an endpoint of the environment, on its cluster.
        environment: the environment.
        as_json: print JSON.
    """
    with findings_as_exit():
        project = find_project()
        block = project.environment(environment, with_artifacts=False).kubernetes
        assert block
        path = project.starts_file(environment)
        read_starts(path)
        found, others = _measure(endpoint, block)
        if found:
            add_starts(path, endpoint, found)
        known = read_starts(path).get(endpoint, ())
    alike = [each for each in known if found and _served(each) == _served(found[-1])]
    if as_json:
        print_json(_report(endpoint, found, others, alike))
    else:
        _show(found, others, alike)
    if not found:
        raise typer.Exit(FAILED)
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


def _served(start: Start) -> tuple[str, ...]:
    return start.region, start.instance_type, start.image, start.artifact


def _percentiles(starts: Sequence[Start]) -> dict[str, dict[str, float]]:
    found = {}
    for phase in PhaseSeconds.model_fields:
        values = [value for each in starts if (value := getattr(each.seconds, phase)) is not None]
        if values:
            found[phase] = {"n": len(values), "p50": percentile(values, 0.5), "p95": percentile(values, 0.95)}
    return found


def _report(
    endpoint: str, found: Sequence[Start], others: Sequence[Unmeasured], alike: Sequence[Start]
) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "starts": [each.model_dump(mode="json") for each in found],
        "not_measured": {each.pod: each.why for each in others},
        "remembered": _percentiles(alike),
    }


def _show(found: Sequence[Start], others: Sequence[Unmeasured], alike: Sequence[Start]) -> None:
    for each in others:
        say(f"not measured: {each.pod}: {each.why}")
    if not found:
        return
    rows = [(f"{each.at:%Y-%m-%d %H:%M:%S}", each.instance_type, *_cells(each.seconds)) for each in found]
    shares = _percentiles(alike)
    for name in ("p50", "p95"):
        cells = (f"{shares[phase][name]:.0f} s" if phase in shares else "-" for phase in PhaseSeconds.model_fields)
        rows.append((f"{name} of {len(alike)}", found[-1].instance_type, *cells))
    table(("start", "instance", *PhaseSeconds.model_fields), rows)
    if any(each.seconds.pull is None for each in found):
        say("pull is measured only where the node did not have the image, and for an hour after it was pulled")


def _cells(seconds: PhaseSeconds) -> list[str]:
    values = (getattr(seconds, phase) for phase in PhaseSeconds.model_fields)
    return ["-" if value is None else f"{value:.0f} s" for value in values]
