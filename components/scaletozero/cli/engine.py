"""The engine's output on the terminal: each error once, control characters escaped, and how to fix an error."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator

from pulumi.automation.errors import CommandError

from scaletozero.cli.output import COLOUR, err, failed, plain, printable
from scaletozero.engine.command import EngineCommand

UNHANDLED = "an unhandled error occurred: "
"""What the engine says an error of the program with the second time."""

_FIXES = (
    (
        "PULUMI_ACCESS_TOKEN must be set",
        "run `{pulumi} login`, or set PULUMI_BACKEND_URL or PULUMI_ACCESS_TOKEN",
    ),
    ("passphrase must be set", "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"),
    ("incorrect passphrase", "set PULUMI_CONFIG_PASSPHRASE to the passphrase that the stack was created with"),
    ("unable to open state directory", "set PULUMI_BACKEND_URL to a folder that exists, or `{pulumi} login` elsewhere"),
    (".pulumi/meta.yaml", "check the address in PULUMI_BACKEND_URL, and the credentials for it"),
    (
        "failed to load checkpoint: EOF",
        "a run was killed while it wrote: delete the empty `.attrs` files in the folder of PULUMI_BACKEND_URL",
    ),
    ("stack is currently locked", "wait for the other run, or see `{pulumi} cancel`"),
)
"""Text in the engine's output -> what to do."""

_EXISTS = ("Cannot create already existing endpoint", "log group already exists")
"""Errors of SageMaker and CloudWatch Logs about existing resources that `up --adopt` can adopt."""


class EngineOutput:
    """Receives the engine's lines and prints them to stderr.

    The engine prints an error of the program twice, the second time as an unhandled one; it is shown once.
    """

    def __init__(self) -> None:
        self.said: set[str] = set()
        self._repeating = False

    def __call__(self, line: str) -> None:
        bare = plain(line).strip()
        if UNHANDLED in bare and bare.replace(UNHANDLED, "", 1) in self.said:
            # Only in the list of diagnostics do the following lines belong to an error.
            self._repeating = bare.startswith("error: ")
            return
        self._repeating = self._repeating and bare in self.said
        if self._repeating and bare:
            return
        self.said.add(bare)
        print(printable(line, colour=COLOUR), file=sys.stderr, flush=True)

    def rest(self, text: str) -> None:
        """Prints the lines of the engine's stderr that have not been printed."""
        for line in text.splitlines():
            if plain(line).strip() not in self.said:
                self(line)


@contextlib.contextmanager
def engine_errors(
    what: str, name: str, engine: EngineCommand, heard: Callable[[str], object] | None = None
) -> Iterator[EngineOutput]:
    """Shows the engine's output, and turns a failure into an exit with a message that says what to do.

    Args:
        what: the command, `up`, `down`, ...
        name: the environment.
        engine: the engine that runs it.
        heard: who else is told why the engine did not start.
    """
    output = EngineOutput()
    again = what if what in ("up", "down") else "up"
    try:
        yield output
    except KeyboardInterrupt:
        raise failed(f"{what} was interrupted. `scaletozero {again} -e {name}` continues and repairs.") from None
    except CommandError as error:
        words = engine.failed.stderr if engine.failed else str(error)
        output.rest(words)
        pulumi = "pulumi" if shutil.which("pulumi") else engine.command
        fixes = [fix for said, fix in _FIXES if said in str(error)]
        if fixes:
            verdict = f"{what} of {name} did not start. Fix: {fixes[0].format(pulumi=pulumi)}"
            if heard:
                heard(verdict)
            raise failed(verdict) from None
        if what == "up" and any(said in str(error) for said in _EXISTS):
            raise failed(
                "up failed: a resource with a declared name exists already. If an interrupted `up` created it, "
                f"`scaletozero up -e {name} --adopt` adopts it."
            ) from None
        if what in ("up", "down"):
            raise failed(
                f"{what} failed; the lines above say why. `scaletozero {what} -e {name}` continues from here."
            ) from None
        raise failed(f"{what} failed; the lines above say why.") from None


def color() -> str:
    """The value of the engine's `--color`."""
    return "always" if COLOUR and err.is_terminal else "never"
