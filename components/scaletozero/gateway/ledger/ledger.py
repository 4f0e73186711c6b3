"""Reserve, then settle: a request holds the most that it may cost before it is sent, and then gives the rest back."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from scaletozero.gateway.ledger.accounts import (
    Account,
    Balance,
    CapReachedError,
    ConflictError,
    Lease,
    NotOpenError,
    Usage,
)
from scaletozero.gateway.ledger.clock import StoreClock

T = TypeVar("T")

FIRST_WAIT, LONGEST_WAIT = 0.005, 0.2
"""Seconds before the second try of a transaction, doubled for each further one; each wait is a random part of it."""


class LedgerBusyError(Exception):
    """The store was in conflict or throttled until the deadline. Whether an open lease remains is said by the store."""


class Store(Protocol):
    """Where accounts, leases and usage are. Each method is one transaction: all of it happens, or nothing.

    Every method raises ConflictError if another transaction was in the way.
    """

    @property
    def clock(self) -> StoreClock:
        """Keeps the store's time."""
        ...

    def now(self) -> float:
        """Seconds since 1970 by the store, which is asked if that is not known."""
        ...

    def open(self, account: Account) -> None:
        """Creates an account from its cap; nothing changes if it exists."""
        ...

    def change_cap(self, account: Account, before: int) -> None:
        """Adds the difference between the declared cap and `before` to an account whose cap is still `before`."""
        ...

    def hold(self, lease: Lease, accounts: Iterable[Account]) -> None:
        """Takes a lease from what remains of every account.

        Raises:
            NotOpenError: an account has to be opened, or its cap changed, first.
            CapReachedError: an account does not have that much left.
        """
        ...

    def finish(self, lease: Lease, usage: Usage) -> bool:
        """Ends a lease and records its usage. Returns False, and changes nothing, if it has ended already."""
        ...

    def finish_late(self, lease: Lease, usage: Usage) -> bool:
        """Records the usage of a lease that had expired. Returns False if it did not expire, or was recorded before."""
        ...

    def record(self, lease: Lease, accounts: Iterable[Account], usage: Usage) -> bool:
        """Records the usage of a request that never held anything. Returns False if it was recorded before.

        Raises:
            NotOpenError: an account has to be opened first.
        """
        ...

    def leases(self, customer: str) -> list[Lease]:
        """A customer's open leases, those that expire first at the front."""
        ...

    def balance(self, customer: str, period: str) -> Balance | None:
        """An account's figures; None if it is not open."""
        ...


class Ledger:
    """Holds requests to their customers' caps.

    Args:
        store: where it is kept.
        patience: seconds for which a transaction in conflict is tried again.
        clock: seconds since 1970. Default: by the store.
        sleep: waits; for tests.
    """

    def __init__(
        self,
        store: Store,
        *,
        patience: float = 5.0,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store, self._patience, self._clock, self._sleep = store, patience, clock or store.now, sleep
        self._quiet: dict[str, float] = {}

    def now(self) -> datetime:
        """The time in UTC, which the store may be asked for."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def last_known(self) -> datetime:
        """The time in UTC, for what cannot wait for the store."""
        return datetime.fromtimestamp(self._store.clock.seconds(), UTC)

    def reserve(self, request: str, accounts: tuple[Account, ...], most: int, seconds: float) -> Lease:
        """Holds the most that a request may cost.

        Args:
            request: its id, 32 hexadecimal digits.
            accounts: the customer's.
            most: in millionths of a dollar.
            seconds: after which the lease expires: more than the request can take.

        Raises:
            CapReachedError: a cap does not leave that much.
            LedgerBusyError: the store was in conflict until the deadline; nothing is held.
        """
        expires = int(self._clock() + seconds) + 1
        lease = Lease(request, accounts[0].customer, tuple(each.period for each in accounts), most, expires)

        def attempt() -> Lease:
            with self._opening():
                self._store.hold(lease, accounts)
            return lease

        return self._again(attempt)

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        """Opens accounts that are missing, or changes their caps, for another try."""
        try:
            yield
        except NotOpenError as missing:
            for account, cap in missing.found.items():
                self._store.open(account) if cap is None else self._store.change_cap(account, cap)
            raise ConflictError(f"opening {missing}") from None

    def settle(self, lease: Lease, used: int, **about: str | int | bool) -> bool:
        """Ends a request with what it cost, which may be more than it held; the rest is given back.

        Returns:
            Whether this call recorded it; a second one for the same lease records nothing.

        Raises:
            LedgerBusyError: the store was in conflict until the deadline; the lease stays open, and will expire.
        """
        usage = Usage(used, "settled", int(self._clock()), about)
        return self._again(lambda: self._store.finish(lease, usage) or self._store.finish_late(lease, usage))

    def release(self, lease: Lease, **about: str | int | bool) -> bool:
        """Ends a request that cost nothing. Returns and raises as `settle`."""
        usage = Usage(0, "released", int(self._clock()), about)
        return self._again(lambda: self._store.finish(lease, usage))

    def record(
        self, lease: Lease, accounts: tuple[Account, ...], used: int, *, free: bool, **about: str | int | bool
    ) -> bool:
        """Records what a request has cost that was admitted without the store, even if that exceeds a cap.

        Args:
            lease: what it would have held.
            accounts: of the lease's periods.
            used: what it cost.
            free: whether it reached nothing.
            about: as of `settle`; returns and raises as that.
        """
        usage = Usage(used, "released" if free else "settled", int(self._clock()), about)

        def attempt() -> bool:
            with self._opening():
                return self._store.record(lease, accounts, usage)

        return self._again(attempt)

    def expire(self, customer: str, shortest: float = 0) -> int:
        """Gives back what requests held that never ended, and returns how many those were, also where another gateway
        was quicker. A request that ends after all is recorded then, even if that exceeds the cap.

        Args:
            shortest: the seconds that every lease of this customer lasts at least. The store is not asked again before
                the next one can have expired: at a cap each request would ask.
        """
        now = self._clock()
        if now < self._quiet.get(customer, 0):
            return 0
        usage, leases = Usage(0, "expired", int(now)), self._store.leases(customer)
        over = [each for each in leases if each.expires < now]
        for lease in over:
            self._again(lambda lease=lease: self._store.finish(lease, usage))
        self._quiet[customer] = min([now + shortest, *(each.expires for each in leases[len(over) :])])
        return len(over)

    def balances(self, accounts: Iterable[Account]) -> list[tuple[Account, Balance]]:
        """The figures of accounts; one that nothing was spent of yet has its whole cap."""
        found = ((each, self._store.balance(each.customer, each.period)) for each in accounts)
        return [(account, balance or Balance(account.cap, account.cap, 0, 0)) for account, balance in found]

    def _again(self, attempt: Callable[[], T]) -> T:
        deadline, longest = time.monotonic() + self._patience, FIRST_WAIT
        while True:
            try:
                return attempt()
            except ConflictError as conflict:
                if time.monotonic() >= deadline:
                    raise LedgerBusyError(str(conflict)) from conflict
                self._sleep(random.uniform(0, longest))  # noqa: S311 - so that two do not meet again
                longest = min(2 * longest, LONGEST_WAIT)


__all__ = ["CapReachedError", "Ledger", "LedgerBusyError", "Store"]
