"""`cluster`: reads the facts about a cluster that the checks of GPU endpoints use. Also the state of its endpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model_packaging.findings import Finding
from model_packaging.validation import parse
from scaletozero.cli.output import done, findings_as_exit, print_json, say, table
from scaletozero.endpoints.kinds import KINDS
from scaletozero.environment.project import find_project
from scaletozero.environment.settings import Environment

if TYPE_CHECKING:
    from scaletozero.kubernetes.api import KubernetesApi
    from scaletozero.settings.cluster import Cluster, Pool


def cluster(
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", help="The environment whose cluster to read.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the EKS cluster. Default: from the kubeconfig.")] = None,
    region: Annotated[str | None, typer.Option(help="Region of the cluster. Default: from the kubeconfig.")] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig. Default: the current one.")] = None,
    namespace: Annotated[list[str] | None, typer.Option(help="Also list the services of this namespace.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for the setting `kubernetes.facts`.")] = False,
) -> None:
    """Reads facts about the cluster of KUBECONFIG: versions, custom resources, GPU pools and quotas. Changes nothing.

    Example: scaletozero cluster -e gpu-eu --json > stacks/environments/gpu-eu.facts.json
    """
    from scaletozero.kubernetes.facts.discover import read_kubeconfig
    from scaletozero.settings.cluster import Cluster

    with findings_as_exit():
        wanted = [*(namespace or ())]
        if environment:
            name, region, context, wanted = _of_environment(environment, name, region, context, wanted)
        kubeconfig = os.environ.get("KUBECONFIG")
        found = read_kubeconfig(kubeconfig, name, region, context=context, namespaces=wanted)
        facts = parse(Cluster, found, "cluster")
    if as_json:
        print_json(found)
        return
    _show(facts)


def _of_environment(
    environment: str, name: str | None, region: str | None, context: str | None, namespaces: list[str]
) -> tuple[str | None, str | None, str | None, list[str]]:
    """Name and region of an environment's cluster, unless the command line overrides them."""
    settings = find_project().environment(environment, with_artifacts=False)
    if (block := settings.kubernetes) is None:
        return name, region or settings.region, context, namespaces
    return (
        name or block.cluster.name,
        region or block.cluster.region,
        context or block.context,
        [*namespaces, block.namespace],
    )


def _show(facts: Cluster) -> None:
    from scaletozero.kubernetes.checks.cluster import HTTP_ADDON, KEDA, KUBERNETES, crds_wanted, version_findings

    gates = ", ".join(facts.feature_gates)
    table(
        (f"{facts.name}, {facts.region}", "there is", "needed"),
        [
            ("Kubernetes", facts.version, f"{KUBERNETES} or later"),
            ("nodes", facts.nodes, ""),
            ("Karpenter", facts.karpenter or "-", f"its gates: {gates}" if gates else ""),
            ("KEDA", facts.keda or "-", f"{KEDA} or later"),
            ("HTTP add-on", facts.http_addon or "-", f"{HTTP_ADDON} or later"),
        ],
    )
    table(
        ("custom resource", "there", "for"),
        [(crd, "yes" if crd in facts.crds else "-", feature) for crd, feature in crds_wanted().items()],
    )
    table(
        ("GPU pool", "types", "GPUs at most", "nodes", "a buffer would be"),
        [(each.name, ", ".join(each.types), each.max_gpus, _nodes(each), _warm(facts, each)) for each in facts.pools],
    )
    table(
        ("namespace with a quota", "GPUs", "services"),
        [(each, gpus, ", ".join(facts.services.get(each, ())) or "-") for each, gpus in facts.gpu_quota.items()],
    )
    lacking: list[Finding] = [*version_findings(facts)]
    for found in lacking:
        say(str(found))
    if not facts.pools:
        say("no pool of GPU nodes with a limit: declare a GpuNodePool")
    if lacking:
        done(f"{facts.name}: not yet ready for GPU endpoints.")
    else:
        done(f"{facts.name}: ready for GPU endpoints.")


def _nodes(pool: Pool) -> str:
    if pool.static is not None:
        return f"always {pool.static}"
    return f"deleted after {pool.idle_seconds} s"


def _warm(facts: Cluster, pool: Pool) -> str:
    from scaletozero.kubernetes.facts.backend import choose_backend

    backend = choose_backend(facts, pool)
    return f"{backend.kind}: {backend.reason}"


def on_cluster(endpoints: Mapping[str, Mapping[str, Any]], settings: Environment) -> dict[str, dict[str, Any]]:
    """The current state of the endpoints on Kubernetes, by their names in the environment.

    Args:
        endpoints: the stack's exports about the environment's endpoints.
        settings: the environment.
    """
    asked = {name: about for name, about in endpoints.items() if KINDS[about["kind"]].on_cluster}
    kubeconfig = os.environ.get("KUBECONFIG")
    if not asked or not kubeconfig:
        said = "rendered" if settings.sandbox else "unknown: no KUBECONFIG"
        return {name: {"status": said} for name in asked}
    from scaletozero.kubernetes.api import ApiError, KubernetesApi

    try:
        api = KubernetesApi(kubeconfig, settings.kubernetes.context if settings.kubernetes else None)
        return {name: _now(api, about) for name, about in asked.items()}
    except ApiError as error:
        return {name: {"status": f"unknown: {error}"} for name in asked}


def _now(api: KubernetesApi, about: Mapping[str, Any]) -> dict[str, Any]:
    from scaletozero.kubernetes.pausing import paused, scaled_object

    found = _state(api.get(_deployment(about)))
    if "replicas" in found and paused(api, scaled_object(about["namespace"], about["name"])):
        found["status"] = "closing" if found["replicas"] else "closed"
    return found


def _deployment(about: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"namespace": about["namespace"], "name": about["name"]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}


def _state(live: Mapping[str, Any] | None) -> dict[str, Any]:
    if live is None:
        return {"status": "gone"}
    wanted, ready = live["spec"].get("replicas", 0), (live.get("status") or {}).get("readyReplicas", 0)
    status = "asleep" if not wanted else "awake" if ready else "waking"
    return {"status": status, "replicas": wanted, "ready": ready}
