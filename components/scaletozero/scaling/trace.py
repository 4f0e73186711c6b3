"""Recorded arrivals: when each call came, and how long the model worked on it."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, pairwise
from pathlib import Path

from model_packaging.findings import Finding, FindingsError, refuse

SHOWN = 5
"""Findings of one file that are told; a file that is wrong everywhere says the same thing over and over."""

_TIME = ("timestamp", "time", "ts", "at")
_DURATION = ("duration", "duration_s", "duration_ms", "seconds")


@dataclass(frozen=True)
class Trace:
    """Arrivals in order.

    Attributes:
        starts: seconds since 1970 in UTC, ascending.
        durations: seconds of work for each, as many.
        drawn: whether the durations were drawn because the file had none.
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
        mean_seconds: durations are drawn around this mean, exponentially, where the file has none.
        seed: of those draws.

    Raises:
        FindingsError: the file cannot be read, is empty, or has rows that are no arrivals.
    """
    try:
        with path.open(encoding="utf-8") as file:
            starts, durations = _parse(path, file)
    except (OSError, UnicodeDecodeError) as error:
        raise refuse(str(path), "must be a readable text file", str(error)) from None
    if not starts:
        raise refuse(str(path), "must hold at least one arrival", "none", "there is nothing to replay")
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
        return _collect(path, _json_rows(path, first, numbered), 1.0)
    header = [name.strip().strip('"').lower() for name in first.strip().split(",")]
    at = next((header.index(name) for name in _TIME if name in header), None)
    if at is None:
        fix = "write a first line `timestamp,duration`"
        raise refuse(f"{path}:1", "must name a column `timestamp`", first.strip()[:60], fix=fix)
    how = next((name for name in _DURATION if name in header), None)
    column = header.index(how) if how else None
    return _collect(path, _csv_rows(numbered, at, column), 0.001 if how == "duration_ms" else 1.0)


def _csv_rows(lines: Iterable[tuple[int, str]], at: int, column: int | None) -> Iterator[tuple[int, str, str | None]]:
    for number, line in lines:
        if not line.isspace():
            cells = line.split(",")
            short = len(cells) <= max(at, column or 0)
            yield number, "" if short else cells[at], None if column is None else "" if short else cells[column]


def _json_rows(path: Path, first: str, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, object, object]]:
    for number, line in chain([(1, first)], lines):
        if line.isspace():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise refuse(f"{path}:{number}", "must be one JSON object a line", str(error)) from None
        if not isinstance(row, dict):
            raise refuse(f"{path}:{number}", "must be one JSON object a line", type(row).__name__)
        duration = row.get("duration", row.get("seconds"))
        if duration is None and row.get("duration_ms") is not None:
            duration = float(row["duration_ms"]) / 1000
        yield number, row.get("timestamp", row.get("time")), duration


def _collect(path: Path, rows: Iterable[tuple[int, object, object]], scale: float) -> tuple[list[float], list[float]]:
    starts: list[float] = []
    durations: list[float] = []
    findings: list[Finding] = []
    for number, at, duration in rows:
        try:
            starts.append(_instant(at))
            if duration is not None:
                seconds = float(duration) * scale  # pyright: ignore[reportArgumentType]
                if not 0 <= seconds < math.inf:
                    raise ValueError(f"a duration of {duration}")
                durations.append(seconds)
        except (TypeError, ValueError) as error:
            rule = "must have a time (seconds or ISO 8601) and a duration of 0 or more"
            findings.append(Finding(f"{path}:{number}", rule, str(error)))
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
    if not math.isfinite(seconds):
        raise ValueError(f"a time of {value}")
    return seconds
