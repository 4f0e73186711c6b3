"""Serve AI models from your own cloud accounts and pay per query."""

from scaletozero.artifact_store import ArtifactStore, ArtifactStoreArgs
from scaletozero.cluster_prerequisites import ClusterPrerequisites, ClusterPrerequisitesArgs
from scaletozero.endpoints.asynchronous import AsyncEndpoint, AsyncEndpointArgs, VpcArgs
from scaletozero.endpoints.calls import ModelError, Submitted, result, submit
from scaletozero.endpoints.gpu import GpuEndpoint
from scaletozero.endpoints.gpu_args import GpuEndpointArgs
from scaletozero.endpoints.serverless import ServerlessEndpoint, ServerlessEndpointArgs
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
