"""Recorded calls from metrics that count them by minute, for `advise` in place of a trace of single calls. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model_packaging.findings import refuse
from scaletozero.scaling.trace import LONGEST_CALL, Trace

MINUTE = 60.0

MOST_CALLS = 10_000_000
"""Most calls that are replayed."""

Points = Sequence[tuple[float, float]]
"""The begin of each minute that has a value, in seconds since 1970, and the value."""


@dataclass(frozen=True)
class Counted:
    """What metrics say of an endpoint's calls.

    Attributes:
        done: how many calls each minute ended.
        seconds: the mean time that the model worked on one of them, in seconds.
        waiting: how many were waiting or in work at the minute's end; empty if the calls are counted as they arrive.
    """

    done: Points
    seconds: Points
    waiting: Points = ()


def trace_of(counted: Counted, source: str, *, mean_seconds: float | None, seed: int) -> Trace:
    """The calls: as many as were counted in each minute, at random moments of it.

    Args:
        counted: the metrics.
        source: where they are from, for findings.
        mean_seconds: how long a call takes where no metric says it; None if nothing does.
        seed: of the moments within a minute.

    Raises:
        FindingsError: there were no calls, too many, or nothing says how long they take.
    """
    arrived = arrivals(counted)
    calls = sum(arrived.values())
    if not calls:
        fix = "read a longer time with --past, or record a trace"
        raise refuse(source, "must have counted at least one call", "none", "there is nothing to replay", fix)
    if calls > MOST_CALLS:
        rule = f"may have counted at most {MOST_CALLS:,} calls"
        raise refuse(source, rule, f"{calls:,}", "the replay would take minutes", "read a shorter time with --past")
    known = {at: value for at, value in counted.seconds if 0 <= value <= LONGEST_CALL}
    mean = sum(known.values()) / len(known) if known else mean_seconds
    if mean is None:
        then, fix = "how many instances they need is not known", "record a trace with a column `duration`"
        raise refuse(source, "must say how long a call takes", "nothing", then, fix)
    chance = random.Random(seed)  # noqa: S311 - a simulation, no secret
    starts: list[float] = []
    durations: list[float] = []
    for at, count in sorted(arrived.items()):
        starts += sorted(at + chance.random() * MINUTE for _ in range(count))
        durations += [known.get(at, mean)] * count
    return Trace(starts, durations, drawn=True)


def arrivals(counted: Counted) -> dict[float, int]:
    """Minute -> calls that arrived in it: those that ended, and by how many those that wait have become more.

    Counts are whole: what a rate has beyond, or has too much, is carried into the next minute.
    """
    waiting = dict(counted.waiting)
    found: dict[float, int] = {}
    before = rest = 0.0
    for at, done in _every_minute(counted.done, waiting):
        now = waiting.get(at, 0.0)
        rest += done + now - before
        before = now
        if (count := int(rest + 1e-6)) > 0:
            found[at] = count
            rest -= count
    return found


def _every_minute(done: Points, waiting: Mapping[float, float]) -> list[tuple[float, float]]:
    ended = dict(done)
    return [(at, ended.get(at, 0.0)) for at in sorted({*ended, *waiting})]
