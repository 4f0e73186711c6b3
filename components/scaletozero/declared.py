"""An environment as it was declared: read, validated, its artifacts found and whole. Nothing is deployed here."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from model_packaging.artifact import Artifact, open_artifact
from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import parse
from scaletozero.settings.environment import Environment
from scaletozero.settings.fit import misfits
from scaletozero.settings.schedules import over
from scaletozero.settings.serverless import Serverless

KEY = "environment"
"""The key of a stack's configuration, in the project's namespace, that holds the environment."""


def read_environment(data: object, root: Path | None) -> Environment:
    """Validates what a settings file says under `environment`, and that every artifact it names is there and whole.

    Args:
        data: what the user wrote.
        root: the project's folder, which the artifacts' paths are relative to; None leaves the artifacts out.

    Raises:
        FindingsError: with everything that is wrong.
    """
    environment = parse(Environment, data, KEY)
    if root is not None:
        artifacts(environment, root)
        windows_over(environment, datetime.now(UTC))
    return environment


def windows_over(environment: Environment, now: datetime) -> None:
    """Refuses windows for single dates in the past.

    Raises:
        FindingsError: for every one.
    """
    findings = [
        finding
        for name, endpoint in environment.endpoints.items()
        for finding in over(endpoint.schedule, now, f"{KEY}.endpoints.{name}.schedule")
    ]
    if findings:
        raise FindingsError(findings)


def artifacts(environment: Environment, root: Path) -> dict[str, Artifact]:
    """The artifact of each endpoint.

    Raises:
        FindingsError: for every endpoint whose artifact is missing, not whole, or does not fit the endpoint.
    """
    opened: dict[str, Artifact] = {}
    findings: list[Finding] = []
    for name, endpoint in environment.endpoints.items():
        path = f"{KEY}.endpoints.{name}"
        try:
            opened[name] = open_artifact(root / endpoint.artifact)
        except FindingsError as error:
            findings += [
                Finding(f"{path}.artifact", f"{found.path} {found.rule}", found.got, found.consequence, found.fix)
                for found in error.findings
            ]
            continue
        if isinstance(endpoint, Serverless):
            findings += misfits(opened[name].manifest, endpoint.memory_mb, path)
    if findings:
        raise FindingsError(findings)
    return opened
