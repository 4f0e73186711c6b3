"""What is admitted while the ledger does not answer: nothing, or as much, and for as long, as was declared.

A process counts for itself, in memory. What it admits is recorded in the ledger afterwards, beyond the caps if need be.
So the bound is of what has been admitted in a day: an outage that comes and goes admits no more than one that stays.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from scaletozero.gateway.ledger.accounts import Account, Balance, CapReachedError, Lease
from scaletozero.settings.gateway_ledger import LedgerDown
from scaletozero.spending.money import MICRO

HOUR, DAY_HOURS = 3600.0, 24
PAUSE_SECONDS = 5.0
"""For which the ledger is not asked once it has not answered; then one request asks it, and waits for it."""

PROBE_SECONDS = 30.0
"""After which a request that asks it is no longer waited for: more than all tries of a call may take."""


class Leeway:
    """Counts what is admitted without the ledger.

    Args:
        declared: the bounds; None if nothing is admitted.
        clock: seconds that never run backwards.
    """

    def __init__(self, declared: LedgerDown | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._most = 0 if declared is None else int(Decimal(declared.usd) / MICRO)
        self._seconds = 0 if declared is None else declared.seconds
        self._since: float | None = None
        self._asked_at = 0.0
        self._open: dict[str, tuple[str, int]] = {}
        self._ended: Counter[tuple[int, str]] = Counter()
        self._reached: dict[str, tuple[Account, Balance]] = {}

    @property
    def open(self) -> bool:
        """Whether requests may be admitted without the ledger now."""
        return self._since is not None and self._clock() - self._since < self._seconds

    def skips(self) -> bool:
        """Whether a request is not to wait for the ledger, because it has not answered a moment ago."""
        if not self.open:
            return False
        now = self._clock()
        if now < self._asked_at:
            return True
        self._asked_at = now + PROBE_SECONDS
        return False

    def failed(self) -> None:
        """The ledger did not answer."""
        now = self._clock()
        self._since = now if self._since is None else self._since
        self._asked_at = now + PAUSE_SECONDS

    def answered(self) -> None:
        """The ledger answered."""
        self._since = None

    def reached(self, customer: str, reached: CapReachedError | None) -> None:
        """What the ledger said last of a customer: that a cap was reached, or (None) that it was not."""
        if reached is None:
            self._reached.pop(customer, None)
        else:
            self._reached[customer] = reached.account, reached.balance

    def admit(self, accounts: tuple[Account, ...], most: int, expires: int) -> Lease | None:
        """Admits a request without the ledger; None if the bounds leave no room.

        Args:
            accounts: the customer's.
            most: what it may cost, in millionths of a dollar.
            expires: when it has surely ended, in seconds since 1970.

        Raises:
            CapReachedError: the ledger has said of a cap of this period that it leaves less.
        """
        customer = accounts[0].customer
        if not self.open:
            return None
        account, balance = self._reached.get(customer, (None, None))
        if account in accounts and balance is not None and most > balance.remaining:
            raise CapReachedError(account, balance)  # pyright: ignore[reportArgumentType]
        if most > self._most - self._admitted() or most > min(each.cap for each in accounts) - self._admitted(customer):
            return None
        # An id of its own: what the ledger was asked to hold may still arrive there, and then expires.
        lease = Lease(secrets.token_hex(16), customer, tuple(each.period for each in accounts), most, expires)
        self._open[lease.id] = customer, most
        return lease

    def ended(self, lease: Lease, used: int) -> None:
        """A request that was admitted so has ended, and has cost so much."""
        if self._open.pop(lease.id, None) is not None:
            self._ended[self._hour(), lease.customer] += used

    def _hour(self) -> int:
        return int(self._clock() // HOUR)

    def _admitted(self, customer: str | None = None) -> int:
        """What was admitted in the last 24 hours and the one that has begun, of all customers or of one."""
        for key in [key for key in self._ended if key[0] < self._hour() - DAY_HOURS]:
            del self._ended[key]
        ended = sum(used for (_, name), used in self._ended.items() if customer in (None, name))
        return ended + sum(most for name, most in self._open.values() if customer in (None, name))
