"""The words of the ledger: accounts with a cap, what a request holds of them, and how it ended. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Micros = int
"""Millionths of a US dollar."""


HIT = "hit"
"""What the record of a request says under `cache` that got an answer that was kept."""


NOTHING_USED = frozenset(("released", "expired"))
"""Outcomes of requests that used nothing, or of which nobody knows what they used."""

KEPT_SECONDS = 400 * 86_400
"""How long a record of usage is kept: a year and a month, so that a year's bill can be explained."""


@dataclass(frozen=True)
class Account:
    """What a customer may spend in one calendar period, in UTC.

    Attributes:
        customer: its name.
        period: `D#2026-11-28` or `M#2026-11`.
        cap: the declared cap.
    """

    customer: str
    period: str
    cap: Micros


@dataclass(frozen=True)
class Balance:
    """An account's figures; `cap == remaining + held + spent`, always.

    Attributes:
        cap: the cap that it was opened with, or raised or lowered to.
        remaining: what can still be held; negative where a cap was lowered, or an answer cost more than it held.
        held: what requests that have not ended hold.
        spent: what requests that ended have cost.
        cached: how many requests got an answer that was kept.
    """

    cap: Micros
    remaining: Micros
    held: Micros
    spent: Micros
    cached: int = 0


@dataclass(frozen=True)
class Lease:
    """What one request holds until it ends.

    Attributes:
        id: the request's, 32 hexadecimal digits.
        customer: who pays.
        periods: the periods of the accounts that it holds from: it is settled into these, even if a month has ended.
        held: the most that it may cost.
        expires: when it is given back if the request never ends, in seconds since 1970.
    """

    id: str
    customer: str
    periods: tuple[str, ...]
    held: Micros
    expires: int


@dataclass(frozen=True)
class Usage:
    """How a request ended.

    Attributes:
        used: what it cost.
        outcome: `settled`, `released` (nothing was used) or `expired` (it never ended).
        at: when, in seconds since 1970.
        about: what else the record says: model, tokens, price's source. Strings, numbers and booleans.
    """

    used: Micros
    outcome: str
    at: int
    about: Mapping[str, str | int | bool] = field(default_factory=dict)

    @property
    def cached(self) -> bool:
        """Whether it got an answer that was kept."""
        return self.about.get("cache") == HIT


def accounts_of(customer: str, per_day: Micros | None, per_month: Micros, at: datetime) -> tuple[Account, ...]:
    """A customer's accounts at a moment.

    Args:
        per_day: its cap of a day in UTC; None if it has none.
        per_month: its cap of a calendar month in UTC.
        at: the moment, in UTC.
    """
    month = Account(customer, f"M#{at:%Y-%m}", per_month)
    return (month,) if per_day is None else (Account(customer, f"D#{at:%Y-%m-%d}", per_day), month)


class ConflictError(Exception):
    """Another transaction was in the way, or the store is too busy: nothing was changed, and trying again helps."""


class NotOpenError(Exception):
    """An account has no item yet, or one with another cap.

    Attributes:
        found: account -> its cap in the store; None where there is no item.
    """

    def __init__(self, found: Mapping[Account, Micros | None]) -> None:
        super().__init__(", ".join(each.period for each in found))
        self.found = dict(found)


class CapReachedError(Exception):
    """A cap does not leave what the request could cost. Nothing was held.

    Attributes:
        account: whose.
        balance: its figures.
    """

    def __init__(self, account: Account, balance: Balance) -> None:
        super().__init__(account.period)
        self.account, self.balance = account, balance
