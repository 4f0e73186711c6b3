"""The facts about an environment's cluster: written ones, those of a file, and those of the cluster itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from model_packaging.files import readable
from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.validation import parse
from scaletozero.kubernetes.facts.discover import read_kubeconfig
from scaletozero.settings.cluster import Cluster, numbers
from scaletozero.settings.kubernetes import Kubernetes

PATH = "kubernetes"
"""The path of the block in an environment."""

_VERSIONS = ("version", "karpenter", "keda", "http_addon")
_OTHERWISE = "the checks would not be those of the cluster that is deployed to"
_REMOVE = "remove it: it is read from the cluster"

Read = Callable[..., dict[str, Any]]


def facts(
    block: Kubernetes, root: Path, kubeconfig: str | None, *, rendered: bool, read: Read = read_kubeconfig
) -> Cluster:
    """The facts about the cluster. If it can be read, no written fact may differ from it.

    Args:
        block: the block, as written.
        root: the project's folder.
        kubeconfig: $KUBECONFIG.
        rendered: whether manifests may be rendered to a folder if no cluster is named.
        read: reads the facts from the cluster.

    Raises:
        FindingsError: a cluster is required and there is none; it cannot be read, is another one, or differs from what
            was written; the file is invalid.
    """
    written = block.cluster.model_dump(exclude_unset=True)
    saved = _saved(block, root) if block.facts else {}
    if kubeconfig:
        name, region = block.cluster.name, block.cluster.region
        live = read(kubeconfig, name, region, context=block.context, namespaces=[block.namespace])
        if different := [replace(found, path=f"{PATH}.{found.path}") for found in differences(written, live)]:
            raise FindingsError(different)
        return parse(Cluster, together(written, live), f"{PATH}.cluster")
    if not rendered:
        raise refuse(
            "KUBECONFIG",
            "must name the kubeconfig of the cluster for endpoints of kind `gpu`",
            "nothing",
            "they would be deployed to the cluster that this machine used last",
            "set KUBECONFIG; `preview --sandbox` renders and checks them without a cluster",
        )
    if not saved and not written.keys() & _VERSIONS:
        raise refuse(
            f"{PATH}.cluster",
            "must have facts about the cluster, if KUBECONFIG is not set",
            f"only {', '.join(sorted(written))}",
            "what the cluster lacks would be discovered by the first request",
            f"set KUBECONFIG, or save `scaletozero cluster --json` and name the file as `{PATH}.facts`, or write them",
        )
    return parse(Cluster, {**saved, **written}, f"{PATH}.cluster")


def _saved(block: Kubernetes, root: Path) -> dict[str, Any]:
    assert block.facts
    at, path, fix = f"{PATH}.facts", root / block.facts, "write the file again with `scaletozero cluster --json`"
    try:
        content = json.loads(readable(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise refuse(at, "must be a file with the facts about a cluster", f"{block.facts}: {said}", "", fix) from None
    found = parse(Cluster, content, block.facts)
    own = (block.cluster.name, block.cluster.region)
    if (found.name, found.region) != own:
        got = f"{found.name} in {found.region}"
        raise refuse(at, f"must be of the cluster {own[0]} in {own[1]}", got, _OTHERWISE, fix)
    return found.model_dump(exclude_unset=True)


def together(written: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the cluster, and those that are only written. A written pool may have more than can be read."""
    pools = {each["name"]: each for each in (*live["pools"], *written.get("pools", ()))}
    return {**written, **live, "pools": [*pools.values()]}


def differences(written: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[Finding]:
    """Written facts that differ from the cluster. Pools that cannot be read are accepted as written."""
    for field in _VERSIONS:
        yield from _version(field, written.get(field), live.get(field))
    if written.get("nodes", live["nodes"]) != live["nodes"]:
        rule = f"must be what adds the cluster's nodes, {live['nodes']}"
        yield Finding("cluster.nodes", rule, written["nodes"], _OTHERWISE, _REMOVE)
    for field in ("crds", "feature_gates", "namespaces"):
        for each in written.get(field) or ():
            if each not in live[field]:
                yield Finding(f"cluster.{field}", "must exist", f"{each}, which does not", _OTHERWISE, _REMOVE)
    for namespace, services in written.get("services", {}).items():
        for each in services if namespace in live["services"] else ():
            if each not in live["services"][namespace]:
                at = f"cluster.services.{namespace}"
                yield Finding(at, "must exist", f"{each}, which does not", _OTHERWISE, _REMOVE)
    for namespace, gpus in written.get("gpu_quota", {}).items():
        there = live["gpu_quota"].get(namespace)
        if gpus != there:
            rule = f"must be the namespace's own, {'none' if there is None else there}"
            yield Finding(f"cluster.gpu_quota.{namespace}", rule, str(gpus), _OTHERWISE, _REMOVE)
    yield from _pools(written.get("pools", ()), {each["name"]: each for each in live["pools"]})


def _version(field: str, written: str | None, live: str | None) -> Iterator[Finding]:
    if written is None:
        return
    parts = len(written.removeprefix("v").split("."))
    if live is None or numbers(written)[:parts] != numbers(live)[:parts]:
        rule = f"must be the version in the cluster, {live}" if live else "must be installed"
        yield Finding(
            f"cluster.{field}", rule, written if live else f"{written}, which is not installed", _OTHERWISE, _REMOVE
        )


def _pools(written: Any, live: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for index, each in enumerate(written):
        there = live.get(each["name"])
        if there is None:
            continue
        at = f"cluster.pools.{index}"
        if each["max_gpus"] > there["max_gpus"]:
            rule = f"must be at most the pool's own limit, {there['max_gpus']}"
            yield Finding(f"{at}.max_gpus", rule, str(each["max_gpus"]), _OTHERWISE, f"write {there['max_gpus']}")
        for name in each["types"]:
            if name not in there["types"]:
                rule = f"must be types of the pool {each['name']}: {', '.join(there['types'])}"
                yield Finding(f"{at}.types", rule, name, _OTHERWISE, "remove it, or add it to the pool")
