"""What the plugin offers: the public components, under the distribution's name and version."""

import json
from importlib import metadata
from typing import Any

import pulumi
from pulumi.provider.experimental.component import ComponentProvider

from scaletozero.artifact_store import ArtifactStore
from scaletozero.cluster_prerequisites import ClusterPrerequisites
from scaletozero.endpoints.asynchronous import AsyncEndpoint
from scaletozero.endpoints.gpu import GpuEndpoint
from scaletozero.endpoints.serverless import ServerlessEndpoint
from scaletozero.endpoints.serving_image import ServingImage
from scaletozero.observability.alarms import EndpointAlarms
from scaletozero.warmth.calls import WarmCalls
from scaletozero.warmth.gpu_node_pool import GpuNodeGroup, GpuNodePool
from scaletozero.warmth.gpu_warm_pool import GpuWarmPool
from scaletozero.warmth.pool import WarmPool

NAME = "scaletozero"
VERSION = metadata.version("scaletozero")
COMPONENTS: list[type[pulumi.ComponentResource]] = [
    ArtifactStore,
    AsyncEndpoint,
    ClusterPrerequisites,
    EndpointAlarms,
    GpuEndpoint,
    GpuNodeGroup,
    GpuNodePool,
    GpuWarmPool,
    ServerlessEndpoint,
    ServingImage,
    WarmCalls,
    WarmPool,
]


def schema() -> dict[str, Any]:
    """The package schema that other languages' bindings are generated from."""
    return json.loads(ComponentProvider(COMPONENTS, NAME, version=VERSION).schema or "")


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
