"""The changes between a resource's state and its inputs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scaletozero.sandbox.providers.check import DEFAULTED
from scaletozero.sandbox.providers.table import ResourceType
from scaletozero.sandbox.providers.values import UNKNOWN, Asset, plain


@dataclass(frozen=True)
class Change:
    """One difference: its path, its kind (`add`, `delete`, `update`), and whether it requires a new resource."""

    path: str
    kind: str
    replaces: bool

    @property
    def prop(self) -> str:
        return self.path.split(".")[0].split("[")[0]


def changes(
    row: ResourceType, olds: Mapping[str, Any], news: Mapping[str, Any], ignored: Iterable[str]
) -> list[Change]:
    """Every difference between the state `olds` and the inputs `news`, except under the `ignored` paths."""
    old_state, new_state = plain(olds), {**row.defaults, **plain(news)}
    found: list[Change] = []
    for prop in sorted(row.inputs):
        old, new = old_state.get(prop), new_state.get(prop)
        if new is None and (old is None or prop in row.computed):
            continue
        if old is None and prop == "tagsAll" and not new:
            continue
        if (
            row.naming
            and prop == row.naming.prefix
            and new_state.get(row.naming.prop) == old_state.get(row.naming.prop)
        ):
            continue
        replaces = row.replaced_by(prop)
        found.extend(Change(path, kind, replaces) for path, kind in _differences(prop, old, new, prop in row.json))
    return [change for change in found if not any(_within(change.path, path) for path in ignored)]


def deletes_first(row: ResourceType, found: list[Change], news: Mapping[str, Any]) -> bool:
    """Whether the old resource must be deleted before the new one is created, because both would have the same name."""
    if not any(change.replaces for change in found):
        return False
    if row.naming is None:
        return not any(change.prop in row.identity for change in found)
    named = row.naming.prop not in (plain(news.get(DEFAULTED)) or ())
    return named and not any(change.prop in (row.naming.prop, "region") for change in found)


def _within(path: str, ignored: str) -> bool:
    return path == ignored or path.startswith((f"{ignored}.", f"{ignored}[")) or ignored == "*"


def _differences(path: str, old: Any, new: Any, is_json: bool) -> Iterator[tuple[str, str]]:
    if new is UNKNOWN:
        yield path, "update"
    elif old is None or new is None:
        if old is not new:
            yield path, "add" if old is None else "delete"
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            if not key.startswith("__"):
                yield from _differences(f"{path}.{key}", old.get(key), new.get(key), is_json)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            was, now = (items[index] if index < len(items) else None for items in (old, new))
            yield from _differences(f"{path}[{index}]", was, now, is_json)
    elif not _same(old, new, is_json):
        yield path, "update"


def _same(old: Any, new: Any, is_json: bool) -> bool:
    if isinstance(old, Asset) and isinstance(new, Asset):
        return old.same_content(new)
    if is_json and isinstance(old, str) and isinstance(new, str):
        try:
            return json.loads(old) == json.loads(new)
        except ValueError:
            return old == new
    if isinstance(old, bool) or isinstance(new, bool):
        return str(old).lower() == str(new).lower()
    if isinstance(old, str) != isinstance(new, str):
        return str(old) == str(new)
    return old == new
