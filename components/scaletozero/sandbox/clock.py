"""The embedded AWS's clock for metrics, alarms and schedules, which may run faster than this machine's."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

FASTEST = 3600.0
"""The most by which it may be faster: an alarm is evaluated once a minute of it."""


@dataclass(frozen=True)
class Clock:
    """A clock that never goes back, whatever is done to this machine's: AWS's clocks do not follow it either.

    Attributes:
        speed: how many of its seconds pass in one of this machine's.
        origin: where both clocks agree: this machine's time when it was started.
    """

    speed: float = 1.0
    origin: datetime = field(default_factory=lambda: datetime.now(UTC))
    _began: float = field(default_factory=time.monotonic)

    def real(self) -> datetime:
        """This machine's time, as if nobody had set its clock since the start."""
        return self.origin + timedelta(seconds=time.monotonic() - self._began)

    def now(self) -> datetime:
        """Its time."""
        return self.at(self.real())

    def at(self, real: datetime) -> datetime:
        """Its time at a time of this machine, before the start too."""
        return self.origin + (real - self.origin) * self.speed

    def wait(self, seconds: float) -> float:
        """Seconds of this machine in which so many of its own pass."""
        return seconds / self.speed
