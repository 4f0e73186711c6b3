"""The parts of the engine's protocol that every plugin of the sandbox shares."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import grpc.aio
from google.protobuf import any_pb2
from pulumi.runtime import proto
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2_grpc, status_pb2

from scaletozero.sandbox.providers.values import encode_map

ENGINE_SECONDS = 0.5
"""How often a plugin checks whether its engine is still running."""

DIFF_KINDS: Mapping[tuple[str, bool], Any] = {
    ("add", False): proto.PropertyDiff.ADD,
    ("add", True): proto.PropertyDiff.ADD_REPLACE,
    ("delete", False): proto.PropertyDiff.DELETE,
    ("delete", True): proto.PropertyDiff.DELETE_REPLACE,
    ("update", False): proto.PropertyDiff.UPDATE,
    ("update", True): proto.PropertyDiff.UPDATE_REPLACE,
}
"""(kind of a change, whether it requires a new resource) -> the engine's kind of difference."""


def token_of(urn: str) -> str:
    """The type token of a resource."""
    return urn.split("::")[-2].split("$")[-1]


def logical_of(urn: str) -> str:
    """The name of a resource in its program."""
    return urn.split("::")[-1]


class _Status(grpc.Status):
    pass


def incomplete(
    id_: str, outputs: Mapping[str, Any], reason: str, inputs: Mapping[str, Any] | None = None
) -> grpc.Status:
    """The response to a create or update that left something behind: the engine stores it, and repairs it next time."""
    detail = proto.ErrorResourceInitFailed(id=id_, properties=encode_map(outputs), reasons=[reason])
    if inputs is not None:
        detail.inputs.CopyFrom(encode_map(inputs))
    packed = any_pb2.Any()
    packed.Pack(detail)
    code = grpc.StatusCode.UNKNOWN
    status = status_pb2.Status(code=code.value[0], message=reason, details=[packed])
    result = _Status()
    result.code, result.details = code, reason
    result.trailing_metadata = (("grpc-status-details-bin", status.SerializeToString()),)
    return result


class Engine:
    """The engine that started this plugin, for messages to the user.

    Args:
        address: the plugin's first argument; if empty, no messages are shown.
    """

    def __init__(self, address: str | None) -> None:
        self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address)) if address else None

    def warn(self, urn: str, text: str) -> None:
        if self._stub:
            self._stub.Log(proto.LogRequest(severity=proto.WARNING, message=text, urn=urn))


def serve(servicer: provider_pb2_grpc.ResourceProviderServicer) -> None:
    """Prints the port, by which the engine finds the plugin; serves until the engine closes the plugin or is killed."""

    engine = os.getppid()
    threading.Thread(target=_end_with, args=(engine,), daemon=True, name="engine").start()

    async def run() -> None:
        closed = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, closed.set)
        server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await closed.wait()
        await server.stop(None)

    asyncio.run(run())


def _end_with(engine: int) -> None:
    """Ends this process when its parent has ended, because a killed engine does not close its plugins."""
    while os.getppid() == engine:
        time.sleep(ENGINE_SECONDS)
    os._exit(1)
