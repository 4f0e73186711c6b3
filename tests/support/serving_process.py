"""The serving program in a process of its own, and a client of it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UP_SECONDS = 60


@dataclass
class Served:
    """A running server."""

    port: int
    process: subprocess.Popen[str]

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, str, bytes]:
        """Status, content type and body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=UP_SECONDS)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read()
        finally:
            connection.close()

    def ask(
        self, method: str, path: str, body: bytes | None = None, content_type: str | None = "application/json"
    ) -> tuple[int, Any]:
        status, _, content = self.send(method, path, body, {"Content-Type": content_type} if content_type else {})
        return status, json.loads(content)

    def invoke(self, content: Any) -> tuple[int, Any]:
        return self.ask("POST", "/invocations", json.dumps(content).encode())


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(folder: Path, port: int = 0) -> Served:
    port = port or free_port()
    environment = {
        **os.environ,
        "SM_MODEL_DIR": str(folder),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SCALETOZERO_BIND_HOST": "127.0.0.1",
        "SCALETOZERO_THREADS": "1",
    }
    command = [sys.executable, "-m", "model_packaging.serving", "serve"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return Served(port, process)


def wait_ready(served: Served) -> Any:
    end = time.monotonic() + UP_SECONDS
    while time.monotonic() < end:
        try:
            status, body = served.ask("GET", "/ping")
        except OSError:
            time.sleep(0.02)
            continue
        if status == 200:
            return body
        assert (status, body["status"]) == (503, "loading")
        time.sleep(0.02)
    raise AssertionError("not ready")
