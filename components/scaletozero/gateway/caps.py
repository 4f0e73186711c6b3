"""A customer's accounts, from the caps that were declared of it. Pure."""

from __future__ import annotations

from datetime import datetime

from scaletozero.gateway.ledger.accounts import Account, accounts_of
from scaletozero.settings.gateway import Customer
from scaletozero.spending.money import MICRO


def accounts(name: str, customer: Customer, at: datetime) -> tuple[Account, ...]:
    """A customer's accounts at a moment, in UTC. A cap is rounded down, as what counts against it is rounded up."""
    day = None if customer.cap_usd_per_day is None else int(customer.cap_usd_per_day / MICRO)
    return accounts_of(name, day, int(customer.cap_usd_per_month / MICRO), at)
