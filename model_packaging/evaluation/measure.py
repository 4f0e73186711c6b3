"""Measures a model in a new process: milliseconds of each phase of its start, and memory."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from model_packaging.artifact.manifest import Environment
from model_packaging.findings import refuse
from model_packaging.serving.limits import MEMORY_MB, START_SECONDS

TIMEOUT_SECONDS = START_SECONDS
HEADROOM = 1.3  # over the measured peak: allocators fragment, and the platform counts the page cache of mapped weights


class StartFailedError(RuntimeError):
    """A new process could not serve the model; the text is the end of its log."""


class NotReadyError(StartFailedError):
    """The process ran out of time, was killed or crashed before it judged the model; another attempt may succeed."""


@dataclass(frozen=True)
class Start:
    """The start of a new process: milliseconds per phase, their sum, and its peak memory in MB (10^6 bytes)."""

    phases: dict[str, float]
    total_ms: float
    peak_rss_mb: float


def start_once(folder: Path, *, threads: int = 1, largest: bool = False) -> Start:
    """Starts `python -m model_packaging.serving check` on the model in `folder`; `largest` also serves the
    largest request.

    Raises:
        StartFailedError: the model cannot be served; `NotReadyError`: it was not ready within three minutes, or
            ended without a message about the model.
    """
    command = [sys.executable, "-m", "model_packaging.serving", "check", *(["--largest"] if largest else [])]
    environment = {**os.environ, "SM_MODEL_DIR": str(folder), "SCALETOZERO_THREADS": str(threads)}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NotReadyError(f"not ready within {TIMEOUT_SECONDS} s") from error
    if done.returncode:
        words = (done.stderr.strip().splitlines() or [""])[-1]
        if done.returncode < 0 or not words.startswith("model_packaging.serving: "):
            raise NotReadyError(words or f"exit status {done.returncode}")
        raise StartFailedError(words)
    said = json.loads(done.stdout.splitlines()[-1])
    return Start(said["phases"], round(sum(said["phases"].values()), 1), said["peak_rss_mb"])


def median_start(starts: Sequence[Start]) -> Start:
    """The medians of each phase, of the totals and of the peaks."""
    phases = {name: round(statistics.median(each.phases[name] for each in starts), 1) for name in starts[0].phases}
    return Start(
        phases,
        round(statistics.median(each.total_ms for each in starts), 1),
        round(statistics.median(each.peak_rss_mb for each in starts), 1),
    )


def recommended_mb(peak_rss_mb: float) -> int:
    """The smallest memory size of a SageMaker serverless endpoint (MB) that has 1.3 times the measured peak.

    Raises:
        FindingsError: no size has.
    """
    needed = HEADROOM * peak_rss_mb * 1e6 / 2**20
    for offered in MEMORY_MB:
        if needed <= offered:
            return offered
    raise refuse(
        "memory",
        f"a serverless endpoint has at most {MEMORY_MB[-1]} MB",
        f"{needed:.0f} MB",
        "the largest request would end the process",
        "package a smaller model, or reduce `max_length`",
    )


def environment() -> Environment:
    """This machine and its libraries."""
    name, flags = platform.processor() or platform.machine(), ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        rows = dict(
            [part.strip() for part in line.split(":", 1)]
            for line in info.read_text(encoding="utf-8").splitlines()
            if ":" in line
        )
        name, flags = rows.get("model name", name), rows.get("flags", "")
    return Environment(
        cpu=name,
        cpus=os.cpu_count() or 1,
        vnni="vnni" in flags,
        python=platform.python_version(),
        onnxruntime=version("onnxruntime"),
        onnx=version("onnx"),
        tokenizers=version("tokenizers"),
    )
