"""One environment, declared: its provider, its bucket, its endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

from scaletozero.endpoints.artifact_store import ArtifactStore
from scaletozero.endpoints.asynchronous import AsyncEndpoint
from scaletozero.endpoints.serverless import ServerlessEndpoint
from scaletozero.environment.read import gpu_args
from scaletozero.environment.settings import Environment
from scaletozero.settings.asynchronous import AsynchronousEndpoint as DeclaredAsynchronous
from scaletozero.settings.gpu import GpuEndpoint as DeclaredGpu
from scaletozero.settings.serverless import ServerlessEndpoint as DeclaredServerless

ANSWERS_DAYS = 7
"""How long requests and answers stay in an environment with asynchronous endpoints, unless it says otherwise."""


def declare_environment(environment: Environment, root: Path) -> None:
    """Declares an environment. To be called inside a Pulumi program.

    Args:
        environment: a validated environment.
        root: the project's folder, which the artifacts' paths are relative to.
    """
    opts = pulumi.ResourceOptions(providers=_providers(environment))
    tags = dict(environment.tags)
    keep = {"keep_answers_days": ANSWERS_DAYS} if _any_asynchronous(environment) else {}
    store = ArtifactStore(
        "artifacts",
        {"region": environment.region, "tags": tags, **keep, **given(environment.artifacts.model_dump())},  # pyright: ignore[reportArgumentType]
        opts,
    )
    pulumi.export("region", environment.region)
    pulumi.export("bucket", store.bucket)
    pulumi.export(
        "endpoints",
        {
            name: _gpu(environment, name, settings, root, store, opts)
            if isinstance(settings, DeclaredGpu)
            else _sagemaker(environment, name, settings, root, store, opts)
            for name, settings in environment.endpoints.items()
        },
    )


def _providers(environment: Environment) -> list[pulumi.ProviderResource]:
    providers: list[pulumi.ProviderResource] = [aws.Provider("aws", region=environment.region)]
    if block := environment.kubernetes:
        import pulumi_kubernetes as kubernetes  # a tenth of a second, for those who have a cluster

        providers.append(kubernetes.Provider("cluster", context=block.context))
    return providers


def _sagemaker(
    environment: Environment,
    name: str,
    settings: DeclaredServerless | DeclaredAsynchronous,
    root: Path,
    store: ArtifactStore,
    opts: pulumi.ResourceOptions,
) -> dict[str, Any]:
    """Declares an endpoint of SageMaker; what is exported of it."""
    args: Any = {
        **settings.model_dump(exclude={"kind", "artifact", "tags"}, exclude_unset=True),
        "artifact": str(root / settings.artifact),
        "bucket": store.bucket,
        "region": environment.region,
        "tags": {**environment.tags, **settings.tags},
        **given({"kms_key_arn": environment.artifacts.kms_key_arn}),
    }
    if isinstance(settings, DeclaredAsynchronous):
        endpoint = AsyncEndpoint(name, args, opts)
        more = {"instance_type": settings.instance_type, "requests": endpoint.requests}
    else:
        endpoint = ServerlessEndpoint(name, args, opts)
        more = {"memory_mb": endpoint.memory_mb}
    return {
        "kind": settings.kind,
        "name": endpoint.endpoint_name,
        "arn": endpoint.endpoint_arn,
        **more,
        "max": settings.scaling.max,
        "artifact": settings.artifact,
        "digest": endpoint.artifact_digest,
        "logs": endpoint.log_group,
    }


def _gpu(
    environment: Environment,
    name: str,
    settings: DeclaredGpu,
    root: Path,
    store: ArtifactStore,
    opts: pulumi.ResourceOptions,
) -> dict[str, Any]:
    """Declares an endpoint on Kubernetes; what is exported of it."""
    from scaletozero.endpoints.gpu import GpuEndpoint
    from scaletozero.kubernetes.manifests.scaling import interceptor_address

    assert environment.kubernetes
    args: Any = {
        **gpu_args(environment, settings),
        "artifact": str(root / settings.artifact),
        "bucket": store.bucket,
        **given({"kms_key_arn": environment.artifacts.kms_key_arn}),
    }
    endpoint = GpuEndpoint(name, args, opts)
    return {
        "kind": settings.kind,
        "name": endpoint.endpoint_name,
        "namespace": environment.kubernetes.namespace,
        "host": endpoint.host,
        "interceptor_address": interceptor_address(environment.kubernetes.cluster.keda_namespace),
        "enter_at": interceptor_address(
            environment.kubernetes.cluster.keda_namespace
        ),  # its name before 0.2, for one release
        "max": settings.scaling.max,
        "artifact": settings.artifact,
        "digest": endpoint.artifact_digest,
        "cold_start_seconds": endpoint.cold_start_seconds,
        "usd_per_hour": endpoint.usd_per_hour,
    }


def _any_asynchronous(environment: Environment) -> bool:
    return any(isinstance(endpoint, DeclaredAsynchronous) for endpoint in environment.endpoints.values())


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are there."""
    return {key: value for key, value in values.items() if value is not None}
