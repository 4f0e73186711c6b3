"""Tables on DynamoDB of the gateway, which are created where it runs."""

from __future__ import annotations

import contextlib
from typing import Any

TTL = "ttl"
"""The attribute after whose time, in seconds since 1970, DynamoDB deletes an item."""


def create_table(client: Any, table: str, **keys: str) -> None:
    """Creates a table if it does not exist, and waits until it can be used.

    Args:
        client: a boto3 client of DynamoDB.
        table: its name.
        keys: name of a string -> `HASH` or `RANGE`.
    """
    with contextlib.suppress(client.exceptions.ResourceInUseException):
        client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in keys],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        )
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    ttl = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if ttl["TimeToLiveStatus"] == "DISABLED":
        client.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL})
