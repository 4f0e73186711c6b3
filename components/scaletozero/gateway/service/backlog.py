"""What requests have cost that the ledger has not been told of, because it did not answer: it is told until it does.

Each settlement is one transaction that happens once, however often it is sent: by its lease, or by its record.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from scaletozero.gateway.ledger.accounts import Account, Lease
from scaletozero.gateway.ledger.ledger import Ledger
from scaletozero.gateway.ledger.outages import NOT_ANSWERED, is_down
from scaletozero.gateway.service.embedded import LOST, counted

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before the second try, doubled for each further one; each wait is a random part of it, half at least."""

KEEPS_SECONDS = 3600.0
"""For which a settlement is tried again."""

MOST_WAITING = 10_000
"""Settlements of a process: a few megabytes."""

log = logging.getLogger("scaletozero.gateway")


@dataclass(frozen=True)
class Settlement:
    """How a request ended.

    Attributes:
        lease: what it held, or would have held.
        used: what it cost, in millionths of a dollar.
        free: whether it reached nothing, or was refused there.
        about: what else its record says.
        accounts: those that it is recorded into if it was admitted without the ledger; None if that has its lease.
    """

    lease: Lease
    used: int
    free: bool
    about: dict[str, str | int | bool]
    accounts: tuple[Account, ...] | None = None

    def write(self, ledger: Ledger) -> bool:
        """Tells the ledger. Returns False if it knew.

        Raises:
            LedgerBusyError, ClientError, BotoCoreError: it did not answer.
        """
        if self.accounts is not None:
            return ledger.record(self.lease, self.accounts, self.used, free=self.free, **self.about)
        if self.free:
            return ledger.release(self.lease, **self.about)
        return ledger.settle(self.lease, self.used, **self.about)

    def line(self, event: str, **more: Any) -> str:
        """A line of log about it."""
        lease = self.lease
        own = {"request": lease.id, "customer": lease.customer, "held": lease.held, "used": self.used}
        return json.dumps({"event": event, **more, **own, **self.about})


class Backlog:
    """The settlements that wait.

    Args:
        write: tells the ledger of one; returns False if it knew, and raises as `Settlement.write`.
        clock: seconds that never run backwards.
        wait: waits for seconds.
    """

    def __init__(
        self,
        write: Callable[[Settlement], Awaitable[bool]],
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._write, self._clock, self._wait = write, clock, wait
        self._waiting: deque[tuple[float, Settlement]] = deque()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, settlement: Settlement, error: str) -> None:
        """Takes a settlement that the ledger did not take. Its line of log has all of it, should the process end."""
        if len(self._waiting) >= MOST_WAITING:
            self._lost(settlement, f"{MOST_WAITING} wait already")
            return
        log.error(settlement.line("not settled", error=error))
        self._waiting.append((self._clock() + KEEPS_SECONDS, settlement))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def flush(self) -> None:
        """Tries each that waits once more, because the process ends."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._all()

    async def _run(self) -> None:
        longest = FIRST_WAIT
        while self._waiting:
            await self._wait(random.uniform(longest / 2, longest))  # noqa: S311 - so that processes do not meet again
            longest = FIRST_WAIT if await self._all() else min(2 * longest, LONGEST_WAIT)

    async def _all(self) -> bool:
        """Tries each that waits, until the ledger is down again. Returns whether it took any."""
        took = False
        for _ in range(len(self._waiting)):
            until, settlement = self._waiting[0]
            try:
                await self._write(settlement)
                took = True
            except NOT_ANSWERED as error:
                if self._clock() < until:
                    self._waiting.append((until, settlement))
                else:
                    self._lost(settlement, str(error))
                if is_down(error):
                    self._waiting.popleft()
                    return took
            self._waiting.popleft()
        return took

    def _lost(self, settlement: Settlement, error: str) -> None:
        target = str(settlement.about.get("target", ""))
        log.error(settlement.line("lost", error=error, **counted(LOST, target, int(time.time() * 1000))))
