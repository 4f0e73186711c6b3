"""Runs an environment of a project with the engine: on its cloud account, or on the embedded AWS."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import runpy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulumi import automation as auto
from pulumi.automation.errors import CommandError

from model_packaging.findings import refuse
from scaletozero.engine.command import EngineCommand
from scaletozero.environment.deployed import endpoints_in
from scaletozero.environment.project import Project
from scaletozero.environment.read import KEY
from scaletozero.environment.secure import replaced
from scaletozero.sandbox.daemon import Sandbox
from scaletozero.sandbox.environment import sandbox_environment
from scaletozero.sandbox.inline import inline
from scaletozero.sandbox.inventory import VARIABLE as INVENTORY
from scaletozero.sandbox.inventory import Inventory, inventory_file
from scaletozero.sandbox.providers.install import install_plugins
from scaletozero.sandbox.state import private_folder

Say = Callable[[str], object]


@dataclass(frozen=True)
class EnvironmentStack:
    """An environment and where it runs.

    Attributes:
        project: the project.
        name: the environment's name, also the stack's.
        engine: the engine that runs it.
        sandbox: the embedded AWS it runs on; None on a cloud account.
    """

    project: Project
    name: str
    engine: EngineCommand
    sandbox: Sandbox | None

    def stack(self) -> auto.Stack:
        """The engine's stack, created if it does not exist yet."""
        options = self._options()
        options.pulumi_command = self.engine
        return auto.create_or_select_stack(
            self.name, project_name=self.project.name, program=inline(self._program), opts=options
        )

    def _program(self) -> None:
        # The folder in which the language host of `pulumi up` runs it, so that relative paths are the same.
        with contextlib.chdir(self.project.program):
            runpy.run_path(str(self.project.program), run_name="__main__")

    def _options(self) -> auto.LocalWorkspaceOptions:
        return self._sandboxed() if self.sandbox else auto.LocalWorkspaceOptions(work_dir=str(self.project.root))

    def _sandboxed(self) -> auto.LocalWorkspaceOptions:
        """A workspace in the project's local folder, so that the engine does not write to the user's files."""
        assert self.sandbox
        work = self.project.local / "work" / self.name
        backend, home = self.project.local / "backend", self.project.local / "home"
        for folder in (work, backend, home):
            folder.mkdir(parents=True, exist_ok=True)
        settings = {"name": self.project.name, "runtime": "python"}
        (work / "Pulumi.yaml").write_text(json.dumps(settings))
        config = {"config": self._sandboxed_configuration()}
        # JSON, because every YAML parser reads it in the same way.
        (work / f"Pulumi.{self.name}.yaml").write_text(json.dumps(config))
        install_plugins(home)
        return auto.LocalWorkspaceOptions(
            work_dir=str(work),
            pulumi_home=str(home),
            env_vars={
                **sandbox_environment(backend, self.sandbox, self.manifests),
                INVENTORY: str(inventory_file(self.project.local, self.name)),
            },
        )

    @property
    def inventory(self) -> Inventory:
        """What the environment has created in the embedded AWS."""
        return Inventory(inventory_file(self.project.local, self.name))

    @property
    def manifests(self) -> Path:
        """The folder for an environment's Kubernetes objects if the sandbox has no cluster."""
        return self.project.local / "manifests" / self.name

    @property
    def replaced_secrets(self) -> list[str]:
        """The paths of encrypted values in the settings file that the sandbox replaces with its own."""
        return replaced(self.project.configuration(self.name))[1] if self.sandbox else []

    def _sandboxed_configuration(self) -> dict[str, Any]:
        """The settings file's configuration, with the information for the program that it runs in the sandbox."""
        config, _ = replaced(self.project.configuration(self.name))
        key = f"{self.project.name}:{KEY}"
        written = config.get(key)
        return {**config, key: {**written, "sandbox": written.get("sandbox") or {}}} if written else config

    def repair(self, stack: auto.Stack, say: Say) -> None:
        """Removes what a killed run left behind: its lock, and resources that are not in the state.

        Only on the embedded AWS: on an account, a killed run cannot be distinguished from one on another machine, so
        there the engine's own words about pending operations and `pulumi cancel` apply.
        """
        if not self.sandbox:
            return
        self._release(stack, say)
        exported = stack.export_stack()
        state = dict(exported.deployment or {})
        if self.inventory.live():
            from scaletozero.sandbox.providers.leftovers import delete_leftovers  # takes half of a command's start

            resources = state.get("resources") or []
            # `pulumi state move` takes a resource to another stack, whose it then is.
            known = [*resources, *self._resources_of_others()]
            with self.inventory.settled():
                found = delete_leftovers(self.sandbox.aws_url, self.sandbox.credentials, self.inventory, known)
            for deleted in found:
                say(f"repairing: deleted {deleted}, which an interrupted run had created")
        if pending := state.get("pending_operations"):
            say(f"repairing: {len(pending)} operations of an interrupted run")
            stack.import_stack(auto.Deployment(exported.version, {**state, "pending_operations": []}))

    def _resources_of_others(self) -> Iterator[dict[str, Any]]:
        """The resources in the states of the project's other stacks in the sandbox."""
        folder = self.project.local / "backend" / ".pulumi" / "stacks" / self.project.name
        for path in folder.glob("*.json"):
            if path.stem != self.name:
                yield from json.loads(path.read_text())["checkpoint"].get("latest", {}).get("resources") or []

    def _release(self, stack: auto.Stack, say: Say, patience: float = 60) -> None:
        # The engine of a killed command may still be finishing a resource, so it is given time.
        deadline = time.monotonic() + patience
        while holders := self._engine_locks():
            if not any(_alive(pid) for pid in holders) or time.monotonic() > deadline:
                say("repairing: releasing the lock of an interrupted run")
                stack.cancel()
                return
            time.sleep(0.2)

    def _engine_locks(self) -> list[int]:
        folder = self.project.local / "backend" / ".pulumi" / "locks"
        holders: list[int] = []
        for path in folder.glob(f"organization/{self.project.name}/{self.name}/*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                holders.append(int(json.loads(path.read_text())["pid"]))
        return holders

    def client(self, service: str, region: str, config: Any = None) -> Any:
        """A boto3 client of the account or the embedded AWS that the environment runs on.

        Args:
            config: botocore's configuration of the client. Default: its own.
        """
        import boto3  # takes half of a command's start

        if self.sandbox is None:
            return boto3.client(service, region_name=region, config=config)
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.sandbox.aws_url,
            aws_access_key_id=self.sandbox.credentials.access_key,
            aws_secret_access_key=self.sandbox.credentials.secret_key,
            config=config,
        )

    def endpoints(self) -> dict[str, dict[str, Any]]:
        """The endpoints in the stack's state; none before the first `up`. Changes nothing."""
        return endpoints_in(self.resources())

    def resources(self) -> list[dict[str, Any]]:
        """The resources of the stack's state, as the engine exports them; none before the first `up`."""
        options = self._options()
        env = dict(options.env_vars or {}) | ({"PULUMI_HOME": options.pulumi_home} if options.pulumi_home else {})
        try:
            result = self.engine.run(["stack", "export", "--stack", self.name], str(options.work_dir), env)
        except CommandError as error:
            if "no stack named" in str(error):
                return []
            raise
        return (json.loads(result.stdout).get("deployment") or {}).get("resources") or []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def environment_lock(project: Project, name: str) -> Iterator[None]:
    """Locks an environment of this folder for one command.

    Raises:
        FindingsError: another command holds the lock.
    """
    folder = private_folder(project.local) / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    path: Path = folder / f"{name}.lock"
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise refuse(
                f"environment {name}",
                "can be changed by one command at a time",
                holder,
                "two at once would undo each other's changes",
                "wait for it to end, then run this again",
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()}\n")
        lock.flush()
        yield
