"""The container's program: listens, starts the model, and serves it until SIGTERM, which drains."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

from model_packaging.serving import environment
from model_packaging.serving.card import NotServableError
from model_packaging.serving.start import start

if TYPE_CHECKING:
    from model_packaging.serving.server import Server, State

DRAIN_SECONDS = 25.0  # SageMaker sends SIGKILL 30 s after SIGTERM
BACKLOG = 128  # connections that wait to be answered


def serve() -> int:
    """Serves the model of the environment until SIGTERM or SIGINT; returns the exit status, 1 when it cannot be
    served.
    """
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    host, port = environment.address()
    try:
        # The system accepts connections from now on (SageMaker waits 250 ms). They are answered once the libraries are
        # imported: what answers them is imported while the graph is loaded.
        listening = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        print(f"model_packaging.serving: cannot listen on {host}:{port}: {error.strerror}", file=sys.stderr)
        return 1
    answering: list[tuple[Server, State]] = []
    began = time.perf_counter()
    try:
        runtime, phases = start(
            environment.model_dir(), environment.threads(), lambda: answering.append(_answer(listening))
        )
    except NotServableError as error:
        print(f"model_packaging.serving: {error}", file=sys.stderr)
        return 1
    ((server, state),) = answering
    state.runtime, state.phases = runtime, phases
    print(f"ready after {(time.perf_counter() - began) * 1000:.0f} ms of loading: {json.dumps(phases)}", flush=True)
    stopped.wait()
    state.draining = True
    drained = state.wait_idle(DRAIN_SECONDS)
    server.shutdown()
    server.server_close()
    return 0 if drained else 1


def _answer(listening: socket.socket) -> tuple[Server, State]:
    from model_packaging.serving.server import State, listen

    state = State()
    return listen(listening, state), state
