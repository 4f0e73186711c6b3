"""`up` killed at random moments, whatever part of it is killed: the next `up` repairs it.

A few rounds in the long tier; `SCALETOZERO_KILLS=50 pytest tests/engine/test_kills.py` runs as many as it says.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from workbench import Workbench, endpoint

from model_packaging import Artifact

ROUNDS = int(os.environ.get("SCALETOZERO_KILLS", "3"))
SEED = int(os.environ.get("SCALETOZERO_KILLS_SEED", "1"))

PARTS: dict[str, Callable[[bytes], bool]] = {
    "command": lambda command: b"scaletozero\0up" in command,
    "engine": lambda command: command.split(b"\0")[0].endswith(b"/pulumi"),
    "plugin": lambda command: b"scaletozero.sandbox.providers." in command,
    "sandbox": lambda command: b"scaletozero.sandbox.daemon" in command,
}


def processes(workbench: Workbench) -> dict[int, bytes]:
    """The command lines of this project's processes."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
        except OSError:
            continue
        if f"SCALETOZERO_KILLED={workbench.root}\0".encode() in environment:
            found[int(path.name)] = command
    return found


def kill(workbench: Workbench, part: str) -> int:
    """Kills a part of `up`, or all of it; how many processes that were."""
    wanted = [PARTS[part]] if part in PARTS else list(PARTS.values())
    count = 0
    for pid, command in processes(workbench).items():
        if any(is_part(command) for is_part in wanted):
            try:
                os.kill(pid, signal.SIGKILL)
                count += 1
            except ProcessLookupError:
                pass
    return count


@pytest.mark.long
def test_whatever_is_killed_the_next_up_repairs_it(
    workbench: Workbench, encoder: Artifact, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoints = {"sentences": endpoint(encoder)}
    chance = random.Random(SEED)
    mark = {"SCALETOZERO_KILLED": str(workbench.root)}
    workbench.declare(endpoints=endpoints, tags={"round": "0"})
    began = time.monotonic()
    assert workbench.run("up", **mark).returncode == 0
    takes = time.monotonic() - began
    repaired = 0
    for number in range(1, ROUNDS + 1):
        part = chance.choice([*PARTS, "all"])
        if number % 2:  # half of them create everything, half of them change it
            assert workbench.run("down", **mark).returncode == 0
        workbench.declare(endpoints=endpoints, tags={"round": str(number)})
        up = workbench.start("up", **mark)
        moment = chance.uniform(0, takes)
        time.sleep(moment)
        count = kill(workbench, part)
        up.communicate(timeout=600)
        result = workbench.run("up", **mark)
        good = result.returncode == 0 and set(workbench.left().values()) == {1}
        repaired += good
        with capsys.disabled():
            words = "repaired" if good else f"NOT repaired: {result.stderr}"
            print(f"{number}: {part} ({count} processes) after {moment:.1f} s: {words}", flush=True)
    with capsys.disabled():
        print(f"{repaired} of {ROUNDS} repaired")
    assert repaired == ROUNDS
