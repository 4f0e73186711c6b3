"""Serve AI models from your own cloud accounts and pay per query.

A name is loaded when it is first used: the sandbox's plugins and the command line need few of them, or none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaletozero.artifact_store import ArtifactStore, ArtifactStoreArgs
    from scaletozero.cluster_prerequisites import ClusterPrerequisites, ClusterPrerequisitesArgs
    from scaletozero.endpoints.asynchronous import AsyncEndpoint, AsyncEndpointArgs, VpcArgs
    from scaletozero.endpoints.calls import ModelError, Submitted, result, submit
    from scaletozero.endpoints.gpu import GpuEndpoint
    from scaletozero.endpoints.gpu_args import GpuEndpointArgs
    from scaletozero.endpoints.serverless import ServerlessEndpoint, ServerlessEndpointArgs
    from scaletozero.endpoints.serving_image import ServingImage, ServingImageArgs
    from scaletozero.observability.alarms import EndpointAlarms, EndpointAlarmsArgs
    from scaletozero.warmth.args import (
        AlarmsArgs,
        InstanceScalingArgs,
        PoolScalingArgs,
        ServerlessScalingArgs,
        WindowArgs,
    )
    from scaletozero.warmth.calls import WarmCalls, WarmCallsArgs
    from scaletozero.warmth.gpu_args import ClusterArgs
    from scaletozero.warmth.gpu_node_pool import GpuNodeGroup, GpuNodeGroupArgs, GpuNodePool, GpuNodePoolArgs
    from scaletozero.warmth.gpu_warm_pool import GpuWarmPool, GpuWarmPoolArgs
    from scaletozero.warmth.pool import WarmPool, WarmPoolArgs

_HOME = {
    "AlarmsArgs": "warmth.args",
    "ArtifactStore": "artifact_store",
    "ArtifactStoreArgs": "artifact_store",
    "AsyncEndpoint": "endpoints.asynchronous",
    "AsyncEndpointArgs": "endpoints.asynchronous",
    "ClusterArgs": "warmth.gpu_args",
    "ClusterPrerequisites": "cluster_prerequisites",
    "ClusterPrerequisitesArgs": "cluster_prerequisites",
    "EndpointAlarms": "observability.alarms",
    "EndpointAlarmsArgs": "observability.alarms",
    "GpuEndpoint": "endpoints.gpu",
    "GpuEndpointArgs": "endpoints.gpu_args",
    "GpuNodeGroup": "warmth.gpu_node_pool",
    "GpuNodeGroupArgs": "warmth.gpu_node_pool",
    "GpuNodePool": "warmth.gpu_node_pool",
    "GpuNodePoolArgs": "warmth.gpu_node_pool",
    "GpuWarmPool": "warmth.gpu_warm_pool",
    "GpuWarmPoolArgs": "warmth.gpu_warm_pool",
    "InstanceScalingArgs": "warmth.args",
    "ModelError": "endpoints.calls",
    "PoolScalingArgs": "warmth.args",
    "ServerlessEndpoint": "endpoints.serverless",
    "ServerlessEndpointArgs": "endpoints.serverless",
    "ServerlessScalingArgs": "warmth.args",
    "ServingImage": "endpoints.serving_image",
    "ServingImageArgs": "endpoints.serving_image",
    "Submitted": "endpoints.calls",
    "VpcArgs": "endpoints.asynchronous",
    "WarmCalls": "warmth.calls",
    "WarmCallsArgs": "warmth.calls",
    "WarmPool": "warmth.pool",
    "WarmPoolArgs": "warmth.pool",
    "WindowArgs": "warmth.args",
    "result": "endpoints.calls",
    "submit": "endpoints.calls",
}

__all__ = [
    "AlarmsArgs",
    "ArtifactStore",
    "ArtifactStoreArgs",
    "AsyncEndpoint",
    "AsyncEndpointArgs",
    "ClusterArgs",
    "ClusterPrerequisites",
    "ClusterPrerequisitesArgs",
    "EndpointAlarms",
    "EndpointAlarmsArgs",
    "GpuEndpoint",
    "GpuEndpointArgs",
    "GpuNodeGroup",
    "GpuNodeGroupArgs",
    "GpuNodePool",
    "GpuNodePoolArgs",
    "GpuWarmPool",
    "GpuWarmPoolArgs",
    "InstanceScalingArgs",
    "ModelError",
    "PoolScalingArgs",
    "ServerlessEndpoint",
    "ServerlessEndpointArgs",
    "ServerlessScalingArgs",
    "ServingImage",
    "ServingImageArgs",
    "Submitted",
    "VpcArgs",
    "WarmCalls",
    "WarmCallsArgs",
    "WarmPool",
    "WarmPoolArgs",
    "WindowArgs",
    "result",
    "submit",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
