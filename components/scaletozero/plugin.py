"""The plugin: the public components, with the distribution's name and version."""

import json
import os
import signal
import sys
import threading
from importlib import metadata
from inspect import cleandoc
from typing import Any

import pulumi
from pulumi.provider import ConstructResult, main
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.util import camel_case
from pulumi.provider.server import ComponentInitError

from model_packaging.findings import Finding, FindingsError
from scaletozero.args.framework_image import FrameworkImageArgs
from scaletozero.cluster.node_pools import GpuNodeGroup, GpuNodePool
from scaletozero.cluster.prerequisites import ClusterPrerequisites
from scaletozero.cluster.warm_pool import GpuWarmPool
from scaletozero.endpoints.alarms import EndpointAlarms
from scaletozero.endpoints.artifact_store import ArtifactStore
from scaletozero.endpoints.asynchronous import AsyncEndpoint
from scaletozero.endpoints.dashboards import EndpointDashboard, EnvironmentDashboard
from scaletozero.endpoints.gpu import GpuEndpoint
from scaletozero.endpoints.serverless import ServerlessEndpoint
from scaletozero.endpoints.serving_image import ServingImage
from scaletozero.endpoints.spending_guard import SpendingGuard
from scaletozero.gateway.inference_gateway import InferenceGateway
from scaletozero.residency.residency_guard import ResidencyGuard
from scaletozero.scaling.warm_calls import WarmCalls
from scaletozero.scaling.warm_pool import WarmPool

NAME = "scaletozero"
VERSION = metadata.version("scaletozero")
COMPONENTS: list[type[pulumi.ComponentResource]] = [
    ArtifactStore,
    AsyncEndpoint,
    ClusterPrerequisites,
    EndpointAlarms,
    EndpointDashboard,
    EnvironmentDashboard,
    GpuEndpoint,
    GpuNodeGroup,
    GpuNodePool,
    GpuWarmPool,
    InferenceGateway,
    ResidencyGuard,
    ServerlessEndpoint,
    ServingImage,
    SpendingGuard,
    WarmCalls,
    WarmPool,
]


class Plugin(ComponentProvider):
    """The components, with a schema that does not depend on the Python version, and errors by property."""

    def __init__(self) -> None:
        super().__init__(COMPONENTS, NAME, version=VERSION)
        # Bindings render descriptions as Markdown, in which an indented paragraph is code. From 3.13 on, Python removes
        # the indentation of docstrings itself, but not that of attributes' docstrings.
        found = json.loads(self.schema or "", object_hook=_dedented)
        self._add_framework_images(found)
        self.schema = json.dumps(found)

    def _add_framework_images(self, found: dict[str, Any]) -> None:
        """Replaces `Any` in the schema, because the SDK has no unions: an address, or a framework and a version."""
        token = f"{NAME}:index:{FrameworkImageArgs.__name__}"
        given, _ = self.analyzer.analyze_type(FrameworkImageArgs, is_component_output=False)
        properties = {name: {"description": each.description, "type": "string"} for name, each in given.items()}
        found["types"][token] = {
            "type": "object",
            "properties": properties,
            "required": sorted(properties),
            "description": cleandoc(FrameworkImageArgs.__doc__ or ""),
        }
        for component in (AsyncEndpoint, ServerlessEndpoint):
            image = found["resources"][component.type_name]["inputProperties"]["image"]
            del image["$ref"], image["plain"]
            image["oneOf"] = [{"type": "string"}, {"type": "object", "$ref": f"#/types/{token}"}]

    def construct(
        self, name: str, resource_type: str, inputs: pulumi.Inputs, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            if not isinstance(error.inner, FindingsError):
                raise
            found = error.inner.findings
            details = [properties_error(each, name, resource_type, json.loads(self.schema or "")) for each in found]
            count = f"{len(found)} invalid {'property' if len(found) == 1 else 'properties'}"
            raise pulumi.InputPropertiesError(f"{name} cannot be declared: {count}", details) from None


def properties_error(
    found: Finding, name: str, resource_type: str, schema: dict[str, Any]
) -> pulumi.InputPropertyErrorDetails:
    """A finding as an error for a program in any language, at a path of the schema's names.

    Args:
        found: the finding, at a path that begins with the component's name.
        name, resource_type: those of the component.
        schema: the package schema.
    """
    here: dict[str, Any] = {"properties": schema["resources"][resource_type]["inputProperties"]}
    path = ""
    for part in found.path.removeprefix(f"{name}.").split(".") if found.path.startswith(f"{name}.") else ():
        if reference := here.get("$ref", ""):
            here = schema["types"].get(reference.removeprefix("#/types/"), {})
        if part.isdecimal() and "items" in here:
            path, here = f"{path}[{part}]", here["items"]
            continue
        # A key of a map is chosen by the user.
        key = camel_case(part) if "properties" in here else part
        path = f"{path}.{key}" if path else key
        here = here.get("properties", {}).get(key) or here.get("additionalProperties") or {}
    return {"property_path": path, "reason": str(found)}


def _dedented(found: dict[str, Any]) -> dict[str, Any]:
    description = found.get("description")
    return {**found, "description": cleandoc(description)} if isinstance(description, str) else found


def schema() -> dict[str, Any]:
    """The package schema from which other languages' bindings are generated."""
    return json.loads(Plugin().schema or "")


def serve() -> None:
    """Serves the plugin until the engine closes it."""
    # A component under construction waits for the engine, which waits for this process: for five seconds, after which
    # the engine takes the plugins that it had no time to close for crashed. The main thread would not wake up for a
    # signal that the system hands to another one.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    threading.Thread(target=_end_when_closed, daemon=True, name="engine").start()
    main(Plugin(), sys.argv[1:])


def _end_when_closed() -> None:
    signal.sigwait({signal.SIGINT})
    os._exit(0)


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
