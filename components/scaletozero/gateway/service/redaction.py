"""Takes out of texts what is not to be kept: secrets by detect-secrets' patterns, addresses of e-mail, card numbers.

A pattern may match a part of a secret alone, so that what is taken out is all of the characters around it that could
belong to it.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from model_packaging.extras import needs

TAKEN_OUT = "[redacted]"

_TOKEN = re.compile(r"[A-Za-z0-9_\-+/=.~%]*")
_TOKEN_BEFORE = re.compile(r"[A-Za-z0-9_\-+/=~%]*\Z")
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_KEY = re.compile(r"\b(?:sk|pk|rk|stz)-[A-Za-z0-9_-]{16,}")
"""Keys of models' APIs and of this gateway, of which the library knows some."""
_MAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_BEFORE = 200
"""Characters before a match in which its beginning is looked for."""

_PIECE, _SHARED = 2000, 300
"""Characters in which the library's patterns are looked for at a time, and how many two of them share: some of the
patterns take the square of the length, and callers choose the text."""

_COVERED = "OpenAIDetector"
"""What `_KEY` finds more of."""


class Redactor:
    """Takes out what is not to be kept.

    Args:
        patterns: regular expressions of further things.

    Raises:
        NotInstalledError: the library is not installed.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._exact = (_PEM, _MAIL, *map(re.compile, patterns))
        self._tokens = (_KEY, *_secrets())

    def text(self, text: str) -> str:
        """A text without it."""
        spans = [match.span() for pattern in self._exact for match in pattern.finditer(text)]
        spans += [match.span() for match in _CARD.finditer(text) if _is_card(match[0])]
        spans += [_whole(text, *span) for pattern in self._tokens for span in _found(pattern, text)]
        parts: list[str] = []
        done = 0
        for begin, end in sorted(spans):
            if end <= done:
                continue
            parts += [text[done:begin], TAKEN_OUT] if begin >= done else []
            done = end
        return "".join([*parts, text[done:]])

    def value(self, value: Any) -> Any:
        """A value of JSON without it, in names too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.value(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            shown = self.text(json.dumps(value))
            return value if TAKEN_OUT not in shown else shown
        return value


def _found(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """Where a pattern matches: its groups, which are the secret where it has some."""
    pieces = range(0, max(1, len(text) - _SHARED), _PIECE - _SHARED)
    for match in (match for begin in pieces for match in pattern.finditer(text, begin, begin + _PIECE)):
        groups = [match.span(index) for index in range(1, pattern.groups + 1) if match[index]]
        yield from groups or [match.span()]


def _whole(text: str, begin: int, end: int) -> tuple[int, int]:
    """All characters around a place that could belong to the same secret."""
    before, after = _TOKEN_BEFORE.search(text, max(0, begin - _BEFORE), begin), _TOKEN.match(text, end)
    return (before.start() if before else begin), (after.end() if after else end)


def _is_card(text: str) -> bool:
    """Whether the digits have the check digit of a card's number (ISO/IEC 7812-1)."""
    digits = [int(each) for each in text if each.isdigit()]
    doubled = [sum(divmod(2 * each, 10)) for each in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _secrets() -> Iterator[re.Pattern[str]]:
    """The patterns of the library. Its guesses by entropy and by names of variables are not for prose."""
    with needs("gateway"):
        from detect_secrets import plugins
        from detect_secrets.plugins.base import RegexBasedDetector

    for each in pkgutil.iter_modules(plugins.__path__):
        importlib.import_module(f"{plugins.__name__}.{each.name}")
    for kind in RegexBasedDetector.__subclasses__():
        if kind.__name__ != _COVERED:
            denylist: Any = kind.denylist
            yield from denylist
