"""Runs the processes of a cluster, and terminates them when its parent process ends, however that ends.

Run as a program, with a folder to write to, it reads one JSON request per line. Its standard input closes when its
parent ends, also by SIGKILL: it then terminates every process, the last started first, and deletes the folder.
It imports nothing but the standard library, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_SECONDS = 10
"""How long a process may take to terminate before it is killed."""


RESTART_SECONDS = 1
"""How long a process that is kept running stays down after it has ended."""


class EndedError(RuntimeError):
    """A process that should be running has ended; the message contains the end of its log."""


class Supervisor:
    """The parent's connection to the supervising process.

    Args:
        folder: the processes' working folder, with their logs. Deleted when this closes or this process ends.

    Attributes:
        pids: name -> process id of each process, as it was first started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pids: dict[str, int] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C at the terminal must end the tests before the processes that they use.
            start_new_session=True,
        )

    def start(self, name: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> int:
        """Starts `command` as `name`. Returns its process id; raises EndedError if it cannot be started."""
        answer = self._ask({"start": name, "command": [str(part) for part in command], "env": dict(env or {})})
        if "error" in answer:
            raise EndedError(f"{name}: {answer['error']}")
        self.pids[name] = answer["pid"]
        return answer["pid"]

    def require_running(self, name: str) -> None:
        """Raises EndedError if the process `name` has ended."""
        code = self._ask({"poll": name})["code"]
        if code is not None:
            raise EndedError(f"{name} ended with {code}: {self.last_words(name)}")

    def keep_running(self, name: str) -> None:
        """Restarts the process `name` whenever it ends, as a kubelet restarts an operator's pod."""
        self._ask({"keep": name})

    def stop(self, name: str) -> None:
        """Terminates one process."""
        self._ask({"stop": name})

    def last_words(self, name: str, lines: int = 3) -> str:
        text = (self.folder / f"{name}.log").read_text(errors="replace")
        return " / ".join(line for line in text.splitlines()[-lines:] if line.strip())

    def close(self) -> None:
        """Terminates every process and deletes the folder."""
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, request: Mapping[str, object]) -> dict:
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise EndedError("the cluster's supervisor has ended") from None
        line = self._process.stdout.readline()
        if not line:
            raise EndedError("the cluster's supervisor has ended")
        return json.loads(line)


class _Processes:
    """The processes that run in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._requests: dict[str, dict] = {}
        self._over = threading.Event()
        self._lock = threading.Lock()

    def answer(self, request: dict) -> dict:
        if name := request.get("start"):
            try:
                self._requests[name] = request
                self._running[name] = self._spawn(name)
            except OSError as error:
                return {"error": str(error)}
            return {"pid": self._running[name].pid}
        if name := request.get("poll"):
            return {"code": self._running[name].poll()}
        if name := request.get("keep"):
            threading.Thread(target=self._keep, args=(name,), daemon=True).start()
            return {}
        with self._lock:
            process = self._running.pop(request["stop"])
        _end(process)
        return {}

    def close(self) -> None:
        with self._lock:
            self._over.set()
        for process in reversed(self._running.values()):
            _end(process)

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        request = self._requests[name]
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                request["command"],
                cwd=self._folder,
                env={**os.environ, **request["env"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _keep(self, name: str) -> None:
        while process := self._running.get(name):
            code = process.wait()
            self._over.wait(RESTART_SECONDS)
            with self._lock:
                if self._over.is_set() or self._running.get(name) is not process:
                    return
                with (self._folder / f"{name}.log").open("a") as log:
                    log.write(f"{name} ended with {code} and is started again\n")
                self._running[name] = self._spawn(name)


def _main(folder: Path) -> None:
    processes = _Processes(folder)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        # readline instead of iteration, which reads ahead and would delay responses.
        while line := sys.stdin.readline():
            answer = processes.answer(json.loads(line))
            with contextlib.suppress(BrokenPipeError):
                print(json.dumps(answer), flush=True)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        processes.close()
        shutil.rmtree(folder, ignore_errors=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
