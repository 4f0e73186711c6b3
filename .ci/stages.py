"""Runs the stages of continuous integration, each a target of the Makefile, and prints how long each of them took.

The stages are in two lanes. Where there is more than one core the second lane runs beside the first: it begins with
building, at a low priority, the programs that its own stages need. Its output is printed stage by stage, when a stage
has ended. A stage in which a few tests failed runs those once more, and the end names those that then passed. The first
failure that remains ends everything.
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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent

FRONT = ("setup", "test", "lint", "docs", "test-long", "test-torch")
BESIDE = ("tools", "test-cluster", "test-live", "test-languages", "test-lowest", "test-extras")

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

    async def lane(self, stages: tuple[str, ...], *, captured: bool = False) -> None:
        """Run `stages` one after the other.

        Args:
            captured: print a stage's output when it has ended, instead of while it runs.

        Raises:
            StageFailedError: one of them failed.
        """
        for stage in stages:
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
    front, beside = (tuple(s for s in lane if s in chosen or not chosen) for lane in (FRONT, BESIDE))
    pipeline, status = Pipeline(), 0
    try:
        # The lanes share the environment that this makes.
        await pipeline.lane(front[:1])
        if front[1:] and beside and cores > 1:
            async with asyncio.TaskGroup() as lanes:
                lanes.create_task(pipeline.lane(beside, captured=True))
                lanes.create_task(pipeline.lane(front[1:]))
        else:
            await pipeline.lane((*front[1:], *beside))
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
    parser.add_argument("stage", nargs="*", help=f"only these, of {', '.join((*FRONT, *BESIDE))}")
    given = parser.parse_args().stage
    if unknown := set(given) - {*FRONT, *BESIDE}:
        parser.error(f"there is no stage {', '.join(sorted(unknown))}")
    sys.exit(asyncio.run(run(given, len(os.sched_getaffinity(0)))))
