"""A plugin ends as soon as the engine closes it, with status 0 and no traceback, whatever it waits for."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import (
    engine_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 120
"""Seconds after which a plugin counts as one that never ends."""


class Engine(engine_pb2_grpc.EngineServicer, resource_pb2_grpc.ResourceMonitorServicer):
    """An engine in which a registration waits, as for a resource that it depends on."""

    def __init__(self) -> None:
        self.asked, self.ended = threading.Event(), threading.Event()

    def Log(self, request: object, context: object) -> empty_pb2.Empty:  # noqa: N802 - the protocol's names
        return empty_pb2.Empty()

    def GetDeploymentInfo(self, request: object, context: object) -> resource_pb2.DeploymentInfo:  # noqa: N802
        return resource_pb2.DeploymentInfo()

    def RegisterResource(self, request: object, context: object) -> resource_pb2.RegisterResourceResponse:  # noqa: N802
        self.asked.set()
        self.ended.wait()
        return resource_pb2.RegisterResourceResponse()


@pytest.fixture
def engine() -> Iterator[tuple[Engine, str]]:
    """The engine and its address."""
    engine = Engine()
    server = grpc.server(futures.ThreadPoolExecutor(8))
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(engine, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield engine, f"127.0.0.1:{port}"
    engine.ended.set()
    server.stop(None)


@contextmanager
def started(*command: str) -> Iterator[tuple[subprocess.Popen[str], provider_pb2_grpc.ResourceProviderStub]]:
    with subprocess.Popen(
        [sys.executable, "-u", *command],
        env={"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as plugin:
        try:
            assert plugin.stdout
            with grpc.insecure_channel(f"127.0.0.1:{plugin.stdout.readline().strip()}") as channel:
                yield plugin, provider_pb2_grpc.ResourceProviderStub(channel)
        finally:
            plugin.kill()


def closed(plugin: subprocess.Popen[str]) -> tuple[int, str]:
    """Closes it as the engine does; its exit status, and what it wrote."""
    plugin.send_signal(signal.SIGINT)
    said = "".join(plugin.communicate(timeout=PATIENCE))
    return plugin.returncode, said


@pytest.mark.parametrize("name", ["aws", "kubernetes"])
def test_a_plugin_of_the_sandbox(name: str, engine: tuple[Engine, str]) -> None:
    with started("-m", f"scaletozero.sandbox.providers.{name}", engine[1]) as (plugin, provider):
        provider.GetPluginInfo(empty_pb2.Empty(), wait_for_ready=True, timeout=PATIENCE)
        assert closed(plugin) == (0, "")


def test_the_components_while_one_is_under_construction(engine: tuple[Engine, str]) -> None:
    inputs = struct_pb2.Struct()
    inputs["region"] = "eu-central-1"
    request = provider_pb2.ConstructRequest(
        project="acme",
        stack="dev",
        monitorEndpoint=engine[1],
        type="scaletozero:index:ArtifactStore",
        name="artifacts",
        inputs=inputs,
    )
    with started(str(ROOT / "components"), engine[1]) as (plugin, provider):
        construction = provider.Construct.future(request, wait_for_ready=True)
        construction.add_done_callback(lambda _: engine[0].asked.set())
        assert engine[0].asked.wait(PATIENCE)
        assert not construction.done(), construction.details()
        assert closed(plugin) == (0, "")
