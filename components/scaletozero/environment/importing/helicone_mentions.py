"""Finds what a source file says to Helicone: its hosts, its headers, and names of models. By text; nothing is run."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

# A name in quotes; or, in one string, the name and its value; or a name that is put together.
_HEADER = re.compile(
    r"(?P<quote>[\"'`])(?P<name>helicone-[a-z0-9-]{0,100})(?P<end>(?P=quote)|\$?\{|:[ \t]*)", re.IGNORECASE
)
_HOST = re.compile(
    r"https?://(?P<host>(?:[a-z0-9-]{1,63}\.){0,5}(?:helicone\.ai|hconeai\.com))(?![a-z0-9.-]*[a-z0-9-])", re.IGNORECASE
)
_MODEL = re.compile(r"\bmodel[\"']?\s{0,20}[:=]\s{0,20}[\"'`](?P<model>[^\"'`\s\\${}]{1,128})[\"'`]")
_VALUE = re.compile(
    r"\s*\]?\s*(?:[:,]|=(?!=))\s*(?P<prefix>[bBfFrRuU]{0,2})(?P<quote>[\"'`])"
    r"(?P<value>[^\"'`\\\n]*(?:(?!(?P=quote))[\"'`][^\"'`\\\n]*)*)(?P=quote)(?P<after>\s*.?)"
)
_FURTHEST = 600
"""Characters behind a header's name in which its value begins and ends."""


class Kind(StrEnum):
    """What a mention is of."""

    HEADER = "header"
    HOST = "host"
    MODEL = "model"


@dataclass(frozen=True)
class Mention:
    """A place in a source file.

    Attributes:
        path, line: where it is.
        kind: what it is of.
        name: the header, the host or the model, as it is written.
        value: of a header, if it is written out; None for one that is computed.
        near: whether the file mentions Helicone beside it.
    """

    path: str
    line: int
    kind: Kind
    name: str
    value: str | None = None
    near: bool = True

    @property
    def field(self) -> str:
        """What the report calls it."""
        return f"{self.path}:{self.line} {'model ' if self.kind is Kind.MODEL else ''}{self.name}"


def mentions(path: str, text: str) -> tuple[Mention, ...]:
    """What a file says to Helicone, in the order of its lines; and the models that it names.

    Args:
        path: what the report calls the file.
        text: its content.
    """
    ends = [match.start() for match in re.finditer("\n", text)]

    def line(at: int) -> int:
        return bisect.bisect_left(ends, at) + 1

    found = [
        (match.start(), Mention(path, line(match.start()), kind, name, value))
        for match, kind, name, value in _headers_and_hosts(text)
    ]
    near = bool(found)
    for match in _MODEL.finditer(text):
        at = match.start()
        found.append((at, Mention(path, line(at), Kind.MODEL, match["model"], near=near)))
    return tuple(mention for _, mention in sorted(found, key=lambda each: each[0]))


def _headers_and_hosts(text: str) -> Iterator[tuple[re.Match[str], Kind, str, str | None]]:
    for match in _HEADER.finditer(text):
        behind = text[match.end() : match.end() + _FURTHEST]
        if match["end"] == match["quote"]:
            yield match, Kind.HEADER, match["name"], _value(behind)
        elif match["end"].startswith(":"):
            inside = behind.partition(match["quote"])[0]
            computed = bool(re.search(r"[{}$\n\\]", inside)) or match["quote"] not in behind
            yield match, Kind.HEADER, match["name"], None if computed else inside.strip()
        else:
            yield match, Kind.HEADER, f"{match['name']}...", None
    for match in _HOST.finditer(text):
        yield match, Kind.HOST, match["host"].lower(), None


def _value(behind: str) -> str | None:
    """A literal behind a header's name; None if there is none, or it is only a part of the value."""
    match = _VALUE.match(behind)
    if match is None or match["after"].strip() in ("+", "%", "."):
        return None
    filled = "f" in match["prefix"].lower() and "{" in match["value"]
    return None if filled or (match["quote"] == "`" and "${" in match["value"]) else match["value"]
