"""One environment, declared: its provider, its bucket, its endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from scaletozero.artifact_store import ArtifactStore
from scaletozero.endpoints.asynchronous import AsyncEndpoint
from scaletozero.endpoints.serverless import ServerlessEndpoint
from scaletozero.settings.asynchronous import Asynchronous
from scaletozero.settings.environment import Environment

ANSWERS_DAYS = 7
"""How long requests and answers stay in an environment with asynchronous endpoints, unless it says otherwise."""


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
