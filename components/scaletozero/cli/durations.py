"""Durations as they are written on the command line: `90s`, `30m`, `24h`, `7d`."""

from __future__ import annotations

import re

from model_packaging.findings import refuse

_WRITTEN = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(option: str, written: str, *, longest: int) -> int:
    """The seconds of a duration.

    Args:
        option: the option, for the finding.
        written: its value.
        longest: the most seconds that it may be.

    Raises:
        FindingsError: it is no duration, zero, or too long.
    """
    match = _WRITTEN.fullmatch(written.strip())
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 0 < seconds <= longest:
        rule = f"must be a duration of at most {longest // 86_400} days"
        raise refuse(option, rule, written[:100], "nothing was begun", "write a number and a unit: 90s, 30m, 24h or 7d")
    return seconds
