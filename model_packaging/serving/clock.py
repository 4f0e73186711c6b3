"""Measures this process: the time since its start, the phases of its start, and its peak memory."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path


def since_process_start_ms() -> float:
    """Milliseconds since the kernel started this process (resolution: one clock tick, 10 ms); 0 if /proc is
    missing.
    """
    try:
        after_name = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        started = int(after_name[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, (time.clock_gettime(time.CLOCK_BOOTTIME) - started) * 1000)
    except (OSError, AttributeError, IndexError):
        return 0.0


def peak_rss_mb() -> float:
    """The peak memory of this process, in MB (10^6 bytes).

    From the kernel's high-water mark if there is one: getrusage also counts the parent's memory when it forked.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) * 1024 / 1e6, 1)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


class Phases:
    """Consecutive phases of a start, in milliseconds."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.ms: dict[str, float] = {}

    def end(self, name: str) -> None:
        """Ends the phase `name`, which began at the end of the previous one."""
        now = time.perf_counter()
        self.ms[name] = round((now - self._last) * 1000, 1)
        self._last = now
