import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from scaletozero.sandbox.cluster import supervisor
from scaletozero.sandbox.cluster.supervisor import EndedError, Supervisor


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cluster").mkdir()
    return tmp_path / "cluster"


def test_it_ends_everything_and_leaves_nothing(folder):
    held = Supervisor(folder)
    pids = [held.start(name, ["sleep", "1000"]) for name in ("one", "two")]
    held.require_running("one")
    held.close()
    assert not any(map(runs, pids))
    assert not folder.exists()


def test_it_ends_everything_when_its_parent_is_killed(folder):
    program = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from scaletozero.sandbox.cluster.supervisor import Supervisor
        held = Supervisor(Path({str(folder)!r}))
        print(held.start("one", ["sleep", "1000"]), flush=True)
        time.sleep(1000)
    """)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=env)
    assert parent.stdout
    pid = int(parent.stdout.readline())
    assert runs(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not runs(pid) and not folder.exists())


def test_a_process_that_will_not_end_is_killed(folder, monkeypatch):
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(1000)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.1)
    supervisor._end(process)
    assert process.returncode == -signal.SIGKILL


def test_a_process_that_ended_says_its_last_words(folder):
    held = Supervisor(folder)
    try:
        held.start("one", ["sh", "-c", "echo listen: address already in use >&2; exit 3"])

        def ended() -> bool:
            try:
                held.require_running("one")
            except EndedError as error:
                assert str(error) == "one ended with 3: listen: address already in use"
                return True
            return False

        wait_for(ended)
    finally:
        held.close()


def test_a_program_that_is_not_there(folder):
    held = Supervisor(folder)
    try:
        with pytest.raises(EndedError, match=r"one: .*No such file"):
            held.start("one", [folder / "nothing"])
    finally:
        held.close()


def test_it_passes_the_environment_on_and_stops_one_alone(folder):
    held = Supervisor(folder)
    try:
        held.start("one", ["sh", "-c", "echo $GREETING; exec sleep 1000"], {"GREETING": "hello"})
        other = held.start("two", ["sleep", "1000"])
        wait_for(lambda: held.last_words("one") == "hello")
        held.stop("one")
        assert runs(other)
    finally:
        held.close()


def started(folder: Path) -> int:
    """How often `COUNTED` has been started."""
    return len((folder / "count").read_text()) if (folder / "count").exists() else 0


COUNTED = ["sh", "-c", "printf x >> count; [ $(wc -c < count) -ge 3 ] && exec sleep 1000; exit 7"]


def test_a_process_that_is_kept_running_is_started_again_until_it_is_stopped(folder):
    held = Supervisor(folder)
    try:
        held.start("one", COUNTED)
        held.keep_running("one")
        wait_for(lambda: started(folder) == 3)
        assert held.last_words("one") == "one ended with 7 and is started again / one ended with 7 and is started again"
        held.require_running("one")
        held.stop("one")
    finally:
        held.close()
    assert not folder.exists()


def test_what_is_kept_running_ends_with_the_rest(folder):
    held = Supervisor(folder)
    pid = held.start("one", ["sleep", "1000"])
    held.keep_running("one")
    held.close()
    assert not runs(pid)
    assert not folder.exists()
