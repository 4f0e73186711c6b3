"""What the plugin offers: the public components, under the distribution's name and version."""

import json
from importlib import metadata
from inspect import cleandoc
from typing import Any

import pulumi
from pulumi.provider.experimental.component import ComponentProvider

from scaletozero.cluster.node_pools import GpuNodeGroup, GpuNodePool
from scaletozero.cluster.prerequisites import ClusterPrerequisites
from scaletozero.cluster.warm_pool import GpuWarmPool
from scaletozero.endpoints.alarms import EndpointAlarms
from scaletozero.endpoints.artifact_store import ArtifactStore
from scaletozero.endpoints.asynchronous import AsyncEndpoint
from scaletozero.endpoints.gpu import GpuEndpoint
from scaletozero.endpoints.serverless import ServerlessEndpoint
from scaletozero.endpoints.serving_image import ServingImage
from scaletozero.scaling.warm_calls import WarmCalls
from scaletozero.scaling.warm_pool import WarmPool

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


class Plugin(ComponentProvider):
    """The components, with a schema that reads the same whichever Python wrote it."""

    def __init__(self) -> None:
        super().__init__(COMPONENTS, NAME, version=VERSION)
        # Bindings render descriptions as Markdown, in which an indented paragraph is code. Python strips the
        # indentation of docstrings by itself from 3.13 on, and that of attributes' never.
        self.schema = json.dumps(json.loads(self.schema or "", object_hook=_dedented))


def _dedented(found: dict[str, Any]) -> dict[str, Any]:
    description = found.get("description")
    return {**found, "description": cleandoc(description)} if isinstance(description, str) else found


def schema() -> dict[str, Any]:
    """The package schema that other languages' bindings are generated from."""
    return json.loads(Plugin().schema or "")


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
