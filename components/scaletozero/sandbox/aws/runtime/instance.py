"""One instance: an artifact that was downloaded and unpacked, and the process that serves it as a container would."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import model_packaging
from model_packaging.artifact.archive import safe_extract
from model_packaging.findings import FindingsError
from model_packaging.serving.card import NotServableError, require_nothing_else
from scaletozero.sandbox.aws.runtime import container
from scaletozero.sandbox.aws.runtime.container_logs import ContainerLogs
from scaletozero.sandbox.aws.runtime.deployment import Deployment
from scaletozero.sandbox.delays import Delays

START_SECONDS = 180
"""Time limit for the model download and the first healthy /ping (SageMaker developer guide, serverless endpoints)."""

INVOKE_SECONDS = 60
"""Time limit for the container's response to /invocations (same source)."""

PROGRAM = (str(Path(model_packaging.__file__).parents[1]), "model_packaging.serving", "serve")
"""What the container's image runs: the folder of its package, the module and its arguments."""

OWN_VARIABLES = re.compile(r"(SCALETOZERO|SAGEMAKER)_[A-Z0-9_]+|OMP_NUM_THREADS")
"""The variables of a model that its process receives: those that the program reads, and none that can load code."""

PART_BYTES = 1 << 16
STOP_SECONDS = 5
KEPT_LOGS = 100


class StartFailedError(RuntimeError):
    """An instance did not start; the text is the reason."""


class CrashedError(RuntimeError):
    """The instance's process ended, or stopped responding, during a request."""


@dataclass(frozen=True)
class ContainerResponse:
    """The container's response: status, the headers that the service passes on, body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class ContainerStream:
    """The container's response while its body still arrives: status, headers, the parts of the body.

    Reading the parts raises TimeoutError and CrashedError, like `Instance.invoke`.
    """

    status: int
    headers: dict[str, str]
    parts: Iterator[bytes]


@dataclass(eq=False)
class Instance:
    """A running process and its folder.

    Attributes:
        phases: milliseconds that each phase of the start took, in order.
        idle_since: monotonic time of its last response.
        ended: called when its process has ended.
    """

    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    log: Path
    phases: dict[str, float]
    idle_since: float = field(default_factory=time.monotonic)
    requests: int = 0
    _measured: tuple[float, float] | None = None
    ended: Callable[[], None] = lambda: None

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def invoke(self, body: bytes, headers: dict[str, str], seconds: float = INVOKE_SECONDS) -> ContainerResponse:
        """POST /invocations.

        Raises:
            TimeoutError: there was no response in time; the process may still be working on the request.
            CrashedError: the process has ended.
        """
        with self.stream(body, headers, seconds) as response:
            return ContainerResponse(response.status, response.headers, b"".join(response.parts))

    @contextlib.contextmanager
    def stream(
        self, body: bytes, headers: dict[str, str], seconds: float = INVOKE_SECONDS
    ) -> Iterator[ContainerStream]:
        """POST /invocations, without waiting for the whole response. Raises like `invoke`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            with _crashes():
                connection.request("POST", "/invocations", body, headers)
                response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            yield ContainerStream(response.status, named, _parts(response))
        finally:
            connection.close()
            self.idle_since = time.monotonic()
            self.requests += 1

    def processor_percent(self) -> float | None:
        """Processor time since the last call, or since its start, in percent of one processor; None without /proc."""
        try:
            # The name, the second field, is in parentheses and may have any characters; utime, stime and starttime are
            # 14, 15 and 22.
            counted = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        ticks = os.sysconf("SC_CLK_TCK")
        # The process is older than this object, which is made when it can respond: its start counts from its own time.
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        spent = (int(counted[11]) + int(counted[12])) / ticks
        since, before = self._measured or (int(counted[19]) / ticks, 0.0)
        self._measured = now, spent
        return (spent - before) / max(now - since, 0.01) * 100

    def kill(self) -> None:
        """Kills the process before it returns, so that no other request is sent to it."""
        self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """Ends the process (SIGTERM, then SIGKILL) and deletes its folder."""
        with contextlib.suppress(OSError):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.ended()
        shutil.rmtree(self.folder, ignore_errors=True)

    def last_words(self) -> str:
        """The end of its log, on one line."""
        return last_words(self.log)


@contextlib.contextmanager
def _crashes() -> Iterator[None]:
    """Turns a connection that breaks into CrashedError."""
    try:
        yield
    except TimeoutError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise CrashedError(f"{type(error).__name__}: {error}") from error


def _parts(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body as it arrives."""
    while True:
        with _crashes():
            part = response.read1(PART_BYTES)
        if not part:
            break
        yield part
    if response.length:  # it ended before its Content-Length was reached
        raise CrashedError(f"IncompleteRead: {response.length} bytes are missing")


def last_words(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        return " | ".join(lines[-3:])[-500:]
    return ""


class Starter:
    """Starts instances.

    Args:
        state: the sandbox's folder: instances are unpacked under it, their logs are kept there.
        fetch: downloads the artifact of a deployment to a file.
        container_logs: receives what containers print.
        program: the container's program: folder of the package, module and arguments.
        delays: how much longer the stages of a start take.
    """

    def __init__(
        self,
        state: Path,
        fetch: Callable[[Deployment, Path], None],
        container_logs: ContainerLogs,
        program: tuple[str, ...] = PROGRAM,
        delays: Delays | None = None,
    ) -> None:
        self._instances, self._logs = state / "instances", state / "logs"
        self._fetch, self._container_logs, self._program = fetch, container_logs, program
        shutil.rmtree(self._instances, ignore_errors=True)  # left over by a sandbox that was killed
        self._instances.mkdir(parents=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        for old in sorted(self._logs.iterdir(), key=lambda log: log.stat().st_mtime)[:-KEPT_LOGS]:
            old.unlink()
        self._reader, self._writer = os.pipe()
        os.set_inheritable(self._reader, True)
        self._delays, self._chance = delays or {}, random.Random()  # noqa: S311 - no secret
        self._ports: set[int] = set()
        self._lock = threading.Lock()

    def start(self, deployment: Deployment, cancelled: threading.Event) -> Instance:
        """Starts an instance and waits until it responds to /ping. Raises StartFailedError."""
        folder = self._instances / uuid.uuid4().hex
        try:
            folder.mkdir()
            return self._start(deployment, folder, cancelled)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise StartFailedError(f"{error.strerror or error} ({error.filename or folder.name})") from error
            raise

    def _start(self, deployment: Deployment, folder: Path, cancelled: threading.Event) -> Instance:
        phases: dict[str, float] = {}
        clock = _Clock(phases)
        model = folder / "model"
        self._delay("instance", clock, cancelled)
        if deployment.model_data_url:
            archive = folder / "model.tar.gz"
            self._fetch(deployment, archive)
            clock.lap("download")
            try:
                safe_extract(archive, model)
            except FindingsError as error:
                raise StartFailedError(f"{deployment.model_data_url} cannot be unpacked: {error}") from error
            try:
                require_nothing_else(model)
            except NotServableError as error:
                raise StartFailedError(f"{deployment.model_data_url} is not a packaged model: {error}") from error
            archive.unlink()
            clock.lap("unpack")
        else:
            model.mkdir()
        log = self._logs / f"{deployment.region}-{deployment.endpoint}-{folder.name[:8]}.log"
        log.touch()
        self._container_logs.follow(deployment, log)
        try:
            self._delay("container", clock, cancelled)
            for _ in range(3):
                port = self._free_port()
                process = self._spawn(deployment, folder, port, log)
                own = self._await_ping(process, port, log, cancelled)
                if own is not None:
                    break
            else:
                raise StartFailedError(f"no free port: {last_words(log)}")
        except BaseException:
            self._container_logs.finish(log)
            raise
        waited = clock.lap("process")
        phases["process"] = round(max(0.0, waited - sum(own.values())), 1)
        ended = functools.partial(self._container_logs.finish, log)
        return Instance(process, port, folder, log, phases | own, ended=ended)

    def _delay(self, stage: str, clock: _Clock, cancelled: threading.Event) -> None:
        """Waits for what a stage takes longer. Raises StartFailedError if the endpoint goes away meanwhile."""
        if delay := self._delays.get(stage):
            if cancelled.wait(delay.drawn(self._chance)):
                raise StartFailedError("the endpoint went away")
            clock.lap(stage)

    def _spawn(self, deployment: Deployment, folder: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-u", container.__file__, str(self._reader), *self._program]
        scratch = folder / "tmp"
        scratch.mkdir(exist_ok=True)
        environment = {
            "LANG": "C.UTF-8",
            "TMPDIR": str(scratch),
            "OMP_NUM_THREADS": str(threads(deployment.memory_mb)),
            "SCALETOZERO_THREADS": str(threads(deployment.memory_mb)),
            **{name: value for name, value in deployment.environment.items() if OWN_VARIABLES.fullmatch(name)},
            "SM_MODEL_DIR": str(folder / "model"),
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SCALETOZERO_BIND_HOST": "127.0.0.1",
        }
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(self._reader,),
                start_new_session=True,
            )

    def _await_ping(
        self, process: subprocess.Popen[bytes], port: int, log: Path, cancelled: threading.Event
    ) -> dict[str, float] | None:
        """Waits for /ping and returns the server's own phases; None if another process has the port."""
        deadline = time.monotonic() + START_SECONDS
        try:
            while time.monotonic() < deadline and not cancelled.is_set():
                if process.poll() is not None:
                    words = last_words(log)
                    if "Address already in use" in words:
                        return None
                    raise StartFailedError(f"the container ended with status {process.returncode}: {words}")
                phases = ping(port)
                if phases is not None:
                    return phases
                time.sleep(0.01)
            reason = "the endpoint went away" if cancelled.is_set() else f"no good /ping within {START_SECONDS} s"
            raise StartFailedError(f"{reason}: {last_words(log)}")
        except BaseException:
            process.kill()
            process.wait()
            raise

    def _free_port(self) -> int:
        """A free port that no other instance was given recently."""
        with self._lock, contextlib.ExitStack() as tried:
            if len(self._ports) > 4096:
                self._ports.clear()
            while True:
                probe = tried.enter_context(socket.socket())
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
                if port not in self._ports:
                    self._ports.add(port)
                    return port


def threads(memory_mb: int | None) -> int:
    """Threads for an instance of that memory: serverless memory comes with CPU, about one vCPU for each 1769 MB (the
    ratio that AWS documents for Lambda; it documents none for SageMaker). At most what this machine has."""
    here = os.cpu_count() or 1
    return here if memory_mb is None else max(1, min(here, round(memory_mb / 1769)))


def ping(port: int) -> dict[str, float] | None:
    """The phases that a healthy server reports; None while it is not healthy."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as response:
            body = response.read()
    except (OSError, http.client.HTTPException, urllib.error.URLError):
        return None
    try:
        phases: Any = json.loads(body).get("phases") or {}
        return {str(name): float(ms) for name, ms in phases.items()}
    except (ValueError, AttributeError, TypeError):
        return {}


class _Clock:
    def __init__(self, phases: dict[str, float]) -> None:
        self._phases, self._last = phases, time.perf_counter()

    def lap(self, name: str) -> float:
        now = time.perf_counter()
        elapsed, self._last = (now - self._last) * 1000, now
        self._phases[name] = round(elapsed, 1)
        return elapsed
