"""The sandbox's process, and the functions that start, find and stop it.

In the foreground: `python -m scaletozero.sandbox.daemon --state DIR --aws-port N --runtime-port N --idle-seconds S`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model_packaging.extras import require_sandbox
from model_packaging.findings import refuse
from scaletozero.sandbox import state as folder
from scaletozero.sandbox.credentials import Credentials, environment_file, write_environment_file, write_private
from scaletozero.sandbox.delays import Delays, read, written
from scaletozero.sandbox.inventory import deployed, forget_all

START_SECONDS = 60
STOP_SECONDS = 15
ANSWER_SECONDS = 10
WATCH_SECONDS = 1.0
"""How often a sandbox checks whether it is still needed."""

IN_USE = 98
ALREADY_THERE = 97
"""Exit statuses: a port is in use; another process is the folder's sandbox."""


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox.

    Attributes:
        aws_url: the embedded AWS's address, for AWS_ENDPOINT_URL.
        runtime_url: the SageMaker Runtime API's address; the embedded AWS serves this API too.
        credentials: the credentials that both accept.
        fresh: whether it was started by this call, so that its AWS is empty.
    """

    pid: int
    aws_url: str
    runtime_url: str
    credentials: Credentials
    fresh: bool = False


def ensure_running(
    state: Path,
    *,
    aws_port: int,
    runtime_port: int,
    idle_seconds: float,
    speed: float | None = None,
    delays: Delays | None = None,
) -> Sandbox:
    """Returns the sandbox of the folder `state`. Starts it, in a session of its own, if it is not running.

    It runs while an environment is deployed in it or a process uses it, and then ends by itself. This process
    uses it until the process ends, or calls `stop` or `stop_unused`.

    Args:
        aws_port, runtime_port: 0 selects any free port, or the port of the running sandbox.
        idle_seconds: how long an instance without requests is kept.
        speed: how many times faster than this machine's the clock of alarms and schedules is. Default: that of the
            running sandbox, or 1.
        delays: how much longer the stages of starts take than on this machine. Default: no longer.

    Raises:
        NotInstalledError: the extra `sandbox` is not installed.
        FindingsError: a port is in use by something else (`sandbox.aws_port`, `sandbox.runtime_port`); the sandbox runs
            with other settings; it ended while it started; the folder is not this user's.
    """
    require_sandbox(serving=False)
    try:
        folder.private_folder(state)
    except OSError as error:
        raise refuse(str(state), "must be a folder of yours", error.strerror or str(error), fix="remove it") from error
    with folder.locked(state):
        folder.use(state)
        found = running(state) or _await_another(state)
        if found:
            _same_settings(state, found, aws_port, runtime_port, idle_seconds, speed, written(delays or {}))
            return found
        _end_hung(state)
        _file(state).unlink(missing_ok=True)
        for port, path in ((aws_port, "sandbox.aws_port"), (runtime_port, "sandbox.runtime_port")):
            _require_free(port, path)
        if aws_port and aws_port == runtime_port:
            raise refuse(
                "sandbox.runtime_port", "must differ from sandbox.aws_port", runtime_port, fix="take another port"
            )
        return _start(
            state, aws_port, runtime_port, idle_seconds, 1.0 if speed is None else speed, written(delays or {})
        )


def _await_another(state: Path) -> Sandbox | None:
    """Waits for a sandbox that was started by a killed command; None if there is none."""
    deadline = time.monotonic() + START_SECONDS
    while (pid := folder.claimant(state)) and time.monotonic() < deadline:
        if (_recorded(state) or {}).get("pid") == pid:
            return running(state)
        time.sleep(0.05)
    return None


def running(state: Path) -> Sandbox | None:
    """The sandbox of the folder `state` if its process exists and responds; None otherwise."""
    recorded = _recorded(state)
    if not recorded:
        return None
    try:
        pid = _ask(recorded["aws_url"])["pid"]
    except (OSError, ValueError, KeyError):
        return None
    if pid != recorded["pid"]:
        return None
    return Sandbox(pid, recorded["aws_url"], recorded["runtime_url"], _credentials(recorded))


def status(sandbox: Sandbox) -> dict[str, Any]:
    """The sandbox's status: `pid`, `endpoints`, `provided_here`. Raises OSError when it does not respond."""
    return _ask(sandbox.aws_url)


def permissions(sandbox: Sandbox) -> dict[str, Any]:
    """By role: `used` actions, and its `statements` with their `unused` ones. Raises OSError: no response."""
    return _ask(sandbox.aws_url, "permissions")


def _ask(aws_url: str, page: str = "status") -> dict[str, Any]:
    with urllib.request.urlopen(f"{aws_url}/_sandbox/{page}", timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - our own address
        return json.load(answer)


def stop(state: Path) -> bool:
    """Stops the sandbox of the folder `state` with all its processes, even if it is in use. Returns whether it ran."""
    if not state.is_dir():
        return False
    folder.release(state)
    with folder.locked(state):
        return _stop(state)


def stop_unused(state: Path) -> list[str]:
    """Ends this process's use of the sandbox of the folder `state`, and stops it unless it is still needed.

    Returns:
        What still needs it: the names of the environments that are deployed in it, and "another command".
    """
    if not state.is_dir():
        return []
    folder.release(state)
    with folder.locked(state):
        needed = [*deployed(state), *(["another command"] if folder.is_used(state) else [])]
        if not needed:
            _stop(state)
        return needed


def _stop(state: Path) -> bool:
    found = running(state)
    if found:
        _end(found.pid)
    else:
        _end_hung(state)
    _file(state).unlink(missing_ok=True)
    return found is not None


def _credentials(recorded: dict[str, Any]) -> Credentials:
    # A sandbox of an older release records no credentials and accepts any.
    return Credentials(recorded.get("access_key", "sandbox"), recorded.get("secret_key", "sandbox"))


def _file(state: Path) -> Path:
    return state / "sandbox.json"


def _recorded(state: Path) -> dict[str, Any] | None:
    try:
        recorded = json.loads(_file(state).read_text())
    except (OSError, ValueError):
        return None
    whole = isinstance(recorded, dict) and {"pid", "aws_url", "runtime_url"} <= recorded.keys()
    return recorded if whole else None


def _same_settings(
    state: Path,
    found: Sandbox,
    aws_port: int,
    runtime_port: int,
    idle_seconds: float,
    speed: float | None,
    delays: str,
) -> None:
    recorded = _recorded(state) or {}
    wanted = (
        ("sandbox.aws_port", aws_port, int(found.aws_url.rpartition(":")[2])),
        ("sandbox.runtime_port", runtime_port, int(found.runtime_url.rpartition(":")[2])),
        ("sandbox.idle_seconds", idle_seconds, recorded.get("idle_seconds", idle_seconds)),
        ("sandbox.speed", recorded.get("speed", 1.0) if speed is None else speed, recorded.get("speed", 1.0)),
        ("sandbox.delays", delays, recorded.get("delays", delays)),
    )
    for path, asked, has in wanted:
        if asked != has and not (asked == 0 and path.endswith("_port")):
            raise refuse(
                path,
                f"the sandbox is running already with {has}",
                asked,
                "the setting would have no effect",
                "run `scaletozero down` first, or leave the setting as it is",
            )


def _require_free(port: int, path: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise _in_use(path, port, error) from error


def _in_use(path: str, port: int, error: Exception) -> Exception:
    reason = (
        "must be between 0 and 65535" if isinstance(error, OverflowError) else "must be a port that nothing else uses"
    )
    return refuse(path, reason, port, "the sandbox cannot listen there", "take another port, or 0 for any free one")


def _start(state: Path, aws_port: int, runtime_port: int, idle_seconds: float, speed: float, delays: str) -> Sandbox:
    command = [sys.executable, "-m", "scaletozero.sandbox.daemon", "--state", str(state.absolute())]
    command += [
        "--end-unused",
        "--aws-port",
        str(aws_port),
        "--runtime-port",
        str(runtime_port),
        "--idle-seconds",
        str(idle_seconds),
        "--speed",
        str(speed),
        "--delays",
        delays,
    ]
    log = state / "sandbox.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, env=_environment()
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        code = process.poll()
        if code == ALREADY_THERE and (other := _await_another(state)):
            return other
        if code == IN_USE:  # taken between the check and the start
            _require_free(aws_port, "sandbox.aws_port")
            raise _in_use("sandbox.runtime_port", runtime_port, OSError())
        if code is not None:
            raise refuse("sandbox", f"ended with status {code} while it started", _tail(log), fix=f"see {log}")
        found = running(state)
        if found and found.pid == process.pid:
            return replace(found, fresh=True)
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise refuse("sandbox", f"did not respond within {START_SECONDS} s", _tail(log), fix=f"see {log}")


def _environment() -> dict[str, str]:
    """This process's environment without the credentials of real accounts."""
    return {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}


def _tail(log: Path) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-3:])


def _end_hung(state: Path) -> None:
    """Ends a sandbox that exists but does not respond."""
    if pid := folder.claimant(state):
        _end(pid)


def _end(pid: int) -> None:
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if _gone(pid):
                return
            time.sleep(0.05)


def _gone(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def main(arguments: list[str] | None = None) -> int:
    """Runs the sandbox until SIGTERM or SIGINT. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m scaletozero.sandbox.daemon", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the sandbox's folder")
    parser.add_argument("--aws-port", type=int, default=0)
    parser.add_argument("--runtime-port", type=int, default=0)
    parser.add_argument("--idle-seconds", type=float, default=60.0)
    parser.add_argument("--speed", type=float, default=1.0, help="of the clock of alarms and schedules")
    parser.add_argument("--delays", default="{}", help="of the stages of starts, as JSON")
    parser.add_argument("--end-unused", action="store_true", help="end when nothing is deployed and no process uses it")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    folder.private_folder(options.state)
    claim = folder.claim(options.state)
    if claim is None:
        return ALREADY_THERE
    os.umask(0o077)
    forget_all(options.state)

    from scaletozero.sandbox.aws.server import Servers

    try:
        ports = options.aws_port, options.runtime_port
        servers = Servers(options.state, *ports, options.idle_seconds, speed=options.speed, delays=read(options.delays))
    except OSError as error:
        print(f"port {error.filename} is in use", file=sys.stderr)
        return IN_USE
    _record(options, servers.aws_url, servers.runtime_url, servers.credentials)
    logging.info("embedded AWS at %s, runtime at %s", servers.aws_url, servers.runtime_url)
    while not stopped.wait(WATCH_SECONDS):
        # While the folder is locked, no process can start another sandbox or begin to use this one.
        with folder.locked_now(options.state) as held:
            if held and options.end_unused and not _is_needed(options.state):
                logging.info("nothing is deployed and no process uses the sandbox: stopping")
                _shut_down(servers, options.state)
                return 0
    _shut_down(servers, options.state)
    return 0


def _is_needed(state: Path) -> bool:
    """Whether this process is still the folder's sandbox and is in use."""
    is_recorded = (_recorded(state) or {}).get("pid") == os.getpid()
    return is_recorded and (folder.is_used(state) or bool(deployed(state)))


def _shut_down(servers: Any, state: Path) -> None:
    servers.stop()
    if (_recorded(state) or {}).get("pid") == os.getpid():
        environment_file(state).unlink(missing_ok=True)
        _file(state).unlink(missing_ok=True)


def _record(options: argparse.Namespace, aws_url: str, runtime_url: str, credentials: Credentials) -> None:
    record = {
        "pid": os.getpid(),
        "aws_url": aws_url,
        "runtime_url": runtime_url,
        "access_key": credentials.access_key,
        "secret_key": credentials.secret_key,
        "idle_seconds": options.idle_seconds,
        "speed": options.speed,
        "delays": options.delays,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": importlib.metadata.version("scaletozero"),
    }
    write_environment_file(options.state, aws_url, credentials)
    write_private(_file(options.state), json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
