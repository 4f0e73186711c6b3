"""Runs the engine so that an interrupt stops it between two resources instead of inside one."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error

from scaletozero.engine.signals import on_stop

Callback = Callable[[str], object]


class EngineCommand(PulumiCommand):
    """The engine's command line, in a process group of its own.

    A terminal's Ctrl-C is sent to every process of the foreground group. The engine would receive it besides this
    process, which runs the program for the engine: whichever ended first would interrupt the other inside a resource.
    So the engine receives no signal from the terminal, and `interruptible` sends it exactly one per Ctrl-C.

    Attributes:
        failed: the result of the last failed run, which the SDK's errors contain only as text.
    """

    def __init__(self, found: PulumiCommand) -> None:
        self.command = found.command
        self.version = found.version
        self.failed: CommandResult | None = None
        self._running: set[subprocess.Popen[str]] = set()

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callback | None = None,
        on_error: Callback | None = None,
    ) -> CommandResult:
        """Runs the engine; see `PulumiCommand.run`. A variable given as "" in `additional_env` with a name that
        begins with `AWS_` is removed, because it would override the intended settings.
        """
        env = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        env = {key: value for key, value in env.items() if value or not key.startswith("AWS_")}
        folder = Path(self.command).parent
        if folder.is_absolute():
            env["PATH"] = os.pathsep.join([str(folder), env.get("PATH", "")])
        command = [self.command, *([] if "--non-interactive" in args else ["--non-interactive"]), *args]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=env,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process:
            self._running.add(process)
            try:
                output, error = _follow(process.stdout, on_output), _follow(process.stderr, on_error)
                stdout, stderr = output(), error()
                code = process.wait()
            finally:
                self._running.discard(process)
        result = CommandResult(stdout=stdout, stderr=stderr, code=code)
        if code != 0:
            self.failed = result
            raise create_command_error(result)
        return result

    @contextmanager
    def interruptible(self, say: Callback) -> Iterator[None]:
        """A context in which SIGINT and SIGTERM are sent to the engine only.

        The first signal makes the engine finish running operations and stop; the second stops it at once.
        """
        heard = 0

        def forward() -> None:
            nonlocal heard
            heard += 1
            if heard == 1:
                say("stopping after the running operations; press Ctrl-C again to stop at once")
            for process in list(self._running):
                process.send_signal(signal.SIGINT)
            if heard > 1 or not self._running:
                raise KeyboardInterrupt

        with on_stop(forward):
            yield


def _follow(stream, callback: Callback | None) -> Callable[[], str]:
    lines: list[str] = []

    def read() -> None:
        for line in stream:
            lines.append(line.rstrip())
            if callback:
                callback(lines[-1])

    thread = threading.Thread(target=read, daemon=True)
    thread.start()

    def finish() -> str:
        thread.join()
        return "\n".join(lines)

    return finish
