"""The time by the ledger's store, which all gateways have in common: their own clocks may be wrong, or be set.

A lease says when it expires, and another gateway may be the one that gives it back; a cap is of a day or a month. Each
answer of the store says what time it is there. Between answers the machine's two clocks go on, and where they disagree
one was set, or the machine was frozen: then neither is believed before the next answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

EXACT = 2.0
"""Seconds by which a clock may differ from an answer, which is in whole seconds and was on its way, and be right."""

APART = 30.0
"""Seconds by which the two clocks may come apart before one of them is taken for having been set."""


class StoreClock:
    """Keeps the time of the store.

    Args:
        wall: seconds since 1970, by the machine.
        steady: seconds that nobody sets, but that may stand still while the machine is frozen.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._steady = wall, steady
        self._offsets: tuple[float, float] | None = None
        self._dated = True
        self._last = ""

    def note(self, date: str | None) -> None:
        """Takes the time from an answer.

        Args:
            date: its header `Date`; one that cannot be read, or none, says nothing.
        """
        if date == self._last and self.sure:
            return
        try:
            told = parsedate_to_datetime(date or "").timestamp()
        except ValueError:
            # A store that never says the time is not asked again and again.
            self._dated = self._offsets is not None
            return
        wall = self._wall()
        now = wall if abs(told - wall) <= EXACT else told
        self._last, self._dated, self._offsets = date or "", True, (now - wall, now - self._steady())

    @property
    def sure(self) -> bool:
        """Whether the time is the store's, or it has none."""
        if self._offsets is None:
            return not self._dated
        wall, steady = self._both(*self._offsets)
        return abs(wall - steady) <= APART

    def seconds(self) -> float:
        """Seconds since 1970: by the store, if it has answered since a clock was set; else by the machine."""
        return self._wall() if self._offsets is None else self._both(*self._offsets)[0]

    def _both(self, wall: float, steady: float) -> tuple[float, float]:
        return self._wall() + wall, self._steady() + steady
