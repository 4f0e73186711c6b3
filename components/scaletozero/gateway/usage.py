"""What customers' requests did, from the records of the ledger: by customer, target and day, and one by one. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from scaletozero.gateway.ledger.accounts import HIT, NOTHING_USED
from scaletozero.observability.showback import CustomerWork


def works_of(records: Iterable[tuple[str, Mapping[str, Any]]]) -> list[CustomerWork]:
    """The work for each customer at each target on each day.

    Requests that were refused, or of which nobody knows what became of them, are in none. A request for which several
    targets were asked counts at each that may have worked on it, as it does in the ledger.

    Args:
        records: a customer's name, and what the ledger recorded of a request of its.
    """
    found: dict[tuple[str, str | None, date, bool], CustomerWork] = {}
    for customer, record in records:
        if record["outcome"] in NOTHING_USED:
            continue
        each = _work(customer, record)
        key = customer, each.target, each.day, each.api
        before = found.get(key)
        found[key] = each if before is None else _sum(before, each)
    return [found[key] for key in sorted(found, key=str)]


def line_of(customer: str, record: Mapping[str, Any]) -> str:
    """A request as a line of JSON: who, when, how it ended, what it cost in millionths of a dollar, and what else the
    ledger recorded: target, tokens or time, the cache, and the row of its price.

    Args:
        record: what the ledger recorded. Its key is the request's id; sums of customers that were deleted have a name.
    """
    own = {"pk", "sk", "ttl", "at"}
    at = datetime.fromtimestamp(record["at"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {name: each for name, each in sorted(record.items()) if name not in own}
    return json.dumps({"id": record["sk"], "customer": customer, "at": at, **about}) + "\n"


def _work(customer: str, record: Mapping[str, Any]) -> CustomerWork:
    day, used = datetime.fromtimestamp(record["at"], UTC).date(), record["used"]
    if record.get("cache") == HIT:
        return CustomerWork(customer, None, day, record.get("requests", 1), micros=used)
    target, api = record.get("asked", record.get("target")), "priced_as" in record
    # A try that failed has no time of its own; an API's host and model have a slash, which no endpoint has.
    api = api or "/" in str(target)
    took = 0 if api else record.get("milliseconds", record.get("total_milliseconds", 0))
    tokens = record.get("input_tokens", 0) + record.get("output_tokens", 0)
    return CustomerWork(customer, target, day, record.get("requests", 1), Decimal(took) / 1000, tokens, used, api)


def _sum(one: CustomerWork, other: CustomerWork) -> CustomerWork:
    return replace(
        one,
        requests=one.requests + other.requests,
        seconds=one.seconds + other.seconds,
        tokens=one.tokens + other.tokens,
        micros=one.micros + other.micros,
    )
