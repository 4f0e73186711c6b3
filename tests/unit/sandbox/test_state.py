"""The sandbox's folder is private, and its locks tell who is there however a process ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import eventually

from scaletozero.sandbox import daemon, state
from scaletozero.sandbox.inventory import Inventory, inventory_file

USER = """
import sys, time
from pathlib import Path
from scaletozero.sandbox import daemon
daemon.ensure_running(Path(sys.argv[1]), aws_port=0, runtime_port=0, idle_seconds=5)
print("running", flush=True)
time.sleep(600)
"""


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_folder_is_its_owners_alone_and_git_ignores_it(tmp_path: Path) -> None:
    folder = tmp_path / "project" / ".scaletozero"
    assert state.private_folder(folder) == folder
    assert mode(folder) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    (folder / ".gitignore").write_text("# mine\n")
    folder.chmod(0o755)
    state.private_folder(folder)
    assert (mode(folder), (folder / ".gitignore").read_text()) == (0o700, "# mine\n")


def test_git_sees_nothing_of_it(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (state.private_folder(tmp_path / ".scaletozero") / "sandbox.json").write_text("{}")
    said = subprocess.run(
        ["git", "-C", str(tmp_path), "status", "--porcelain"], check=True, capture_output=True, text=True
    )
    assert said.stdout == ""


def test_who_uses_it_is_known(tmp_path: Path) -> None:
    assert not state.is_used(tmp_path)
    state.use(tmp_path)
    state.use(tmp_path)
    assert state.is_used(tmp_path)
    state.release(tmp_path)
    assert not state.is_used(tmp_path)
    state.release(tmp_path)


def test_one_process_is_the_sandbox(tmp_path: Path) -> None:
    assert state.claimant(tmp_path) is None
    claim = state.claim(tmp_path)
    assert claim
    assert state.claimant(tmp_path) == os.getpid()
    assert state.claim(tmp_path) is None
    claim.close()
    assert state.claimant(tmp_path) is None


def started(folder: Path) -> tuple["subprocess.Popen[str]", daemon.Sandbox]:
    """A process that uses the folder's sandbox, which it has started."""
    user = subprocess.Popen([sys.executable, "-c", USER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert user.stdout
    assert user.stdout.readline() == "running\n"
    found = daemon.running(folder)
    assert found
    return user, found


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z"


def test_a_sandbox_whose_user_is_killed_ends_by_itself(tmp_path: Path) -> None:
    user, sandbox = started(tmp_path)
    user.send_signal(signal.SIGKILL)
    user.wait()
    eventually(lambda: gone(sandbox.pid))
    assert daemon.running(tmp_path) is None
    assert not (tmp_path / "sandbox.json").exists()
    assert not (tmp_path / "aws.env").exists()


def test_a_sandbox_in_which_something_is_deployed_stays_until_that_is_deleted(tmp_path: Path) -> None:
    user, sandbox = started(tmp_path)
    inventory = Inventory(inventory_file(tmp_path, "dev"))
    inventory.open()
    user.send_signal(signal.SIGKILL)
    user.wait()
    assert daemon.stop_unused(tmp_path) == ["dev"]
    assert daemon.running(tmp_path) == sandbox
    inventory.close()
    eventually(lambda: gone(sandbox.pid))


def test_a_sandbox_that_another_command_uses_stays(tmp_path: Path) -> None:
    user, sandbox = started(tmp_path)
    assert daemon.stop_unused(tmp_path) == ["another command"]
    assert not gone(sandbox.pid)
    user.kill()
    user.wait()
    assert daemon.stop_unused(tmp_path) == []
    assert gone(sandbox.pid)


def test_a_sandbox_whose_folder_is_deleted_ends(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    user, sandbox = started(folder)
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    eventually(lambda: gone(sandbox.pid))
    user.kill()
    user.wait()


def test_a_sandbox_that_a_killed_command_was_starting_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "scaletozero.sandbox.daemon", "--state", str(tmp_path)]
    first = subprocess.Popen(command)  # as the command had started it, before anything of it was written down
    eventually(lambda: state.claimant(tmp_path) == first.pid)
    found = daemon.ensure_running(tmp_path, aws_port=0, runtime_port=0, idle_seconds=60)
    assert (found.pid, found.fresh) == (first.pid, False)
    assert daemon.stop(tmp_path)
    assert first.wait() == 0
