"""Fixtures for an organisation's own tests: its programs on the real engine, against an embedded AWS, with no account.

# conftest.py
pytest_plugins = ["scaletozero.sandbox.testing"]

# test_program.py
def test_it_deploys(sandbox_stack):
    stack = sandbox_stack(program)          # a function that declares resources
    assert stack.up().outputs["name"].value == "acme-dev-sentences"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pulumi import automation as auto

from scaletozero.engine.find import find_engine
from scaletozero.sandbox import daemon
from scaletozero.sandbox.environment import sandbox_environment
from scaletozero.sandbox.inline import inline
from scaletozero.sandbox.providers.install import install_plugins

SandboxStack = Callable[..., auto.Stack]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[daemon.Sandbox]:
    """An embedded AWS for one test, on free ports. It is deleted afterwards, with everything in it."""
    state = tmp_path / "sandbox"
    yield daemon.ensure_running(state, aws_port=0, runtime_port=0, idle_seconds=60)
    daemon.stop(state)


@pytest.fixture
def sandbox_stack(sandbox: daemon.Sandbox, tmp_path: Path) -> SandboxStack:
    """Returns a function that makes a stack from a program: `sandbox_stack(program, project="acme", stack="dev")`."""
    home, backend = tmp_path / "home", tmp_path / "backend"
    backend.mkdir()
    install_plugins(home)

    def make(program: Callable[[], None], project: str = "acme", stack: str = "dev") -> auto.Stack:
        work = tmp_path / "work" / project
        work.mkdir(parents=True, exist_ok=True)
        options = auto.LocalWorkspaceOptions(
            work_dir=str(work),
            pulumi_home=str(home),
            pulumi_command=find_engine(),
            # The tests must not use the caller's cluster.
            env_vars={**sandbox_environment(backend, sandbox, tmp_path / "manifests"), "KUBECONFIG": ""},
        )
        return auto.create_or_select_stack(stack, project_name=project, program=inline(program), opts=options)

    return make
