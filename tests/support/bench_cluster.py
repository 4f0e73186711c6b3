"""An API server that has what a test gives it, for `scaletozero bench` of an endpoint on a cluster."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from replicas import BEGAN, node, pod, pulled
from typer.testing import CliRunner, Result

from model_packaging.artifact.folder_manifest import open_folder
from scaletozero.cli import app

RESOURCES = [
    {"kind": kind, "name": name, "namespaced": namespaced}
    for kind, name, namespaced in (("Pod", "pods", True), ("Node", "nodes", False), ("Event", "events", True))
]
OTHERS = [
    {"kind": "Deployment", "name": "deployments", "namespaced": True},
    {"kind": "ScaledObject", "name": "scaledobjects", "namespaced": True},
]


class Cluster(HTTPServer):
    """An API server that has pods, nodes and events.

    Attributes:
        script: what it has from one look to the next, as changes of the test; each look is one list of pods.
        seconds: its clock, since `BEGAN`.
        objects: kind -> the endpoint's live object of it.
        log: what its replicas have logged.
        patched: what was sent to change its ScaledObject.
        on_patch: what comes of that.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.methods: set[str] = set()
        self.items: dict[str, list[Any]] = {"pods": [], "nodes": [], "events": []}
        self.objects: dict[str, Any] = {"deployments": {}, "scaledobjects": {}}
        self.patched: list[Any] = []
        self.on_patch: Callable[[Any], object] = lambda change: None
        self.log = ""
        self.status = 200
        self.script: list[Callable[[], object]] = []
        self.seconds = 0.0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        cluster = self.server
        assert isinstance(cluster, Cluster)
        cluster.asked.append(self.path)
        cluster.methods.add(self.command)
        at = urlsplit(self.path)
        if at.path == "/version" and cluster.script:
            cluster.script.pop(0)()
        if at.path in ("/api/v1", "/apis/apps/v1", "/apis/keda.sh/v1alpha1"):
            answer: dict[str, Any] = {"resources": [*RESOURCES, *OTHERS]}
        elif at.path == "/version":
            answer = {"major": "1", "minor": "34"}
        elif own := re.fullmatch("/apis/[a-z0-9./]+/namespaces/models/([a-z]+)/llm", at.path):
            answer = cluster.objects[own[1]]
            if self.command == "PATCH":
                change = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                cluster.patched.append(change)
                cluster.on_patch(change)
        elif at.path.endswith("/log"):
            answer = {}
        else:
            answer = {"items": cluster.items[at.path.rpartition("/")[2]], "message": "forbidden"}
        body = cluster.log.encode() if at.path.endswith("/log") else json.dumps(answer).encode()
        self.send_response(cluster.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PATCH = do_GET  # noqa: N815 - the base class's names

    def date_time_string(self, timestamp: float | None = None) -> str:
        cluster = self.server
        assert isinstance(cluster, Cluster)
        return super().date_time_string((BEGAN + timedelta(seconds=cluster.seconds)).timestamp())

    def log_message(self, *_: Any, **__: Any) -> None:
        """Says nothing."""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["bench", "llm", *arguments])


def awake(cluster: Cluster, project: Path, **phases: Any) -> None:
    artifact = open_folder(project / "artifact").digest
    cluster.items = {"pods": [pod(artifact=artifact, **phases)], "nodes": [node()], "events": [pulled()]}
