"""Deletes what the ledger has of a customer, and keeps sums of what it used that do not name it.

Each step is one transaction, which deletes records and adds them to the sums: what is interrupted is neither lost nor
counted twice, and goes on when it is asked for again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scaletozero.gateway.ledger.accounts import HIT, KEPT_SECONDS, NOTHING_USED, Lease

OF_THE_DELETED = "(deleted)"
"""Whose the sums are; no customer can have that name."""

AT_ONCE = 45
"""Records of a transaction: with as many sums it has less than the 100 items that DynamoDB allows."""

SUMMED = ("used", "milliseconds", "input_tokens", "output_tokens", "cached_tokens")
_KEPT = ("target", "asked", "cache", "price", "priced_as")


class OpenError(Exception):
    """Requests of the customer are still open: what they cost would be settled into what was deleted.

    Attributes:
        leases: what they hold.
    """

    def __init__(self, leases: Sequence[Lease]) -> None:
        super().__init__(f"{len(leases)} open")
        self.leases = tuple(leases)


@dataclass(frozen=True)
class Sums:
    """What several records amount to, by day and target.

    Attributes:
        key: the sort key of their item.
        same: what they have in common.
        numbers: field -> what is added to it.
    """

    key: str
    same: Mapping[str, str | int]
    numbers: Mapping[str, int]


def sums_of(records: Sequence[Mapping[str, Any]]) -> list[Sums]:
    """The sums of records of requests that used something; without ids, times of day and names. Pure."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        if record["outcome"] not in NOTHING_USED:
            groups.setdefault(_key(record), []).append(record)
    return [_sum(key, group) for key, group in sorted(groups.items())]


def _day(record: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(record["at"], UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _key(record: Mapping[str, Any]) -> str:
    where = "kept" if record.get("cache") == HIT else record.get("asked", "")
    return f"{_day(record):%Y-%m-%d}#{where}#{record.get('target', '')}#{record.get('priced_as', '')}"


def _sum(key: str, records: Sequence[Mapping[str, Any]]) -> Sums:
    first = records[0]
    numbers = {name: sum(_number(each, name) for each in records) for name in SUMMED}
    same = {name: first[name] for name in _KEPT if name in first and (name != "cache" or first[name] == HIT)}
    at = int(_day(first).timestamp())
    own = {"outcome": "settled", "at": at, "ttl": at + 86_400 + KEPT_SECONDS}
    return Sums(key, {**same, **own}, {**numbers, "requests": len(records)})


def _number(record: Mapping[str, Any], name: str) -> int:
    """A record's number. A try that failed has no time of its own, and is counted by the whole of it, as before."""
    fallback = record.get("total_milliseconds", 0) if name == "milliseconds" and record.get("cache") != HIT else 0
    return int(record.get(name, fallback))
