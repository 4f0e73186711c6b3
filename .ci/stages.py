"""Runs the stages of continuous integration, each a target of the Makefile, and prints how long each of them took.

Where there is more than one core two lanes take the stages, in their order, whichever is free: so neither waits while
there is something to run. One lane prints as it goes, the other a stage's output when it has ended. A stage in which a
few tests failed runs those once more, and the end names those that then passed. The first failure that remains ends
everything.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent

SETUP = "setup"
"""Makes the environment that all others share."""

STAGES = (
    "test",
    # The programs that the next stages need, built while the first one runs.
    "tools",
    "test-cluster",
    "test-live",
    "test-languages",
    "test-lowest",
    # The longest first, so that both lanes end at about the same time.
    "test-long",
    "test-torch",
    "lint",
    "test-extras",
    "docs",
)
"""In the order in which they begin, after the setup."""

LOW_PRIORITY = frozenset({"tools"})
"""It only builds, so it has no deadline that a lack of processor time could break."""

MOST_AGAIN = 3
"""More failed tests than that are no accident of timing, and are not run again."""

STOP_SECONDS = 60
"""How long an interrupted stage may take to clean up before it is killed."""


class StageFailedError(Exception):
    """A stage failed; the text is its name."""


@dataclass
class Run:
    """A stage that was started, with the times since the beginning of everything, in seconds."""

    stage: str
    began: float
    ended: float | None = None
    code: int | None = None

    @property
    def result(self) -> str:
        if self.ended is None:
            return "running"
        if self.code is None:
            return "interrupted"
        return "failed" if self.code else "passed"


def cache(stage: str) -> Path:
    """Where pytest remembers which tests of a stage failed."""
    return ROOT / ".pytest_cache" / stage


def failed_tests(stage: str) -> list[str]:
    """The tests to run again; none where too many failed, or something else did."""
    with contextlib.suppress(FileNotFoundError):
        failed = sorted(json.loads((cache(stage) / "v" / "cache" / "lastfailed").read_text()))
        return failed if len(failed) <= MOST_AGAIN else []
    return []


class Pipeline:
    """Runs stages until one fails.

    Attributes:
        failed: the stage that failed, or "".
        flaky: tests that failed, and passed when they were run once more.
    """

    def __init__(self) -> None:
        self._zero = time.monotonic()
        self._runs: list[Run] = []
        self.failed = ""
        self.flaky: list[str] = []

    async def lane(self, stages: deque[str], *, captured: bool = False) -> None:
        """Take the next of `stages` and run it, until there is none.

        Args:
            stages: what is left to run, which lanes share.
            captured: print a stage's output when it has ended, instead of while it runs.

        Raises:
            StageFailedError: one of them failed.
        """
        while stages:
            stage = stages.popleft()
            code = await self._logged(stage, captured)
            if code and (failed := failed_tests(stage)):
                print(f"== {stage}: {' '.join(failed)} failed, once more", flush=True)
                code = await self._logged(stage, captured, "--last-failed")
                self.flaky += [] if code else failed
            if code:
                self.failed = self.failed or stage
                raise StageFailedError(stage)

    def table(self) -> str:
        now = time.monotonic() - self._zero
        lines = [f"{'stage':<16}{'result':<13}{'began at (s)':>12}{'seconds':>9}"]
        for run in self._runs:
            took = (now if run.ended is None else run.ended) - run.began
            lines.append(f"{run.stage:<16}{run.result:<13}{run.began:>12.0f}{took:>9.0f}")
        return "\n".join([*lines, f"{'everything':<29}{0:>12}{now:>9.0f}"])

    async def _logged(self, stage: str, captured: bool, *options: str) -> int:
        with tempfile.TemporaryFile() as log:
            return await self._run(stage, log if captured else None, options)

    async def _run(self, stage: str, log: IO[bytes] | None, options: Sequence[str]) -> int:
        command = ["make", "--no-print-directory", stage]
        if stage in LOW_PRIORITY:
            command = ["nice", "-n", "10", *command]
        print(f"== {stage}" + (" (in the background)" if log else ""), flush=True)
        run = Run(stage, time.monotonic() - self._zero)
        self._runs.append(run)
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=asyncio.subprocess.STDOUT if log else None,
            start_new_session=True,
            env=os.environ | {"PYTEST_ADDOPTS": shlex.join(("-o", f"cache_dir={cache(stage)}", *options))},
        )
        try:
            run.code = await process.wait()
        except asyncio.CancelledError:
            await _interrupt(process)
            raise
        finally:
            run.ended = time.monotonic() - self._zero
            # Where another stage has failed, its output is the one to look at.
            if log and not self.failed:
                _print(log)
            print(f"== {stage}: {run.result} after {run.ended - run.began:.0f} s", flush=True)
        return run.code


async def _interrupt(process: asyncio.subprocess.Process) -> None:
    """End a stage as Ctrl-C does, which lets it clean up."""
    for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)
            return


def _print(log: IO[bytes]) -> None:
    log.seek(0)
    while part := log.read(1 << 16):
        sys.stdout.buffer.write(part)
    sys.stdout.flush()


async def run(chosen: list[str], cores: int) -> int:
    """Run the chosen stages, or all of them; the exit status."""
    task = asyncio.current_task()
    assert task
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    first, rest = (deque(s for s in stages if s in chosen or not chosen) for stages in ((SETUP,), STAGES))
    pipeline, status = Pipeline(), 0
    try:
        await pipeline.lane(first)
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(pipeline.lane(rest))
            if cores > 1:
                lanes.create_task(pipeline.lane(rest, captured=True))
    except* StageFailedError:
        print(f"\n{pipeline.failed} failed, with the output above. To run it alone: .ci/run {pipeline.failed}")
        status = 1
    except* asyncio.CancelledError:
        print("\ninterrupted")
        status = 130
    if pipeline.flaky:
        print("\nflaky, to be mended: these failed and passed when they were run once more")
        print("\n".join(f"  {test}" for test in pipeline.flaky))
    print(f"\n{pipeline.table()}", flush=True)
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog=".ci/run", description="Runs the stages of continuous integration.")
    parser.add_argument("stage", nargs="*", help=f"only these, of {', '.join((SETUP, *STAGES))}")
    given = parser.parse_args().stage
    if unknown := set(given) - {SETUP, *STAGES}:
        parser.error(f"there is no stage {', '.join(sorted(unknown))}")
    sys.exit(asyncio.run(run(given, len(os.sched_getaffinity(0)))))
