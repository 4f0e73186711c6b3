"""What the header `Cache-Control` of a request asks for (RFC 9111, 5.2.1). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Directions:
    """What a request allows.

    Attributes:
        read: whether it may get an answer that was kept.
        write: whether its answer may be kept.
        oldest: the age in seconds that an answer may have; None for any.
    """

    read: bool = True
    write: bool = True
    oldest: int | None = None


CLOSED = Directions(read=False, write=False)
"""Neither."""


def directions(headers: Iterable[str]) -> Directions:
    """Reads the values of the header.

    `no-store` neither reads nor writes, `no-cache` does not read, `max-age` limits the age. The others, such as
    `min-fresh`, change nothing. A `max-age` that is no number is taken for the smallest, which is what RFC 9111 (4.2.1)
    encourages: who wrote it did not want just any age.
    """
    read, write = True, True
    oldest: int | None = None
    for each in ",".join(headers).split(","):
        name, _, value = each.strip().partition("=")
        name = name.strip().lower()
        if name == "no-store":
            read = write = False
        elif name == "no-cache":
            read = False
        elif name == "max-age":
            seconds = _whole(value.strip().strip('"'))
            oldest = seconds if oldest is None else min(oldest, seconds)
    return Directions(read, write, oldest)


def _whole(value: str) -> int:
    return int(value[:18]) if value.isascii() and value.isdigit() else 0
