"""The sandbox's process: started once, found, replaced when dead, ended with everything it started."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import eventually

from model_packaging.findings import FindingsError
from scaletozero.sandbox import daemon
from scaletozero.sandbox.aws.runtime import container
from scaletozero.sandbox.daemon import Sandbox, ensure_running, running, status, stop
from scaletozero.sandbox.delays import Delay


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    yield folder
    stop(folder)


def start(state: Path, **settings: Any) -> Sandbox:
    given: dict[str, Any] = {"aws_port": 0, "runtime_port": 0, "idle_seconds": 5, **settings}
    return ensure_running(state, **given)


def alive(pid: int) -> bool:
    found = subprocess.run(["ps", "-p", str(pid), "-o", "stat="], capture_output=True, text=True, check=False).stdout
    return bool(found.strip()) and not found.startswith("Z")


def end_hard(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def free_port() -> int:
    """Of those that the system gives to nobody by itself, so that it is still free when it is asked for."""
    for port in random.sample(range(10_000, 30_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def test_it_starts_once_and_is_found_again(state: Path) -> None:
    first = start(state)
    assert first.fresh
    assert os.getsid(first.pid) == first.pid
    again = start(state)
    assert (again.pid, again.fresh) == (first.pid, False)
    assert running(state) == again
    assert status(first)["provided_here"]["sagemaker:UpdateEndpoint"]
    recorded = json.loads((state / "sandbox.json").read_text())
    assert recorded["version"]
    assert stop(state)
    assert not alive(first.pid)
    assert running(state) is None
    assert not stop(state)


def test_it_listens_where_it_is_told_and_has_no_credentials(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-leak")
    aws, runtime = free_port(), free_port()
    sandbox = start(state, aws_port=aws, runtime_port=runtime)
    assert (sandbox.aws_url, sandbox.runtime_url) == (f"http://127.0.0.1:{aws}", f"http://127.0.0.1:{runtime}")
    with urllib.request.urlopen(f"{sandbox.runtime_url}/_sandbox/status") as answer:
        assert json.load(answer)["pid"] == sandbox.pid
    found = subprocess.run(["ps", "eww", "-p", str(sandbox.pid)], capture_output=True, text=True, check=False).stdout
    assert "scaletozero.sandbox.daemon" in found
    assert "do-not-leak" not in found


@pytest.mark.parametrize("which", ["aws_port", "runtime_port"])
def test_a_port_in_use_is_named_and_nothing_stays(state: Path, which: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            FindingsError, match=rf"sandbox\.{which}: must be a port that nothing else uses, got {port}"
        ):
            start(state, **{which: port})
    assert running(state) is None
    assert not (state / "sandbox.json").exists()


@pytest.mark.parametrize("which", ["aws_port", "runtime_port"])
def test_a_port_that_is_taken_at_the_last_moment(state: Path, which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        calls = iter([None, None])
        real = daemon._require_free
        monkeypatch.setattr(daemon, "_require_free", lambda *a: next(calls, real) and real(*a))
        with pytest.raises(FindingsError, match=rf"sandbox\.{which}"):
            start(state, **{which: other.getsockname()[1]})


def test_two_equal_ports_are_refused(state: Path) -> None:
    port = free_port()
    with pytest.raises(FindingsError, match=r"sandbox\.runtime_port: must differ"):
        start(state, aws_port=port, runtime_port=port)


def test_a_port_that_is_none_is_refused(state: Path) -> None:
    with pytest.raises(FindingsError, match=r"sandbox\.aws_port: must be between 0 and 65535, got 70000"):
        start(state, aws_port=70000)


def test_other_settings_than_those_it_runs_with_are_refused(state: Path) -> None:
    start(state)
    with pytest.raises(FindingsError, match=r"sandbox\.aws_port: the sandbox is running already"):
        start(state, aws_port=free_port())
    with pytest.raises(FindingsError, match=r"sandbox\.speed: the sandbox is running already with 1\.0, got 60"):
        start(state, speed=60)
    with pytest.raises(FindingsError, match=r"sandbox\.idle_seconds: the sandbox is running already with 5\.0, got 7"):
        start(state, idle_seconds=7)
    with pytest.raises(FindingsError, match=r"sandbox\.delays: the sandbox is running already with \{\}"):
        start(state, delays={"instance": Delay(5, 0.1)})


def test_one_that_was_killed_is_replaced(state: Path) -> None:
    first = start(state)
    end_hard(first.pid)
    assert (state / "sandbox.json").exists()
    assert running(state) is None
    (state / "instances" / "left").mkdir(parents=True)
    second = start(state)
    assert second.fresh
    assert second.pid != first.pid
    assert list((state / "instances").iterdir()) == []


def test_a_record_whose_number_belongs_to_another_program_by_now(state: Path) -> None:
    first = start(state)
    end_hard(first.pid)
    other = subprocess.Popen(["sleep", "60"])
    try:
        record = json.loads((state / "sandbox.json").read_text()) | {"pid": other.pid}
        (state / "sandbox.json").write_text(json.dumps(record))
        assert running(state) is None
        assert start(state).fresh
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_broken_record_is_no_sandbox(state: Path, text: str) -> None:
    state.mkdir()
    (state / "sandbox.json").write_text(text)
    assert running(state) is None


def test_one_that_hangs_is_ended(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = start(state)
    os.kill(first.pid, signal.SIGSTOP)
    monkeypatch.setattr(daemon, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(daemon, "STOP_SECONDS", 0.5)
    assert start(state).fresh
    assert not alive(first.pid)


def test_callers_at_the_same_time_share_one(state: Path) -> None:
    found: list[Sandbox] = []
    threads = [threading.Thread(target=lambda: found.append(start(state))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({sandbox.pid for sandbox in found}) == 1
    assert sum(sandbox.fresh for sandbox in found) == 1


def test_a_container_ends_when_the_other_end_of_its_pipe_closes() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, "-I", container.__file__, str(reader), "/", "http.server", str(port)],
        pass_fds=(reader,),
    )
    os.close(reader)
    eventually(lambda: answers(port))
    assert child.poll() is None
    os.close(writer)
    assert child.wait(300) == 3


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
