"""What became of each field of a foreign file. A value is shown only where it is known to be no secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from scaletozero.spending.token_rates import TokenPrice

Path: TypeAlias = tuple[str, ...]
"""Where a field is: the keys and positions that lead to it."""

PriceOf: TypeAlias = Callable[[str], TokenPrice | None]
"""`provider/model`, as genai-prices names it -> its price; None where there is none."""

CUSTOMER = "everyone"
"""The customer that gets a budget or a rate which another gateway keeps for all of its callers together."""


_NOTHING, _UNKNOWN = "it says nothing", "no such field is known here"


class Outcome(StrEnum):
    """What became of a field."""

    TAKEN = "taken over"
    CHANGED = "changed"
    NONE = "without counterpart"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Row:
    """A field of a foreign file.

    Attributes:
        field: where it is.
        outcome: what became of it.
        was: its value, where it was changed and cannot be a secret.
        here: the setting that it became, and its value.
        reason: why it was changed, or not taken over.
        important: whether safety, money or the place of data would differ if nothing is done about it.
    """

    field: str
    outcome: Outcome
    was: str = ""
    here: str = ""
    reason: str = ""
    important: bool = False


@dataclass(frozen=True)
class Imported:
    """What was read.

    Attributes:
        gateway: the block `gateway` of an environment, valid; empty where nothing could be taken over.
        rows: every field of what was read, in its order.
        skipped: what was not read, with the reason.
    """

    gateway: Mapping[str, Any]
    rows: tuple[Row, ...]
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many fields have each outcome."""
        found = Counter(row.outcome for row in self.rows)
        return {outcome.value: found[outcome] for outcome in Outcome}

    @property
    def important(self) -> tuple[Row, ...]:
        """The fields that change safety, money or the place of data, and were not taken over."""
        return tuple(row for row in self.rows if row.important)

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that hold the providers' keys."""
        found = (
            target["provider"]["variable"]
            for model in self.gateway.get("models", {}).values()
            for target in model.get("targets", (model,))
            if "provider" in target
        )
        return tuple(dict.fromkeys(found))


def leaves(content: Any) -> Iterator[tuple[Path, Any]]:
    """All values that contain no others, with their paths, in their order; an empty mapping or list is one, too."""
    waiting: list[tuple[Path, Any]] = [((), content)]
    while waiting:
        path, value = waiting.pop()
        inside = [*value.items()] if isinstance(value, Mapping) else [*enumerate(value)] if _is_list(value) else []
        if inside:
            waiting += reversed([((*path, str(key)), each) for key, each in inside])
        elif path:
            yield path, value


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


class Notes:
    """Notes on the fields of a document. A later note on a field replaces an earlier one.

    Args:
        content: the document.
    """

    def __init__(self, content: Any) -> None:
        self._rows: dict[Path, Row] = {}
        self._below: dict[Path, list[Path]] = {}
        for leaf, value in leaves(content):
            outcome, reason = (Outcome.NONE, _NOTHING) if value is None else (Outcome.UNKNOWN, _UNKNOWN)
            self._rows[leaf] = Row(".".join(leaf), outcome, reason=reason)
            for length in range(1, len(leaf) + 1):
                self._below.setdefault(leaf[:length], []).append(leaf)

    @property
    def rows(self) -> tuple[Row, ...]:
        """A row for every field."""
        return tuple(self._rows.values())

    def taken(self, path: Path, here: str, reason: str = "") -> None:
        """Notes that a field, or all fields below a path, was taken over."""
        self._note(path, Outcome.TAKEN, here=here, reason=reason)

    def changed(self, path: Path, was: str, here: str, reason: str, *, important: bool = False) -> None:
        """Notes that a field has become another one, or has another value."""
        self._note(path, Outcome.CHANGED, was=was, here=here, reason=reason, important=important)

    def none(self, path: Path, reason: str, *, important: bool = False) -> None:
        """Notes that nothing here corresponds to a field."""
        self._note(path, Outcome.NONE, reason=reason, important=important)

    def unknown(self, path: Path, reason: str) -> None:
        """Notes that a field cannot be read."""
        self._note(path, Outcome.UNKNOWN, reason=reason)

    def _note(self, path: Path, outcome: Outcome, **more: Any) -> None:
        for leaf in self._below.get(path, ()):
            self._rows[leaf] = Row(self._rows[leaf].field, outcome, **more)


def listed(words: Iterable[str]) -> str:
    """Words in a sentence."""
    return ", ".join(words)
