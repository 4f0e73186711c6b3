"""One environment, declared: its provider, its bucket, its endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from model_packaging.artifact import Artifact, open_artifact
from model_packaging.findings import Finding, FindingsError
from model_packaging.validation import parse
from scaletozero.artifact_store import ArtifactStore
from scaletozero.endpoints.asynchronous import AsyncEndpoint
from scaletozero.endpoints.serverless import ServerlessEndpoint
from scaletozero.settings.asynchronous import Asynchronous
from scaletozero.settings.environment import Environment
from scaletozero.settings.schedules import over

KEY = "environment"
"""The key of a stack's configuration, in the project's namespace, that holds the environment."""

ANSWERS_DAYS = 7
"""How long requests and answers stay in an environment with asynchronous endpoints, unless it says otherwise."""


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
        FindingsError: for every endpoint whose artifact is missing or not whole.
    """
    opened: dict[str, Artifact] = {}
    findings: list[Finding] = []
    for name, endpoint in environment.endpoints.items():
        try:
            opened[name] = open_artifact(root / endpoint.artifact)
        except FindingsError as error:
            at = f"{KEY}.endpoints.{name}.artifact"
            findings += [
                Finding(at, f"{found.path} {found.rule}", found.got, found.consequence, found.fix)
                for found in error.findings
            ]
    if findings:
        raise FindingsError(findings)
    return opened


def deploy(environment: Environment, root: Path) -> None:
    """Declares an environment. To be called inside a Pulumi program.

    Args:
        environment: a validated environment.
        root: the project's folder, which the artifacts' paths are relative to.
    """
    provider = aws.Provider("aws", region=environment.region)
    opts = pulumi.ResourceOptions(providers=[provider])
    tags = dict(environment.tags)
    keep = {"keep_answers_days": ANSWERS_DAYS} if _any_asynchronous(environment) else {}
    store = ArtifactStore(
        "artifacts",
        {"region": environment.region, "tags": tags, **keep, **given(environment.artifacts.model_dump())},  # pyright: ignore[reportArgumentType]
        opts,
    )
    endpoints: dict[str, Any] = {}
    for name, settings in environment.endpoints.items():
        args: Any = {
            **settings.model_dump(exclude={"kind", "artifact", "tags"}, exclude_unset=True),
            "artifact": str(root / settings.artifact),
            "bucket": store.bucket,
            "region": environment.region,
            "tags": {**tags, **settings.tags},
            **given({"kms_key_arn": environment.artifacts.kms_key_arn}),
        }
        if isinstance(settings, Asynchronous):
            endpoint = AsyncEndpoint(name, args, opts)
            more = {"instance_type": settings.instance_type, "requests": endpoint.requests}
        else:
            endpoint = ServerlessEndpoint(name, args, opts)
            more = {"memory_mb": endpoint.memory_mb}
        endpoints[name] = {
            "kind": settings.kind,
            "name": endpoint.endpoint_name,
            "arn": endpoint.endpoint_arn,
            **more,
            "max": settings.scaling.max,
            "artifact": settings.artifact,
            "digest": endpoint.artifact_digest,
            "logs": endpoint.log_group,
        }
    pulumi.export("region", environment.region)
    pulumi.export("bucket", store.bucket)
    pulumi.export("endpoints", endpoints)


def _any_asynchronous(environment: Environment) -> bool:
    return any(isinstance(endpoint, Asynchronous) for endpoint in environment.endpoints.values())


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are there."""
    return {key: value for key, value in values.items() if value is not None}
