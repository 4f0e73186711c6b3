"""A provider of a test's own that takes every resource of its package, as declared, and creates none.

`install` puts it where the engine looks for plugins; the resources that it was asked to create are lines of a file.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime import proto
from pulumi.runtime.proto import provider_pb2_grpc

from scaletozero.sandbox.providers.protocol import serve

CREATED = "ANY_PROVIDER_CREATED"


class Anything(provider_pb2_grpc.ResourceProviderServicer):
    """Every type, and every property of it."""

    async def GetSchema(self, request: Any, context: Any) -> proto.GetSchemaResponse:  # noqa: N802 - the protocol's name
        return proto.GetSchemaResponse(
            schema=json.dumps({"name": os.environ.get("ANY_PROVIDER", ""), "version": "1.0.0"})
        )

    async def CheckConfig(self, request: Any, context: Any) -> proto.CheckResponse:  # noqa: N802
        return proto.CheckResponse(inputs=request.news)

    async def DiffConfig(self, request: Any, context: Any) -> proto.DiffResponse:  # noqa: N802
        return proto.DiffResponse(changes=proto.DiffResponse.DIFF_NONE)

    async def Configure(self, request: Any, context: Any) -> proto.ConfigureResponse:  # noqa: N802
        return proto.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    async def Check(self, request: Any, context: Any) -> proto.CheckResponse:  # noqa: N802
        return proto.CheckResponse(inputs=request.news)

    async def Diff(self, request: Any, context: Any) -> proto.DiffResponse:  # noqa: N802
        return proto.DiffResponse(changes=proto.DiffResponse.DIFF_NONE)

    async def Create(self, request: Any, context: Any) -> proto.CreateResponse:  # noqa: N802
        if not request.preview:
            with Path(os.environ[CREATED]).open("a") as file:
                file.write(f"{request.urn}\n")
        return proto.CreateResponse(id="" if request.preview else "it", properties=request.properties)

    async def Delete(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: N802
        return empty_pb2.Empty()

    async def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: N802
        return empty_pb2.Empty()

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return proto.plugin_pb2.PluginInfo(version="1.0.0")


def install(pulumi_home: Path, packages: Mapping[str, str]) -> None:
    """Puts it below a PULUMI_HOME as the provider of each package, in the version that is given for it."""
    for package, version in packages.items():
        folder = pulumi_home / "plugins" / f"resource-{package}-v{version}"
        folder.mkdir(parents=True)
        program = folder / f"pulumi-resource-{package}"
        run = f'exec {shlex.quote(sys.executable)} -u {shlex.quote(__file__)} "$@"'
        program.write_text(f"#!/bin/sh\nANY_PROVIDER={package} {run}\n")
        program.chmod(0o755)


if __name__ == "__main__":
    serve(Anything())
