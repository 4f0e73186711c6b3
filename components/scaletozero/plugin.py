"""What the plugin offers: the public components, under the distribution's name and version."""

import json
from importlib import metadata
from typing import Any

import pulumi
from pulumi.provider.experimental.component import ComponentProvider

from scaletozero.artifact_store import ArtifactStore
from scaletozero.endpoints.serverless import ServerlessEndpoint

NAME = "scaletozero"
VERSION = metadata.version("scaletozero")
COMPONENTS: list[type[pulumi.ComponentResource]] = [ArtifactStore, ServerlessEndpoint]


def schema() -> dict[str, Any]:
    """The package schema that other languages' bindings are generated from."""
    return json.loads(ComponentProvider(COMPONENTS, NAME, version=VERSION).schema or "")
