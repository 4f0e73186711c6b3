"""Measures whole cold starts: unpacking, then a new process up to its first response. Contenders alternate.

The platform's agent unpacks the archive before the container starts, so this running process unpacks it here.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from model_packaging.artifact.archive import safe_extract
from model_packaging.evaluation.measure import TIMEOUT_SECONDS, Start, StartFailedError
from model_packaging.onnx_model.assemble import write_inputs
from model_packaging.onnx_model.optimise import GRAPH
from model_packaging.progress import Progress, Report, quiet
from model_packaging.serving.card import CARD, CARD_SCHEMA
from model_packaging.spec import PackageSpec
from model_packaging.tasks import inspect

PHASES = ("unpack", "python", "imports", "verify", "tokenizer", "session", "server", "canary", "answer")


@dataclass(frozen=True)
class Contender:
    """An archive to start from.

    Attributes:
        checked: whether it verifies digests and runs the canary, like our server.
        command: starts it with another program than our server. The unpacked folder is appended; it must print the same
            as `model_packaging.benchmark.whole_start`.
    """

    label: str
    archive: Path
    checked: bool = True
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figures:
    """The measurements of whole cold starts of a contender.

    Attributes:
        archive_bytes: size of the archive.
        starts: one per process, in the order in which they ran.
    """

    label: str
    archive_bytes: int
    starts: tuple[Start, ...]

    @property
    def phases(self) -> dict[str, float]:
        """Median milliseconds of each phase that this contender has, in order."""
        present = [name for name in PHASES if name in self.starts[0].phases]
        return {name: statistics.median(each.phases[name] for each in self.starts) for name in present}

    @property
    def p50_ms(self) -> float:
        """Median of the totals."""
        return statistics.median(each.total_ms for each in self.starts)

    @property
    def p95_ms(self) -> float:
        """95th percentile of the totals; the slowest if there are fewer than twenty."""
        ordered = sorted(each.total_ms for each in self.starts)
        return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]

    @property
    def fastest_ms(self) -> float:
        """The fastest total, which other programs on the machine disturbed least."""
        return min(each.total_ms for each in self.starts)

    @property
    def peak_rss_mb(self) -> float:
        """Median of the processes' peak memory, in MB (10^6 bytes)."""
        return statistics.median(each.peak_rss_mb for each in self.starts)

    def ratio_to(self, other: Figures) -> float:
        """Median over the rounds of this contender's total divided by the other's."""
        return statistics.median(
            ours.total_ms / theirs.total_ms for ours, theirs in zip(self.starts, other.starts, strict=True)
        )


def whole_starts(contenders: Sequence[Contender], n: int, report: Report = quiet) -> tuple[Figures, ...]:
    """Runs `n` rounds in which each contender starts once, after one that fills the page cache with the libraries.

    Raises:
        StartFailedError: a contender does not start, or does not respond.
    """
    starts: list[list[Start]] = [[] for _ in contenders]
    with tempfile.TemporaryDirectory() as folder:
        for index in range(n + 1):
            report(Progress("bench", index, n + 1, "whole cold starts"))
            for position, each in enumerate(contenders):
                start = _start(each, Path(folder) / f"{index}-{position}")
                if index:
                    starts[position].append(start)
    report(Progress("bench", n + 1, n + 1, "whole cold starts"))
    return tuple(
        Figures(each.label, each.archive.stat().st_size, tuple(found))
        for each, found in zip(contenders, starts, strict=True)
    )


def usual_archive(spec: PackageSpec, folder: Path) -> Path:
    """The model of `spec` as it is usually shipped: one .onnx with its weights inside, in a gzip -9 tar.

    Args:
        folder: an existing folder for the archive and its files.

    Raises:
        FindingsError: like `tasks.inspect`.
    """
    source = inspect(spec)
    files = folder / "files"
    files.mkdir()
    onnx.save_model(source.model, str(files / GRAPH))
    about = {"task": spec.task, "canary": write_inputs(files, source), **source.card}
    card = {"schema": CARD_SCHEMA, "graph": GRAPH, "optimise": True, **about}
    (files / CARD).write_text(json.dumps(card), encoding="utf-8")
    return gzipped(files, folder / "model.tar.gz")


def gzipped(files: Path, archive: Path) -> Path:
    """Writes the files of a folder to a gzip -9 tar, like the SageMaker SDK."""
    with (
        gzip.open(archive, "wb", compresslevel=9) as out,
        tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path in sorted(files.iterdir()):
            tar.add(path, path.name)
    return archive


def _start(contender: Contender, into: Path) -> Start:
    how = "checked" if contender.checked else "unchecked"
    ours = sys.executable, "-m", "model_packaging.benchmark.whole_start", str(into), how
    command = (*contender.command, str(into)) if contender.command else ours
    _evict(contender.archive)
    began = time.perf_counter()
    safe_extract(contender.archive, into)
    unpack = round((time.perf_counter() - began) * 1000, 1)
    environment = {**os.environ, "SCALETOZERO_THREADS": "1"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise StartFailedError(f"no result within {TIMEOUT_SECONDS} s") from error
    if done.returncode:
        raise StartFailedError((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
    shutil.rmtree(into)
    said = json.loads(done.stdout.splitlines()[-1])
    phases = {"unpack": unpack, **said["phases"]}
    return Start(phases, round(sum(phases.values()), 1), said["peak_rss_mb"])


def _evict(path: Path) -> None:
    """Removes the file from the page cache, if the system can do that."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
