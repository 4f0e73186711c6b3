"""Reads and validates a declared environment and its artifacts. Nothing is deployed here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import parse
from scaletozero.cold_start.remembered import Start, recall
from scaletozero.endpoints.kind import Site
from scaletozero.endpoints.kinds import kind_of
from scaletozero.environment.estimate import spending_findings
from scaletozero.environment.residency import residency_findings
from scaletozero.environment.settings import Environment, Sandbox
from scaletozero.gateway.pods import unreachable
from scaletozero.settings.schedules import over
from scaletozero.spending.prices import prices

KEY = "environment"
"""The key of a stack's configuration, in the project's namespace, that holds the environment."""


def read_environment(
    data: object,
    root: Path | None,
    *,
    on_sandbox: bool = False,
    gated: bool = True,
    starts: Mapping[str, tuple[Start, ...]] | None = None,
) -> Environment:
    """Validates the `environment` of a settings file, and that every artifact that it names is complete.

    Endpoints on Kubernetes are checked against their cluster, which $KUBECONFIG names; if an environment runs in the
    sandbox and that is not set, against the facts in its settings.

    Args:
        data: the user's settings.
        root: the project's folder, to which the artifacts' paths are relative; None skips artifacts and cluster.
        on_sandbox: whether it runs in the sandbox, regardless of its settings.
        gated: whether a cap that could be exceeded is refused, where it says `enforce: fail`.
        starts: endpoint -> its measured starts. Default: none.

    Returns:
        The environment; with a root, its packaged models are open, and its `kubernetes.cluster` has all known facts
        about the cluster.

    Raises:
        FindingsError: with everything that is wrong.
    """
    environment = parse(Environment, data, KEY)
    if on_sandbox and environment.sandbox is None:
        environment = environment.model_copy(update={"sandbox": Sandbox()})
    if root is None:
        return environment
    environment = with_facts(environment, root).with_starts(starts or {})
    now = datetime.now(UTC)
    found, opened = examined(environment, root)
    if findings := [
        *found,
        *_price_findings(),
        *windows_over(environment, now),
        *residency_findings(environment, now.date()),
        *_pods_findings(environment),
    ]:
        raise FindingsError(findings)
    environment = remembering(environment.with_opened(opened))
    if gated:
        require_caps(environment)
    return environment


def remembering(environment: Environment) -> Environment:
    """The environment, whose packaged models are open, with measured starts in place of defaults."""
    changed: dict[str, Any] = {}
    for name, settings in environment.endpoints.items():
        kind, starts = kind_of(settings), environment.starts.get(name, ())
        served = kind.served(settings, environment.opened[name], environment.region) if starts else None
        if served:
            changed[name] = kind.remembering(settings, recall(starts, served))
    return (
        environment.model_copy(update={"endpoints": {**environment.endpoints, **changed}}) if changed else environment
    )


def require_caps(environment: Environment) -> list[Finding]:
    """What keeps an environment, whose packaged models are open, from its caps, where it says `enforce: warn`.

    Raises:
        FindingsError: the same, where it says `enforce: fail`.
    """
    found = spending_findings(environment, prices(), KEY)
    if found and environment.spending and environment.spending.enforce == "fail":
        raise FindingsError(found)
    return found


def _price_findings() -> tuple[Finding, ...]:
    """What is wrong with the project's own price table."""
    try:
        prices()
    except FindingsError as error:
        return error.findings
    return ()


def _pods_findings(environment: Environment) -> list[Finding]:
    """What is wrong with the gateway's pods in the cluster as it is."""
    if environment.gateway is None or environment.gateway.cluster is None or environment.kubernetes is None:
        return []
    found = unreachable(environment.gateway.cluster, environment.kubernetes.cluster)
    return [replace(each, path=f"{KEY}.gateway.cluster.{each.path}") for each in found]


def windows_over(environment: Environment, now: datetime) -> list[Finding]:
    """Findings on windows for single dates in the past."""
    return [
        finding
        for name, endpoint in environment.endpoints.items()
        for finding in over(endpoint.schedule, now, f"{KEY}.endpoints.{name}.schedule")
    ]


def site_of(environment: Environment, root: Path) -> Site:
    """Where the environment's endpoints are declared, with their models that are already open."""
    return Site(
        region=environment.region,
        root=root,
        tags=environment.tags,
        kms_key_arn=environment.artifacts.kms_key_arn,
        kubernetes=environment.kubernetes,
        residency=environment.residency.allowed if environment.residency else (),
        log_retention_days=environment.log_retention_days,
        opened=environment.opened,
        starts=environment.starts,
    )


def examined(environment: Environment, root: Path) -> tuple[list[Finding], dict[str, Any]]:
    """Findings on the endpoints' artifacts, and on endpoints that can only be checked with their artifacts; and the
    open artifacts, by the endpoints' names."""
    site = site_of(environment, root)
    findings: list[Finding] = []
    opened: dict[str, Any] = {}
    for name, endpoint in environment.endpoints.items():
        try:
            result = kind_of(endpoint).examine(name, endpoint, site)
            found, opened[name] = result.findings, result.opened
        except FindingsError as error:
            path = f"endpoints.{name}.artifact"
            found = [Finding(path, f"{e.path} {e.rule}", e.got, e.consequence, e.fix) for e in error.findings]
        findings += [replace(each, path=f"{KEY}.{each.path}") for each in found]
    # A finding on the cluster concerns each of its endpoints.
    return list(dict.fromkeys(findings)), opened


def with_facts(environment: Environment, root: Path) -> Environment:
    """The environment with all known facts about its cluster, if an endpoint or its gateway needs one.

    Raises:
        FindingsError: no facts are available, or they differ from what was written.
    """
    block = environment.kubernetes
    wanting = any(kind_of(each).on_cluster for each in environment.endpoints.values())
    if block is None or not (wanting or (environment.gateway is not None and environment.gateway.cluster is not None)):
        return environment
    from scaletozero.kubernetes.facts.read import facts

    try:
        rendered = environment.sandbox is not None
        cluster = facts(block, root, os.environ.get("KUBECONFIG"), rendered=rendered)
    except FindingsError as error:
        raise FindingsError(replace(found, path=_below(found.path)) for found in error.findings) from None
    return environment.model_copy(update={"kubernetes": block.model_copy(update={"cluster": cluster})})


def _below(path: str) -> str:
    return f"{KEY}.{path}" if path.startswith("kubernetes") else path
