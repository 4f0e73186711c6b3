"""The phases of an engine's start, from what it logs. Pure.

Only vLLM logs how long its phases take. The lines, of each worker (vLLM 0.7 to 0.19):

    Loading weights took 3.22 seconds
    torch.compile takes 34.61 s in total
    Graph capturing finished in 31 secs, took 0.45 GiB
    init engine (profile, create kv cache, warmup model) took 47.64 seconds
"""

from __future__ import annotations

import re

_SECONDS = r"([0-9]+(?:\.[0-9]+)?) ?s"
_WEIGHTS = re.compile(rf"Loading weights took {_SECONDS}")
_COMPILE = re.compile(rf"torch\.compile (?:takes|took) {_SECONDS} in total")
_CAPTURE = re.compile(rf"Graph capturing finished in {_SECONDS}")
_INIT = re.compile(rf"init engine (?:\([^)]*\)\s*)?took {_SECONDS}")

LOG_BYTES = 2**20
"""Bytes of a log that are read, from its begin: an engine's start is a few hundred lines."""


def engine_phases(log: str, load: float) -> dict[str, float]:
    """Phase -> seconds, of an engine that logs them; empty for any other. They add up to `load`.

    Args:
        log: the begin of its log.
        load: seconds from the container's start until it was ready.

    Returns:
        `process` until its weights are read, and whatever else no line is about; `weights`; `compile` by torch.compile;
        `capture` of CUDA graphs; `warm-up`: the profiling, the KV cache and what else `init engine` includes. Of
        several workers the slowest, because the engine waits for it. Empty too if they are longer than `load`: then
        they are not of this start.
    """
    found = {"weights": _slowest(_WEIGHTS, log), "compile": _slowest(_COMPILE, log), "capture": _slowest(_CAPTURE, log)}
    known = {phase: seconds for phase, seconds in found.items() if seconds is not None}
    init = _slowest(_INIT, log)
    inside = known.get("compile", 0.0) + known.get("capture", 0.0)
    if init is not None:
        # Captures are logged in whole seconds.
        known["warm-up"] = max(0.0, init - inside)
    rest = load - sum(known.values())
    if not known or rest < -1:
        return {}
    return {"process": round(max(0.0, rest), 3), **{phase: round(seconds, 3) for phase, seconds in known.items()}}


def _slowest(line: re.Pattern[str], log: str) -> float | None:
    return max((float(each[1]) for each in line.finditer(log)), default=None)
