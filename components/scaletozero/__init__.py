"""Serve AI models from your own cloud accounts and pay per query.

A name is loaded when it is first used: the sandbox's plugins and the command line need few of them, or none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scaletozero import moved

if TYPE_CHECKING:
    from scaletozero.args.alarms import EndpointAlarmsArgs
    from scaletozero.args.artifact_store import ArtifactStoreArgs
    from scaletozero.args.asynchronous import AsyncEndpointArgs, VpcArgs
    from scaletozero.args.cluster import ClusterArgs
    from scaletozero.args.dashboards import DashboardEndpointArgs, EndpointDashboardArgs, EnvironmentDashboardArgs
    from scaletozero.args.framework_image import FrameworkImageArgs
    from scaletozero.args.gpu_endpoint import GpuEndpointArgs
    from scaletozero.args.gpu_warm_pool import GpuWarmPoolArgs
    from scaletozero.args.inference_gateway import (
        GatewayCustomerArgs,
        GatewayEndpointArgs,
        GatewayModelArgs,
        InferenceGatewayArgs,
    )
    from scaletozero.args.node_pools import GpuNodeGroupArgs, GpuNodePoolArgs
    from scaletozero.args.prerequisites import ClusterPrerequisitesArgs
    from scaletozero.args.residency_guard import ResidencyGuardArgs
    from scaletozero.args.scaling import (
        AlarmsArgs,
        InstanceScalingArgs,
        PoolScalingArgs,
        ServerlessScalingArgs,
        WindowArgs,
    )
    from scaletozero.args.serverless import ServerlessEndpointArgs
    from scaletozero.args.serving_image import ServingImageArgs
    from scaletozero.args.spending_guard import GuardedEndpointArgs, SpendingGuardArgs
    from scaletozero.args.warm_calls import WarmCallsArgs
    from scaletozero.args.warm_pool import WarmPoolArgs
    from scaletozero.cluster.node_pools import GpuNodeGroup, GpuNodePool
    from scaletozero.cluster.prerequisites import ClusterPrerequisites
    from scaletozero.cluster.warm_pool import GpuWarmPool
    from scaletozero.endpoints.alarms import EndpointAlarms
    from scaletozero.endpoints.artifact_store import ArtifactStore
    from scaletozero.endpoints.async_client import ModelError, Submitted, result, submit
    from scaletozero.endpoints.asynchronous import AsyncEndpoint
    from scaletozero.endpoints.dashboards import EndpointDashboard, EnvironmentDashboard
    from scaletozero.endpoints.gpu import GpuEndpoint
    from scaletozero.endpoints.serverless import ServerlessEndpoint
    from scaletozero.endpoints.serving_image import ServingImage
    from scaletozero.endpoints.spending_guard import SpendingGuard
    from scaletozero.gateway.inference_gateway import InferenceGateway
    from scaletozero.residency.residency_guard import ResidencyGuard, bounded_by
    from scaletozero.scaling.warm_calls import WarmCalls
    from scaletozero.scaling.warm_pool import WarmPool

_HOME = {
    "AlarmsArgs": "args.scaling",
    "ArtifactStore": "endpoints.artifact_store",
    "ArtifactStoreArgs": "args.artifact_store",
    "AsyncEndpoint": "endpoints.asynchronous",
    "AsyncEndpointArgs": "args.asynchronous",
    "ClusterArgs": "args.cluster",
    "ClusterPrerequisites": "cluster.prerequisites",
    "ClusterPrerequisitesArgs": "args.prerequisites",
    "DashboardEndpointArgs": "args.dashboards",
    "EndpointAlarms": "endpoints.alarms",
    "EndpointAlarmsArgs": "args.alarms",
    "EndpointDashboard": "endpoints.dashboards",
    "EndpointDashboardArgs": "args.dashboards",
    "EnvironmentDashboard": "endpoints.dashboards",
    "EnvironmentDashboardArgs": "args.dashboards",
    "FrameworkImageArgs": "args.framework_image",
    "GatewayCustomerArgs": "args.inference_gateway",
    "GatewayEndpointArgs": "args.inference_gateway",
    "GatewayModelArgs": "args.inference_gateway",
    "GpuEndpoint": "endpoints.gpu",
    "GpuEndpointArgs": "args.gpu_endpoint",
    "GpuNodeGroup": "cluster.node_pools",
    "GpuNodeGroupArgs": "args.node_pools",
    "GpuNodePool": "cluster.node_pools",
    "GpuNodePoolArgs": "args.node_pools",
    "GpuWarmPool": "cluster.warm_pool",
    "GpuWarmPoolArgs": "args.gpu_warm_pool",
    "GuardedEndpointArgs": "args.spending_guard",
    "InferenceGateway": "gateway.inference_gateway",
    "InferenceGatewayArgs": "args.inference_gateway",
    "InstanceScalingArgs": "args.scaling",
    "ModelError": "endpoints.async_client",
    "PoolScalingArgs": "args.scaling",
    "ResidencyGuard": "residency.residency_guard",
    "ResidencyGuardArgs": "args.residency_guard",
    "ServerlessEndpoint": "endpoints.serverless",
    "ServerlessEndpointArgs": "args.serverless",
    "ServerlessScalingArgs": "args.scaling",
    "ServingImage": "endpoints.serving_image",
    "ServingImageArgs": "args.serving_image",
    "SpendingGuard": "endpoints.spending_guard",
    "SpendingGuardArgs": "args.spending_guard",
    "Submitted": "endpoints.async_client",
    "VpcArgs": "args.asynchronous",
    "WarmCalls": "scaling.warm_calls",
    "WarmCallsArgs": "args.warm_calls",
    "WarmPool": "scaling.warm_pool",
    "WarmPoolArgs": "args.warm_pool",
    "WindowArgs": "args.scaling",
    "bounded_by": "residency.residency_guard",
    "result": "endpoints.async_client",
    "submit": "endpoints.async_client",
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
    "DashboardEndpointArgs",
    "EndpointAlarms",
    "EndpointAlarmsArgs",
    "EndpointDashboard",
    "EndpointDashboardArgs",
    "EnvironmentDashboard",
    "EnvironmentDashboardArgs",
    "FrameworkImageArgs",
    "GatewayCustomerArgs",
    "GatewayEndpointArgs",
    "GatewayModelArgs",
    "GpuEndpoint",
    "GpuEndpointArgs",
    "GpuNodeGroup",
    "GpuNodeGroupArgs",
    "GpuNodePool",
    "GpuNodePoolArgs",
    "GpuWarmPool",
    "GpuWarmPoolArgs",
    "GuardedEndpointArgs",
    "InferenceGateway",
    "InferenceGatewayArgs",
    "InstanceScalingArgs",
    "ModelError",
    "PoolScalingArgs",
    "ResidencyGuard",
    "ResidencyGuardArgs",
    "ServerlessEndpoint",
    "ServerlessEndpointArgs",
    "ServerlessScalingArgs",
    "ServingImage",
    "ServingImageArgs",
    "SpendingGuard",
    "SpendingGuardArgs",
    "Submitted",
    "VpcArgs",
    "WarmCalls",
    "WarmCallsArgs",
    "WarmPool",
    "WarmPoolArgs",
    "WindowArgs",
    "bounded_by",
    "result",
    "submit",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})


moved.install()
