"""An environment's gateway as a process of its own, over a given DynamoDB, with faults of the store that are drawn.

`python gateway_process.py FILE`: the file's JSON has `environment`, as a user would declare it, `dynamodb`, the
address, and may have `faults`, `port`, and `trips`, a file for the times of its transactions. It prints its port.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import dynamodb_local
from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session

PROJECT, NAME = "demo", "local"


@dataclass(frozen=True)
class Faults:
    """What goes wrong between a gateway and its ledger.

    Attributes:
        seed: of what is drawn.
        conflicts: the share of transactions that another one is in the way of; nothing has changed then.
        lost: the share of transactions that are made, and whose answer is lost.
        kill_at: the transaction at which the process is killed, counted from 1; 0 for none.
        kill_after: whether that has been made by then.
    """

    seed: int = 0
    conflicts: float = 0.0
    lost: float = 0.0
    kill_at: int = 0
    kill_after: bool = False


class Raw:
    """The body of a response, as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


def session() -> URLLib3Session:
    """Connections as a client of boto3 has them, which wait for no acknowledgement."""
    return URLLib3Session(max_pool_connections=64, socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)])


class Trips:
    """Writes the seconds of each transaction, after `h` for one that a request waits for, and `f` for others.

    Args:
        file: where to.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._session = file.open("a", buffering=1), session()

    def __call__(self, request: Any, **_: Any) -> Any:
        began = time.perf_counter()
        response = self._session.send(request)
        kind = "h" if b"attribute_not_exists(pk)" in request.body and b"Delete" not in request.body else "f"
        self._file.write(f"{kind}{time.perf_counter() - began:.6f}\n")
        return response


class Trouble:
    """Makes the faults of transactions where these are sent: what botocore makes of them is its own."""

    def __init__(self, faults: Faults) -> None:
        self._faults, self._drawn = faults, random.Random(faults.seed)
        self._session, self._lock, self._sent = session(), threading.Lock(), 0

    def __call__(self, request: Any, **_: Any) -> AWSResponse | None:
        faults = self._faults
        with self._lock:
            self._sent += 1
            number, conflict, lost = self._sent, self._drawn.random(), self._drawn.random()
        if number == faults.kill_at:
            if faults.kill_after:
                self._session.send(request)
            os.kill(os.getpid(), signal.SIGKILL)
        if "attempt=1" not in str(request.headers.get("amz-sdk-request", "attempt=1")):
            return None  # what is sent once more after an answer that was lost
        if conflict < faults.conflicts:
            reasons = [{"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}]
            return _failed(request, 400, "TransactionCanceledException", CancellationReasons=reasons)
        if lost < faults.lost:
            self._session.send(request)
            return _failed(request, 500, "InternalServerError")
        return None


def _failed(request: Any, status: int, name: str, **more: Any) -> AWSResponse:
    content = {"__type": f"com.amazonaws.dynamodb.v20120810#{name}", "message": name, **more}
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    return AWSResponse(request.url, status, headers, Raw(json.dumps(content).encode()))


@dataclass
class Process:
    """A gateway that runs.

    Attributes:
        url: its address.
        running: the process.
        log: where its log is written to.
    """

    url: str
    running: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """Ends it at once, in the middle of whatever it does."""
        self.running.kill()
        self.running.wait()

    def end(self) -> None:
        """Ends it as a service manager would, after its open requests."""
        self.running.terminate()
        self.running.wait(120)


def gateway_command(file: Path, about: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The command that runs a gateway, and its variables.

    Args:
        file: where its settings are written to.
        about: its settings, as above.
    """
    file.write_text(json.dumps(about))
    variables = dynamodb_local.without_proxy() | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return [sys.executable, __file__, str(file)], variables


@contextlib.contextmanager
def gateways(folder: Path, environment: Mapping[str, Any], dynamodb: str, *faults: Faults) -> Iterator[list[Process]]:
    """Gateways over one ledger, one for each of the faults; all have started.

    Args:
        folder: for their files, which exist only once.
        environment: as a user would declare it.
        dynamodb: the address.
    """
    begun: list[tuple[Path, subprocess.Popen[bytes]]] = []
    try:
        for each in faults:
            number = len(list(folder.glob("*.json")))
            log, about = folder / f"gateway-{number}.log", {"environment": environment, "dynamodb": dynamodb}
            command, variables = gateway_command(folder / f"gateway-{number}.json", {**about, "faults": asdict(each)})
            with log.open("wb") as told:
                running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, env=variables)
            begun.append((log, running))
        yield [_listening(log, running) for log, running in begun]
    finally:
        for _, running in begun:
            running.kill()
            running.wait()
            if running.stdout:
                running.stdout.close()


def _listening(log: Path, running: subprocess.Popen[bytes]) -> Process:
    assert running.stdout
    port = running.stdout.readline().decode().strip()
    assert port, log.read_text()[-4000:]
    return Process(f"http://127.0.0.1:{port}", running, log)


def main(settings: Path) -> None:
    import uvicorn

    from model_packaging.validation import parse
    from scaletozero.environment.gateway import cache_of, ledger_of, open_door
    from scaletozero.environment.settings import Environment
    from scaletozero.gateway.service.app import application

    about = json.loads(settings.read_text())
    environment = parse(Environment, about["environment"], "environment")

    def client(service: str, region: str, config: Any = None) -> Any:
        if service != "dynamodb":
            return None  # its models need no other
        made = dynamodb_local.client(about["dynamodb"], config)
        if sending is not None:
            made.meta.events.register("before-send.dynamodb.TransactWriteItems", sending)
        return made

    sending = Trouble(Faults(**about["faults"])) if "faults" in about else None
    if "trips" in about:
        sending = Trips(Path(about["trips"]))
    store = ledger_of(PROJECT, NAME, environment.region, client)
    store.create_table()
    answers = cache_of(PROJECT, NAME, environment.region, client)
    app = application(open_door(environment, {}, store, answers, client))
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.INFO)
    listening = socket.socket()
    listening.bind(("127.0.0.1", about.get("port", 0)))
    listening.listen(1024)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=60, backlog=1024)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
