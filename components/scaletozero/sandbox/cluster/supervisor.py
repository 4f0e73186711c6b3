"""Holds the processes of a cluster, and ends them when whoever started it ends, however it ends.

Run as a program, with the folder it may write in, it reads one JSON request a line. Its standard input closes when its
parent is gone, also by SIGKILL: it then ends every process, the last started first, and removes the folder.
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
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_SECONDS = 10
"""How long a process may take to end before it is killed."""


class EndedError(RuntimeError):
    """A process that should run has ended; the text has the end of its log."""


class Supervisor:
    """The supervisor's side that its parent holds.

    Args:
        folder: removed with all that is in it when this closes or this process ends. Each process logs there.

    Attributes:
        pids: name -> process id of what was started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pids: dict[str, int] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A Ctrl-C at the terminal must end the tests first, then what they stand on.
            start_new_session=True,
        )

    def start(self, name: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> int:
        """Start `command` under `name`; its process id. Raises EndedError when it can't be started."""
        answer = self._ask({"start": name, "command": [str(part) for part in command], "env": dict(env or {})})
        if "error" in answer:
            raise EndedError(f"{name}: {answer['error']}")
        self.pids[name] = answer["pid"]
        return answer["pid"]

    def require_running(self, name: str) -> None:
        """Raises EndedError when the process `name` has ended."""
        code = self._ask({"poll": name})["code"]
        if code is not None:
            raise EndedError(f"{name} ended with {code}: {self.last_words(name)}")

    def stop(self, name: str) -> None:
        """End one process."""
        self._ask({"stop": name})

    def last_words(self, name: str, lines: int = 3) -> str:
        text = (self.folder / f"{name}.log").read_text(errors="replace")
        return " / ".join(line for line in text.splitlines()[-lines:] if line.strip())

    def close(self) -> None:
        """End every process and remove the folder."""
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


def _main(folder: Path) -> None:
    processes: dict[str, subprocess.Popen[bytes]] = {}
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        # readline, not iteration: that reads ahead and would answer late.
        while line := sys.stdin.readline():
            answer = _answer(json.loads(line), folder, processes)
            with contextlib.suppress(BrokenPipeError):
                print(json.dumps(answer), flush=True)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for process in reversed(processes.values()):
            _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _answer(request: dict, folder: Path, processes: dict[str, subprocess.Popen[bytes]]) -> dict:
    if name := request.get("start"):
        try:
            with (folder / f"{name}.log").open("ab") as log:
                processes[name] = subprocess.Popen(
                    request["command"],
                    cwd=folder,
                    env={**os.environ, **request["env"]},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        except OSError as error:
            return {"error": str(error)}
        return {"pid": processes[name].pid}
    if name := request.get("poll"):
        return {"code": processes[name].poll()}
    _end(processes.pop(request["stop"]))
    return {}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
