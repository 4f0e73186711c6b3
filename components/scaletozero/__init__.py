"""Serve AI models from your own cloud accounts and pay per query."""

from scaletozero.artifact_store import ArtifactStore, ArtifactStoreArgs
from scaletozero.endpoints.asynchronous import AsyncEndpoint, AsyncEndpointArgs, VpcArgs
from scaletozero.endpoints.calls import ModelError, Submitted, result, submit
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
from scaletozero.warmth.pool import WarmPool, WarmPoolArgs

__all__ = [
    "AlarmsArgs",
    "ArtifactStore",
    "ArtifactStoreArgs",
    "AsyncEndpoint",
    "AsyncEndpointArgs",
    "EndpointAlarms",
    "EndpointAlarmsArgs",
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
