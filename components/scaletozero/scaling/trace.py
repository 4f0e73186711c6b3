"""Recorded calls: when each call arrived, and how long the model worked on it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, pairwise
from pathlib import Path

from model_packaging.files import readable
from model_packaging.findings import Finding, FindingsError, refuse
from model_packaging.validation import show

SHOWN = 5
"""Maximum number of findings that are shown about one file."""

FIRST, LAST = 0.0, 4_102_444_800.0
"""The times at which a call may have arrived: from 1970 to 2100."""

LONGEST_DAYS = 400
"""Maximum days from the first to the last arrival."""

LONGEST_CALL = 86_400.0
"""Maximum duration of one call, in seconds."""

_TIME = ("timestamp", "time", "ts", "at")
_DURATION = ("duration", "duration_s", "duration_ms", "seconds")


@dataclass(frozen=True)
class Trace:
    """Arrivals in order.

    Attributes:
        starts: seconds since 1970 in UTC, ascending.
        durations: seconds of work, one for each arrival.
        drawn: whether the durations are random because the file has none.
    """

    starts: list[float]
    durations: list[float]
    drawn: bool = False

    @property
    def seconds(self) -> float:
        """From the first arrival to the end of the last call."""
        return max(self.starts[-1] + self.durations[-1] - self.starts[0], 1.0)


def read_trace(path: Path, *, mean_seconds: float, seed: int) -> Trace:
    """Reads CSV with a header, or JSON lines, with `timestamp` (seconds or ISO 8601) and `duration` (seconds) or
    `duration_ms` in every row.

    Args:
        path: the file.
        mean_seconds: the mean of the exponentially distributed random durations, if the file has none.
        seed: the seed of the random durations.

    Raises:
        FindingsError: the file cannot be read, is empty, or has invalid rows.
    """
    try:
        with readable(path).open(encoding="utf-8") as file:
            starts, durations = _parse(path, file)
    except (OSError, UnicodeDecodeError) as error:
        raise refuse(str(path), "must be a readable text file", str(error)) from None
    if not starts:
        raise refuse(str(path), "must contain at least one arrival", "none", "there is nothing to replay")
    if (days := (max(starts) - min(starts)) / 86_400) > LONGEST_DAYS:
        fix = "use a part of it"
        raise refuse(str(path), f"may span at most {LONGEST_DAYS} days", f"{days:,.0f} days", fix=fix)
    drawn = not durations
    if drawn:
        generator = random.Random(seed)  # noqa: S311 - a simulation, no secret
        durations = [generator.expovariate(1 / mean_seconds) for _ in starts]
    if any(later < earlier for earlier, later in pairwise(starts)):
        order = sorted(range(len(starts)), key=starts.__getitem__)
        starts, durations = [starts[i] for i in order], [durations[i] for i in order]
    return Trace(starts, durations, drawn)


def _parse(path: Path, lines: Iterable[str]) -> tuple[list[float], list[float]]:
    numbered = enumerate(lines, 1)
    _, first = next(numbered, (0, ""))
    if first.lstrip().startswith("{"):
        return _collect(path, _json_rows(path, first, numbered))
    header = [name.strip().strip('"').lower() for name in first.strip().split(",")]
    at = next((header.index(name) for name in _TIME if name in header), None)
    if at is None:
        fix = "write a first line `timestamp,duration`"
        raise refuse(f"{path}:1", "must name a column `timestamp`", first.strip()[:60], fix=fix)
    how = next((name for name in _DURATION if name in header), None)
    column = header.index(how) if how else None
    return _collect(path, _csv_rows(numbered, at, column, 0.001 if how == "duration_ms" else 1.0))


Row = tuple[int, object, object, float]
"""Yields the line's number, the time of the call, its duration, and the unit of the duration in seconds."""


def _csv_rows(lines: Iterable[tuple[int, str]], at: int, column: int | None, scale: float) -> Iterator[Row]:
    for number, line in lines:
        if not line.isspace():
            cells = line.split(",")
            short = len(cells) <= max(at, column or 0)
            duration = None if column is None else "" if short else cells[column]
            yield number, "" if short else cells[at], duration, scale


def _json_rows(path: Path, first: str, lines: Iterable[tuple[int, str]]) -> Iterator[Row]:
    for number, line in chain([(1, first)], lines):
        if line.isspace():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise refuse(f"{path}:{number}", "must be one JSON object a line", str(error)) from None
        if not isinstance(row, dict):
            raise refuse(f"{path}:{number}", "must be one JSON object a line", type(row).__name__)
        duration, scale = row.get("duration", row.get("seconds")), 1.0
        if duration is None:
            duration, scale = row.get("duration_ms"), 0.001
        yield number, row.get("timestamp", row.get("time")), duration, scale


def _collect(path: Path, rows: Iterable[Row]) -> tuple[list[float], list[float]]:
    starts: list[float] = []
    durations: list[float] = []
    findings: list[Finding] = []
    for number, at, duration, scale in rows:
        try:
            starts.append(_instant(at))
            if duration is not None:
                seconds = float(duration) * scale  # pyright: ignore[reportArgumentType]
                if not 0 <= seconds <= LONGEST_CALL:
                    raise ValueError(f"a duration of {show(duration)}")
                durations.append(seconds)
        except (TypeError, ValueError, OverflowError) as error:
            rule = "must have a time (seconds or ISO 8601, 1970 to 2100) and a duration from 0 to a day"
            findings.append(Finding(f"{path}:{number}", rule, show(str(error))))
            if len(findings) == SHOWN:
                break
    if findings:
        raise FindingsError(findings)
    if durations and len(durations) != len(starts):
        got = f"{len(durations)} durations for {len(starts)} arrivals"
        raise refuse(str(path), "must have a duration in every row, or in none", got)
    return starts, durations


def _instant(value: object) -> float:
    try:
        seconds = float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        moment = datetime.fromisoformat(str(value).strip().strip('"'))
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not FIRST <= seconds < LAST:
        raise ValueError(f"a time of {show(value)}")
    return seconds
