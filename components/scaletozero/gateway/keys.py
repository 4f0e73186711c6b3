"""Keys of customers: random, shown once, kept as hashes, compared in constant time. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import date

from scaletozero.settings.gateway import Customer

PREFIX = "stz-"
"""What a key begins with, by which scanners find one that was published."""

RANDOM_BYTES = 32
"""Of a key: as many as its hash has, so that a hash without salt and without work says nothing about it."""

_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


def new_key() -> str:
    """A new key. Only its hash is to be kept."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def key_hash(key: str) -> str:
    """The hash of a key, as an environment declares it."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


class RefusedKeyError(Exception):
    """A key that is not accepted; the text says why, to its holder."""


class KeyRing:
    """Finds the customer of a key.

    Args:
        customers: name -> what was declared.
    """

    def __init__(self, customers: Mapping[str, Customer]) -> None:
        self._customers = dict(customers)
        self._owners = [(key.encode(), name) for name, each in customers.items() for key in each.keys]

    def customer(self, key: str | None, today: date) -> str:
        """The name of the customer whose key it is.

        Args:
            key: what the caller sent.
            today: the day in UTC.

        Raises:
            RefusedKeyError: nobody's, or its customer is disabled or expired.
        """
        if not key:
            raise RefusedKeyError("No key was sent. Send it as `Authorization: Bearer <key>`, or as `x-api-key`.")
        # Every hash is compared, so that the time says nothing about which one is near.
        asked, found = key_hash(key).encode() if _FORM.fullmatch(key) else b"", None
        for known, name in self._owners:
            if hmac.compare_digest(known, asked):
                found = name
        if found is None:
            raise RefusedKeyError("The key is not one of this environment's.")
        customer = self._customers[found]
        if customer.disabled:
            raise RefusedKeyError("The key is disabled.")
        if customer.expires is not None and today > customer.expires:
            raise RefusedKeyError(f"The key expired on {customer.expires.isoformat()}.")
        return found
