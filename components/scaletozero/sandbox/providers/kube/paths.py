"""Property paths as the engine writes them, and differences between two structures. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scaletozero.sandbox.providers.values import UNKNOWN

Step = str | int
Path = tuple[Step, ...]

_STEP = re.compile(r"""\[(?P<index>\d+)\]|\["(?P<quoted>(?:[^"\\]|\\.)*)"\]|\.?(?P<name>[^.\[\]]+)""")

MISSING = object()
"""The result of `look_up` for a path that does not exist."""


@dataclass(frozen=True)
class Change:
    """One difference; `kind` is `add`, `delete` or `update`."""

    path: Path
    kind: str


def parse_path(text: str) -> Path:
    """`a.b[0]["c.d"]` -> ("a", "b", 0, "c.d"). Raises ValueError for anything else."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        found = _STEP.match(text, position)
        if not found:
            raise ValueError(f"{text!r} is not a property path: it is invalid from {text[position:]!r} on")
        if found["index"] is not None:
            steps.append(int(found["index"]))
        elif found["quoted"] is not None:
            steps.append(re.sub(r"\\(.)", r"\1", found["quoted"]))
        else:
            steps.append(found["name"])
        position = found.end()
    return tuple(steps)


def format_path(path: Path) -> str:
    """The inverse of `parse_path`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step and not re.search(r'[.\[\]"\\]', step):
            text += f".{step}" if text else step
        else:
            text += '["' + step.replace("\\", "\\\\").replace('"', '\\"') + '"]'
    return text


def look_up(value: Any, path: Path) -> Any:
    """The value at `path`; MISSING if there is none."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return MISSING
            value = value[step]
        elif not isinstance(value, Mapping) or step not in value:
            return MISSING
        else:
            value = value[step]
    return value


def put(value: dict[str, Any], path: Path, item: Any) -> dict[str, Any]:
    """A copy with `item` at `path`, or, for MISSING, without a value there. No parents are created."""
    result = copy.deepcopy(value)
    parent = look_up(result, path[:-1])
    last = path[-1]
    if isinstance(parent, dict) and isinstance(last, str):
        if item is MISSING:
            parent.pop(last, None)
        else:
            parent[last] = item
    elif isinstance(parent, list) and isinstance(last, int) and last < len(parent) and item is not MISSING:
        parent[last] = item
    return result


def within(path: Path, parents: Iterable[Path]) -> bool:
    return any(path[: len(parent)] == parent for parent in parents)


def changes(old: Any, new: Any, path: Path = ()) -> Iterator[Change]:
    """Every difference between the leaves of two plain structures; an unknown value always counts as different."""
    if new is UNKNOWN or old is UNKNOWN:
        yield Change(path, "update")
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            below = (*path, key)
            if key not in old:
                yield Change(below, "add")
            elif key not in new:
                yield Change(below, "delete")
            else:
                yield from changes(old[key], new[key], below)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            below = (*path, index)
            if index >= len(old):
                yield Change(below, "add")
            elif index >= len(new):
                yield Change(below, "delete")
            else:
                yield from changes(old[index], new[index], below)
    elif isinstance(old, bool) != isinstance(new, bool) or old != new:
        yield Change(path, "update")
