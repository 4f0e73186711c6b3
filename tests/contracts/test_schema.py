"""The plugin's schema is what other languages' bindings are made from: it changes only when somebody means it to."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from scaletozero.plugin import schema

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "components" / "schema.json"


def test_the_committed_schema_is_the_components() -> None:
    assert json.loads(GOLDEN.read_text()) == schema(), "run `make schema` and look at what changed"


def descriptions(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        if isinstance(found.get("description"), str):
            yield found["description"]
        found = list(found.values())
    if isinstance(found, list):
        for each in found:
            yield from descriptions(each)


def test_a_paragraph_that_goes_on_is_no_code_in_the_bindings() -> None:
    """Markdown takes four spaces for code; in these docstrings only the names under a heading have them."""
    for description in descriptions(schema()):
        before = ""
        for line in description.splitlines():
            assert not line.startswith("    ") or before.endswith(":") or before.startswith("    "), description
            before = line


def test_the_plugin_offers_that_very_schema() -> None:
    command = [sys.executable, str(ROOT / "components"), "127.0.0.1:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as plugin:
        try:
            assert plugin.stdout
            with grpc.insecure_channel(f"127.0.0.1:{plugin.stdout.readline().strip()}") as channel:
                provider = provider_pb2_grpc.ResourceProviderStub(channel)
                offered = provider.GetSchema(provider_pb2.GetSchemaRequest(), wait_for_ready=True, timeout=300)
        finally:
            plugin.kill()
    assert json.loads(offered.schema) == schema()


def test_the_command_writes_it_as_it_is_committed() -> None:
    written = subprocess.run([sys.executable, "-m", "scaletozero.plugin"], check=True, capture_output=True, text=True)
    assert written.stdout == GOLDEN.read_text()
