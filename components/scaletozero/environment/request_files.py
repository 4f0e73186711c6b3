"""Files of customers' requests in an environment's bucket: a line of JSON for each, and a file for each customer."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaletozero.gateway.usage import line_of

MEDIA = "application/x-ndjson"

AT_ONCE = 10_000
"""Lines in memory: a month may have millions of them."""


def place(environment: str, customer: str) -> str:
    """Below what a customer's files are, so that they can be deleted with it."""
    return f"usage/{environment}/requests/{customer}/"


class RequestFiles:
    """Collects requests on disk, and then writes them to a bucket.

    Attributes:
        count: how many there are.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._files: dict[str, Path] = {}
        self._lines: dict[str, list[str]] = {}
        self._waiting = self.count = 0

    def note(self, customer: str, record: Mapping[str, Any]) -> None:
        """Adds a request."""
        self._lines.setdefault(customer, []).append(line_of(customer, record))
        self.count += 1
        self._waiting += 1
        if self._waiting >= AT_ONCE:
            self._flush()

    def upload(self, client: Any, bucket: str, environment: str, days: str) -> list[str]:
        """Writes each customer's file in place of the one of the same days; returns their keys. Nothing is left here.

        Args:
            client: a boto3 client of S3.
            days: the file's name, without its ending.

        Raises:
            ClientError, BotoCoreError: the bucket cannot be written to.
        """
        self._flush()
        keys: list[str] = []
        with self._folder:
            for customer, path in sorted(self._files.items()):
                keys.append(f"{place(environment, customer)}{days}.jsonl")
                with path.open("rb") as content:
                    client.put_object(Bucket=bucket, Key=keys[-1], Body=content, ContentType=MEDIA)
        return keys

    def _flush(self) -> None:
        for customer, lines in self._lines.items():
            path = self._files.setdefault(customer, Path(self._folder.name, f"{len(self._files)}.jsonl"))
            with path.open("a", encoding="utf-8") as file:
                file.writelines(lines)
        self._lines.clear()
        self._waiting = 0


def erase(client: Any, bucket: str, environment: str, customer: str) -> int:
    """Deletes a customer's files with all of their versions, and returns how many objects that were.

    Raises:
        ClientError, BotoCoreError: the bucket cannot be listed, or an object not be deleted.
    """
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=place(environment, customer))
    found = [each for page in pages for kind in ("Versions", "DeleteMarkers") for each in page.get(kind, ())]
    for each in found:
        client.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
    return len({each["Key"] for each in found})
