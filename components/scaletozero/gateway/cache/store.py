"""Where answers are kept: one item each in a table on DynamoDB, in the environment's region.

The partition key is the hash of the request. DynamoDB deletes an item some days after its `ttl` (developer guide, time
to live), so that whether an answer is too old is decided by when it was kept, and never by its being there.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import Any

from scaletozero.gateway.tables import create_table

LARGEST_KEPT = 256 * 1024
"""Bytes of an answer that is kept at most. An item may have 400 kB, and a write is billed by the kB."""

_PARTS = {"body": "B", "media": "S", "kept": "N", "sum": "B"}


@dataclass(frozen=True)
class Kept:
    """An answer that was given before.

    Attributes:
        body: its body.
        media: its media type.
        at: when it was kept, in seconds since 1970.
    """

    body: bytes
    media: str
    at: int


class GarbledError(Exception):
    """An item that is not as it was written."""


class CacheStore:
    """Answers in one table, whose key is the string `pk`.

    Args:
        client: a boto3 client of DynamoDB; used from several threads at once.
        table: the table's name.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client, self.table = client, table

    def create_table(self) -> None:
        """Creates the table if it does not exist, and waits until it can be used."""
        create_table(self._client, self.table, pk="HASH")

    def get(self, key: str) -> Kept | None:
        """The answer to a request; None if there is none.

        Args:
            key: the hash of the request.

        Raises:
            GarbledError: an item that is not as it was written, or was written for another request.
        """
        # It may be a moment behind, which costs half: at worst a request is answered anew.
        item = self._client.get_item(TableName=self.table, Key={"pk": {"S": key}}).get("Item")
        if item is None:
            return None
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            body, media, at, told = (item[name][kind] for name, kind in _PARTS.items())
            found = Kept(bytes(body), media, int(at))
            if bytes(told) == _sum(key, found):
                return found
        raise GarbledError(key)

    def put(self, key: str, answer: Kept, seconds: int, customer: str) -> None:
        """Keeps an answer, in place of an older one.

        Args:
            key: the hash of the request.
            seconds: after which it may be deleted.
            customer: whose request it was, by which it is found when that customer is deleted.
        """
        values = {"body": answer.body, "media": answer.media, "kept": str(answer.at), "sum": _sum(key, answer)}
        item = {name: {_PARTS[name]: value} for name, value in values.items()}
        item |= {"pk": {"S": key}, "ttl": {"N": str(answer.at + seconds)}, "customer": {"S": customer}}
        self._client.put_item(TableName=self.table, Item=item)

    def forget(self, customer: str) -> int:
        """Deletes the answers to a customer's requests, and returns how many those were.

        Answers that another one's request has replaced since are that one's, and stay.

        Raises:
            ClientError: the table may not be read, or written to.
        """
        of = {
            "ExpressionAttributeNames": {"#customer": "customer"},
            "ExpressionAttributeValues": {":of": {"S": customer}},
        }
        pages = self._client.get_paginator("scan").paginate(
            TableName=self.table,
            FilterExpression="#customer = :of",
            ProjectionExpression="pk",
            ConsistentRead=True,
            **of,
        )
        deleted = 0
        for key in [{"pk": item["pk"]} for page in pages for item in page["Items"]]:
            with contextlib.suppress(self._client.exceptions.ConditionalCheckFailedException):
                self._client.delete_item(TableName=self.table, Key=key, ConditionExpression="#customer = :of", **of)
                deleted += 1
        return deleted


def _sum(key: str, answer: Kept) -> bytes:
    """A sum over an answer and the request that it is for: it shows damage, not one who may write to the table."""
    return hashlib.sha256(f"{key}\n{answer.media}\n{answer.at}\n".encode() + answer.body).digest()
