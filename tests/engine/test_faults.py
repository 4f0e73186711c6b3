"""Whatever is pulled away, at whatever moment: a clear word, and the next `up` repairs it."""

import os
import random
import signal
import socket
import time

import pytest
from workbench import Workbench, endpoint

from model_packaging import Artifact


def serves(workbench: Workbench) -> bool:
    result = workbench.run("invoke", "sentences", '{"inputs": ["hello"]}')
    return result.returncode == 0 and '"embeddings"' in result.stdout


def test_a_sandbox_killed_is_made_anew_with_everything_in_it(workbench: Workbench, encoder: Artifact) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    workbench.done("up")
    os.kill(workbench.sandbox().pid, signal.SIGKILL)
    result = workbench.run("invoke", "sentences", '{"inputs": ["hello"]}')
    assert result.returncode == 2
    assert "scaletozero up -e local" in result.stderr
    workbench.done("up")
    assert serves(workbench)
    assert "nothing changes" in workbench.done("up")


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3))])
def test_an_interrupted_up_is_repaired_by_the_next(workbench: Workbench, encoder: Artifact, seed: int) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    process = workbench.start("up")
    assert process.stderr
    for line in process.stderr:
        if "creating" in line:
            break
    time.sleep(random.Random(seed).uniform(0, 2))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=600)
    assert process.returncode in (0, 1), said
    if process.returncode:
        assert "stopping" in said
    workbench.done("up")
    assert serves(workbench)
    assert workbench.left() == dict.fromkeys(workbench.left(), 1)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3))])
def test_a_killed_up_is_repaired_by_the_next(workbench: Workbench, encoder: Artifact, seed: int) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    process = workbench.start("up")
    assert process.stderr
    for line in process.stderr:
        if "creating" in line:
            break
    time.sleep(random.Random(seed).uniform(0, 2))
    process.kill()
    process.communicate(timeout=600)
    workbench.done("up")
    assert serves(workbench)
    assert workbench.left() == dict.fromkeys(workbench.left(), 1)


def test_the_state_has_no_file_beside_it_that_a_kill_could_leave_empty(workbench: Workbench, encoder: Artifact) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    workbench.done("up")
    backend = workbench.root / ".scaletozero" / "backend"
    assert list(backend.glob(".pulumi/stacks/**/local.json"))
    assert not list(backend.rglob("*.attrs"))


def test_a_second_up_at_the_same_time_is_told_to_wait(workbench: Workbench, encoder: Artifact) -> None:
    workbench.declare(endpoints={"sentences": endpoint(encoder)})
    first = workbench.start("up")
    assert first.stderr
    assert next(line for line in first.stderr if "embedded AWS" in line)
    # However fast it is, it still runs while the second one begins.
    first.send_signal(signal.SIGSTOP)
    second = workbench.run("up")
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 2
    assert "one command at a time" in second.stderr
    first.communicate(timeout=600)
    assert first.returncode == 0
    assert serves(workbench)


def test_a_port_in_use_is_named_and_nothing_is_begun(workbench: Workbench, encoder: Artifact) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sandbox = {"aws_port": 0, "runtime_port": port, "idle_seconds": 60}
        workbench.declare(endpoints={"sentences": endpoint(encoder)}, sandbox=sandbox)
        result = workbench.run("up")
        assert result.returncode == 2
        assert "sandbox.runtime_port" in result.stderr
        assert str(port) in result.stderr
        assert not (workbench.root / ".scaletozero" / "sandbox.json").exists()
        assert not (workbench.root / ".scaletozero" / "backend").exists()
    workbench.done("up")
    assert serves(workbench)
