"""An environment as it was declared: read, validated, its artifacts found and whole. Nothing is deployed here."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_packaging.artifact.reader import open_artifact
from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import LATER, parse
from scaletozero.environment.settings import Endpoint, Environment, Sandbox
from scaletozero.settings.fit import fit_findings
from scaletozero.settings.gpu import GpuEndpoint, GpuEndpointSettings
from scaletozero.settings.schedules import over
from scaletozero.settings.serverless import ServerlessEndpoint

if TYPE_CHECKING:
    from scaletozero.kubernetes.model import Model

KEY = "environment"
"""The key of a stack's configuration, in the project's namespace, that holds the environment."""


def read_environment(data: object, root: Path | None, *, on_sandbox: bool = False) -> Environment:
    """Validates what a settings file says under `environment`, and that every artifact it names is there and whole.

    Endpoints on Kubernetes are checked against their cluster, which $KUBECONFIG names; where an environment runs in the
    sandbox and that is not set, against what was written of it.

    Args:
        data: what the user wrote.
        root: the project's folder, which the artifacts' paths are relative to; None leaves artifacts and cluster out.
        on_sandbox: it runs in the sandbox, whatever is written.

    Returns:
        The environment; with a root, its `kubernetes.cluster` has all that is known of the cluster.

    Raises:
        FindingsError: with everything that is wrong.
    """
    environment = parse(Environment, data, KEY)
    if on_sandbox and environment.sandbox is None:
        environment = environment.model_copy(update={"sandbox": Sandbox()})
    if root is None:
        return environment
    environment = with_facts(environment, root)
    findings = [*artifact_findings(environment, root), *windows_over(environment, datetime.now(UTC))]
    if findings:
        raise FindingsError(findings)
    return environment


def windows_over(environment: Environment, now: datetime) -> list[Finding]:
    """The windows for single dates in the past."""
    return [
        finding
        for name, endpoint in environment.endpoints.items()
        for finding in over(endpoint.schedule, now, f"{KEY}.endpoints.{name}.schedule")
    ]


def artifact_findings(environment: Environment, root: Path) -> list[Finding]:
    """What is wrong with the endpoints' artifacts, and with those endpoints that need theirs to be judged at all."""
    findings: list[Finding] = []
    for name, endpoint in environment.endpoints.items():
        path = f"{KEY}.endpoints.{name}"
        try:
            model = _opened(endpoint, root)
        except FindingsError as error:
            findings += [
                Finding(f"{path}.artifact", f"{found.path} {found.rule}", found.got, found.consequence, found.fix)
                for found in error.findings
            ]
            continue
        if isinstance(endpoint, ServerlessEndpoint):
            findings += fit_findings(open_artifact(root / endpoint.artifact).manifest, endpoint.memory_mb, path)
        if isinstance(endpoint, GpuEndpoint) and model:
            findings += gpu_findings(environment, name, endpoint, model)
    # What is wrong with the cluster is wrong for each of its endpoints.
    return list(dict.fromkeys(findings))


def _opened(endpoint: Endpoint, root: Path) -> Model | None:
    """An endpoint's artifact was looked at; what a plan has to know of it, where there is one."""
    if not isinstance(endpoint, GpuEndpoint):
        open_artifact(root / endpoint.artifact)
        return None
    from scaletozero.kubernetes.model import read_model  # only for those who have a cluster

    return read_model(root / endpoint.artifact)[0]


def with_facts(environment: Environment, root: Path) -> Environment:
    """The environment with all that is known of its cluster, where an endpoint needs one.

    Raises:
        FindingsError: nothing can be known of it, or it is not as it was written.
    """
    block = environment.kubernetes
    if block is None or not any(isinstance(each, GpuEndpoint) for each in environment.endpoints.values()):
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


def gpu_findings(environment: Environment, name: str, endpoint: GpuEndpoint, model: Model) -> list[Finding]:
    """Everything that is wrong with an endpoint on Kubernetes; paths are the environment's."""
    from scaletozero.kubernetes.plan import plan_gpu_endpoint

    try:
        settings = parse(GpuEndpointSettings, {**gpu_args(environment, endpoint), "bucket": LATER})
        found = plan_gpu_endpoint(name, settings, model).findings
    except FindingsError as error:
        found = error.findings
    return [replace(each, path=_as_written(name, each.path)) for each in found]


def gpu_args(environment: Environment, endpoint: GpuEndpoint) -> dict[str, Any]:
    """The arguments of `GpuEndpoint`, but for its bucket and the artifact's whole path."""
    assert environment.kubernetes
    return {
        **endpoint.model_dump(exclude={"kind", "tags"}, exclude_unset=True),
        "cluster": environment.kubernetes.cluster.model_dump(exclude_unset=True),
        "namespace": environment.kubernetes.namespace,
        "tags": {**environment.tags, **endpoint.tags},
    }


def _as_written(name: str, path: str) -> str:
    """Where in the environment a finding of one endpoint stands."""
    if path.partition(".")[0] in ("cluster", "namespace"):
        return f"{KEY}.kubernetes.{path}"
    return f"{KEY}.endpoints.{name}.{path}"
