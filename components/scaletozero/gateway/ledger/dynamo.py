"""The ledger's store on DynamoDB: every change is one transaction of conditional writes.

Items by partition and sort key: `A#<customer>`, `<period>` an account; `L#<customer>`, `<expires>#<id>` an open lease;
`U#<customer>`, `<id>` the record of a request that ended. Limits: 100 items a transaction, each billed as two writes
(DynamoDB developer guide, transactions).
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from scaletozero.gateway.ledger.accounts import (
    KEPT_SECONDS,
    Account,
    Balance,
    CapReachedError,
    ConflictError,
    Lease,
    NotOpenError,
    Usage,
)
from scaletozero.gateway.ledger.bodies import BodyStore
from scaletozero.gateway.ledger.clock import StoreClock
from scaletozero.gateway.ledger.forgetting import AT_ONCE, OF_THE_DELETED, OpenError, Sums, sums_of
from scaletozero.gateway.tables import create_table

_BUSY = frozenset(
    (
        "ItemCollectionSizeLimitExceededException", "LimitExceededException", "ProvisionedThroughputExceededException",
        "RequestLimitExceeded", "ThrottlingException", "TransactionConflictException", "TransactionInProgressException",
    )
)  # fmt: skip
_BUSY_REASONS = frozenset(("TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"))
_TAKE = "SET remaining = remaining - :held, held = held + :held"
_GIVE = "SET remaining = remaining + :back, held = held - :held ADD spent :used, cached :cached"
_LATE = "SET remaining = remaining - :used ADD spent :used, cached :cached"


class DynamoStore:
    """The ledger's items in one table, whose keys are the strings `pk` and `sk`.

    Args:
        client: a boto3 client of DynamoDB; used from several threads at once.
        table: the table's name.
        clock: keeps the time of the store.
    """

    def __init__(self, client: Any, table: str, clock: StoreClock | None = None) -> None:
        self._client, self._table, self.clock = client, table, clock or StoreClock()
        client.meta.events.register("response-received.dynamodb", self._heard)

    def _heard(self, response_dict: Mapping[str, Any] | None = None, **_: Any) -> None:
        if response_dict is not None:
            self.clock.note(response_dict["headers"].get("date"))

    def now(self) -> float:
        if not self.clock.sure:
            self._client.get_item(TableName=self._table, Key=_account("", "now"))
        return self.clock.seconds()

    def create_table(self) -> None:
        """Creates the table if it does not exist, and waits until it can be used."""
        create_table(self._client, self._table, pk="HASH", sk="RANGE")

    def open(self, account: Account) -> None:
        item = {"cap": account.cap, "remaining": account.cap, "held": 0, "spent": 0}
        self._transact([self._put(_account(account.customer, account.period), item)], None)

    def change_cap(self, account: Account, before: int) -> None:
        values = {"by": account.cap - before, "before": before}
        change = "SET remaining = remaining + :by, cap = cap + :by"
        key = _account(account.customer, account.period)
        self._transact([self._update(key, change, values, "cap = :before")], None)

    def hold(self, lease: Lease, accounts: Iterable[Account]) -> None:
        accounts = tuple(accounts)
        items = [self._take(each, lease.held) for each in accounts]
        about = {"id": lease.id, "held": lease.held, "expires": lease.expires, "periods": " ".join(lease.periods)}
        reasons = self._transact([*items, self._put(_lease(lease), about)], f"h{lease.id}")
        if not reasons or reasons[-1].get("Code") == "ConditionalCheckFailed":
            return  # the lease is there already, from a try whose answer was lost
        missing: dict[Account, int | None] = {}
        for account, reason in zip(accounts, reasons, strict=False):
            if reason.get("Code") == "ConditionalCheckFailed":
                balance = _balance(reason.get("Item"))
                if balance is not None and balance.cap == account.cap:
                    raise CapReachedError(account, balance)
                missing[account] = balance.cap if balance else None
        raise NotOpenError(missing)

    def finish(self, lease: Lease, usage: Usage) -> bool:
        values = _ended(usage) | {"held": lease.held, "back": lease.held - usage.used}
        accounts = [self._update(_account(lease.customer, each), _GIVE, values) for each in lease.periods]
        gone = self._delete(_lease(lease))
        record = self._put(_record(lease), _recorded(lease, usage))
        return not self._transact([gone, record, *accounts], f"f{lease.id}{usage.outcome[0]}")

    def finish_late(self, lease: Lease, usage: Usage) -> bool:
        accounts = self._spend(lease, usage)
        content = {**_record(lease), **_typed(_recorded(lease, usage) | {"late": True})}
        record = {
            "TableName": self._table,
            "Item": content,
            "ConditionExpression": "outcome = :expired",
            "ExpressionAttributeValues": _typed({":expired": "expired"}),
        }
        return not self._transact([{"Put": record}, *accounts], f"l{lease.id}")

    def record(self, lease: Lease, accounts: Iterable[Account], usage: Usage) -> bool:
        record = self._put(_record(lease), _recorded(lease, usage))
        reasons = self._transact([record, *self._spend(lease, usage)], f"r{lease.id}")
        if not reasons or reasons[0].get("Code") == "ConditionalCheckFailed":
            return not reasons
        refused = [reason.get("Code") == "ConditionalCheckFailed" for reason in reasons[1:]]
        raise NotOpenError({account: None for account, missing in zip(accounts, refused, strict=True) if missing})

    def _spend(self, lease: Lease, usage: Usage) -> list[dict[str, Any]]:
        """Takes what nothing was held for from the accounts of a lease."""
        return [self._update(_account(lease.customer, each), _LATE, _ended(usage)) for each in lease.periods]

    def leases(self, customer: str) -> list[Lease]:
        return [_read_lease(customer, item) for item in self._items(f"L#{customer}")]

    def balance(self, customer: str, period: str) -> Balance | None:
        found = self._client.get_item(TableName=self._table, Key=_account(customer, period), ConsistentRead=True)
        return _balance(found.get("Item"))

    def records(self, customer: str) -> list[dict[str, Any]]:
        """The records of a customer's requests that ended, each with its id as `sk`."""
        return list(self._read(f"U#{customer}"))

    def _read(self, partition: str) -> Iterator[dict[str, Any]]:
        return ({key: _plain(value) for key, value in item.items()} for item in self._items(partition))

    def bodies(self) -> BodyStore:
        """Where bodies are kept in the same table."""
        return BodyStore(self._client, self._table)

    def usage(self, since: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """The customer and the record of each request that ended, of customers that are no longer declared too.

        The whole table is read: records are nearly all of it, and nothing else knows all customers' names.

        Args:
            since: the first moment, in seconds since 1970.

        Raises:
            ClientError: the table does not exist, or may not be read.
        """
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="begins_with(pk, :records) AND #at >= :since",
            ExpressionAttributeNames={"#at": "at"},
            ExpressionAttributeValues=_typed({":records": "U#", ":since": since}),
        )
        for page in pages:
            for item in page["Items"]:
                record = {key: _plain(value) for key, value in item.items()}
                yield record["pk"].removeprefix("U#"), record

    def forget(self, customer: str) -> int:
        """Deletes a customer's records and accounts, and keeps sums of the records. Returns how many records it had.

        Raises:
            OpenError: it has open requests; nothing was deleted.
            ConflictError: another transaction was in the way: what was deleted is summed, and trying again goes on.
        """
        if leases := self.leases(customer):
            raise OpenError(leases)
        forgotten = 0
        while records := list(itertools.islice(self._read(f"U#{customer}"), AT_ONCE)):
            gone = [self._delete(_typed({"pk": f"U#{customer}", "sk": each["sk"]})) for each in records]
            if self._transact([*gone, *(self._add(each) for each in sums_of(records))], None):
                raise ConflictError("a record was deleted by another process")
            forgotten += len(records)
        for item in list(self._items(f"A#{customer}")):
            self._client.delete_item(TableName=self._table, Key={"pk": item["pk"], "sk": item["sk"]})
        return forgotten

    def _add(self, sums: Sums) -> dict[str, Any]:
        """Adds to the sums of those that were deleted."""
        same, added = list(sums.same), list(sums.numbers)
        change = f"SET {', '.join(f'#{each} = :{each}' for each in same)} "
        change += f"ADD {', '.join(f'#{each} :{each}' for each in added)}"
        update = {
            "TableName": self._table,
            "Key": _typed({"pk": f"U#{OF_THE_DELETED}", "sk": sums.key}),
            "UpdateExpression": change,
            "ExpressionAttributeNames": {f"#{each}": each for each in (*same, *added)},
            "ExpressionAttributeValues": _typed(
                {f":{key}": each for key, each in {**sums.same, **sums.numbers}.items()}
            ),
        }
        return {"Update": update}

    def _delete(self, key: Mapping[str, Any]) -> dict[str, Any]:
        return {"Delete": {"TableName": self._table, "Key": key, "ConditionExpression": "attribute_exists(pk)"}}

    def _items(self, partition: str) -> Iterator[Mapping[str, Any]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=_typed({":pk": partition}),
            ConsistentRead=True,
        )
        for page in pages:
            yield from page["Items"]

    def _take(self, account: Account, held: int) -> dict[str, Any]:
        condition = "attribute_exists(pk) AND cap = :cap AND remaining >= :held"
        key = _account(account.customer, account.period)
        return self._update(key, _TAKE, {"held": held, "cap": account.cap}, condition)

    def _put(self, key: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
        item = {**key, **_typed(content)}
        return {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}

    def _update(
        self, key: Mapping[str, Any], change: str, values: Mapping[str, int], condition: str = "attribute_exists(pk)"
    ) -> dict[str, Any]:
        update = {
            "TableName": self._table,
            "Key": key,
            "UpdateExpression": change,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": _typed({f":{name}": value for name, value in values.items()}),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return {"Update": update}

    def _transact(self, items: Sequence[Mapping[str, Any]], token: str | None) -> list[dict[str, Any]]:
        """Writes all items, or none: then it returns the reasons, in the items' order."""
        again = {"ClientRequestToken": hashlib.sha256(token.encode()).hexdigest()[:36]} if token else {}
        try:
            self._client.transact_write_items(TransactItems=list(items), **again)
        except ClientError as error:
            reasons: Any = error.response.get("CancellationReasons")
            if error.response["Error"]["Code"] in _BUSY:
                raise ConflictError(error.response["Error"]["Code"]) from error
            if not reasons:
                raise
            if busy := _BUSY_REASONS & {each.get("Code") for each in reasons}:
                raise ConflictError(", ".join(sorted(busy))) from error
            if {each.get("Code") for each in reasons} - {"None", None, "ConditionalCheckFailed"}:
                raise
            return list(reasons)
        return []


def _account(customer: str, period: str) -> dict[str, Any]:
    return _typed({"pk": f"A#{customer}", "sk": period})


def _lease(lease: Lease) -> dict[str, Any]:
    return _typed({"pk": f"L#{lease.customer}", "sk": f"{lease.expires:012d}#{lease.id}"})


def _record(lease: Lease) -> dict[str, Any]:
    return _typed({"pk": f"U#{lease.customer}", "sk": lease.id})


def _recorded(lease: Lease, usage: Usage) -> dict[str, Any]:
    own = {"outcome": usage.outcome, "used": usage.used, "held": lease.held, "at": usage.at}
    return {**usage.about, **own, "periods": " ".join(lease.periods), "ttl": usage.at + KEPT_SECONDS}


def _ended(usage: Usage) -> dict[str, int]:
    return {"used": usage.used, "cached": int(usage.cached)}


def _read_lease(customer: str, item: Mapping[str, Any]) -> Lease:
    found = {key: _plain(value) for key, value in item.items()}
    return Lease(found["id"], customer, tuple(found["periods"].split(" ")), found["held"], found["expires"])


def _balance(item: Mapping[str, Any] | None) -> Balance | None:
    if not item:
        return None
    figures = (_plain(item[name]) for name in ("cap", "remaining", "held", "spent"))
    # An account has no count yet before its first request ends, nor from before there was one.
    return Balance(*figures, cached=_plain(item["cached"]) if "cached" in item else 0)


def _typed(values: Mapping[str, str | int | bool]) -> dict[str, Any]:
    """Values in the form of DynamoDB's protocol."""
    return {name: _attribute(value) for name, value in values.items()}


def _attribute(value: str | int | bool) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def _plain(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    return int(value) if kind == "N" else value
