"""Where bodies of requests and answers are kept: in the ledger's table, so that the same key, region, role and deletion
hold for them as for the records. `B#<customer>`, `<time>#<request>` is one request's."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

LARGEST = 300 * 2**10
"""Bytes of an item's content, compressed: DynamoDB allows 400 KiB."""

CUT_TO = 64 * 2**10
"""Characters of each body that are kept of what is larger."""


class BodyStore:
    """Bodies in the ledger's table.

    Args:
        client: a boto3 client of DynamoDB; used from several threads at once.
        table: the table's name.
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def put(self, customer: str, request: str, at: int, ends: int, content: Mapping[str, Any]) -> None:
        """Keeps the bodies of a request.

        Args:
            request: its id, that of its record.
            at, ends: when it was, and until when it is kept, in seconds since 1970.
            content: for JSON; the texts `asked` and `answered` are cut where they are too long.
        """
        item = {
            "pk": {"S": f"B#{customer}"},
            "sk": {"S": f"{at:012d}#{request}"},
            "ttl": {"N": str(ends)},
            "content": {"B": _packed(content)},
        }
        self._client.put_item(TableName=self._table, Item=item)

    def read(self, customer: str, since: int, now: int) -> Iterator[dict[str, Any]]:
        """What is kept of a customer since a moment, the oldest first, but for what has ended and is still there."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk >= :since",
            ExpressionAttributeValues={":pk": {"S": f"B#{customer}"}, ":since": {"S": f"{since:012d}"}},
        )
        for item in (item for page in pages for item in page["Items"]):
            if int(item["ttl"]["N"]) > now:
                at, _, request = item["sk"]["S"].partition("#")
                yield {"id": request, "at": int(at), **json.loads(zlib.decompress(item["content"]["B"]))}

    def forget(self, customer: str) -> int:
        """Deletes what is kept of a customer, and returns of how many requests that was."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"B#{customer}"}},
            ProjectionExpression="pk, sk",
            ConsistentRead=True,
        )
        count = 0
        for item in (item for page in pages for item in page["Items"]):
            self._client.delete_item(TableName=self._table, Key=item)
            count += 1
        return count


def _packed(content: Mapping[str, Any]) -> bytes:
    packed = zlib.compress(json.dumps(content).encode())
    if len(packed) <= LARGEST:
        return packed
    texts = {
        name: each[:CUT_TO] if isinstance(each, str) else json.dumps(each)[:CUT_TO]
        for name, each in content.items()
        if name in ("asked", "answered")
    }
    return zlib.compress(json.dumps({**content, **texts, "cut": True}).encode())
