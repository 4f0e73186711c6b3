"""Converts a resource's inputs to an API call's parameters and back, and applies every rule of AWS's service models.

Terraform's and Pulumi's names differ from the API's in spelling: `memorySizeInMb` is `MemorySizeInMB`. A name is
looked up in the API's shape regardless of case and underscores; a row lists only names that differ in letters.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from botocore.utils import parse_timestamp

from scaletozero.sandbox.providers.values import UNKNOWN, Asset

Shape: TypeAlias = Any
"""A botocore shape, whose properties botocore types wrongly."""

Renames: TypeAlias = Mapping[str, str]
"""Name of a property anywhere in a resource -> the API member that it is sent as, where their letters differ."""


@dataclass(frozen=True)
class Failure:
    """An input that the provider or AWS would refuse: the property's path and the reason."""

    path: str
    reason: str


def member_name(shape: Shape, key: str, renames: Renames) -> str | None:
    """The member of `shape` that the property `key` is sent as; None if there is none."""
    names = _folded_members(shape)
    if key in renames and (member := names.get(_fold(renames[key]))):
        return member
    return names.get(_fold(key))


def _fold(name: str) -> str:
    return name.replace("_", "").lower()


@functools.cache
def _folded_members_of(members: tuple[str, ...]) -> dict[str, str]:
    return {_fold(name): name for name in members}


def _folded_members(shape: Shape) -> dict[str, str]:
    return _folded_members_of(tuple(shape.members))


def camel(name: str) -> str:
    """Terraform's spelling of an API's name, in camel case: `KMSKeyId` -> `kmsKeyId`, `SizeInMB` -> `sizeInMb`."""
    first, *rest = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+", name)
    return first.lower() + "".join(word.capitalize() for word in rest)


def nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean `{close[0]}`?" if close else f"known are {', '.join(sorted(known))}"


def bind(shape: Shape, value: Any, path: str, renames: Renames) -> tuple[Any, list[Failure]]:
    """Converts the plain `value` of the property at `path` to an API parameter. Returns it with its failures.

    Unknown values remain `UNKNOWN` and are not validated.
    """
    failures: list[Failure] = []
    return _bind(shape, value, path, renames, failures), failures


def _bind(shape: Shape, value: Any, path: str, renames: Renames, failures: list[Failure]) -> Any:
    if value is UNKNOWN or value is None:
        return value
    if shape.type_name == "structure":
        return _bind_structure(shape, value, path, renames, failures)
    if shape.type_name == "list":
        items = value if isinstance(value, list) else [value]
        failures.extend(_range(shape, len(items), path, "items"))
        return [_bind(shape.member, item, f"{path}[{i}]", renames, failures) for i, item in enumerate(items)]
    if shape.type_name == "map":
        if not isinstance(value, Mapping):
            failures.append(Failure(path, f"must be a map, got {_show(value)}"))
            return value
        failures.extend(_range(shape, len(value), path, "entries"))
        for key in value:
            failures.extend(_check_string(shape.key, key, f"{path}.{key}", "key "))
        return {key: _bind(shape.value, item, f"{path}.{key}", renames, failures) for key, item in value.items()}
    return _bind_scalar(shape, value, path, failures)


def _bind_structure(shape: Shape, value: Any, path: str, renames: Renames, failures: list[Failure]) -> Any:
    if isinstance(value, list):  # Terraform's one-element block list
        if len(value) != 1:
            failures.append(Failure(path, f"must have exactly one element, got {len(value)}"))
            return value
        value, path = value[0], f"{path}[0]"
        if value is UNKNOWN:
            return value
    if not isinstance(value, Mapping):
        failures.append(Failure(path, f"must be an object, got {_show(value)}"))
        return value
    bound: dict[str, Any] = {}
    for key, item in value.items():
        if key.startswith("__") or item is None:
            continue
        member = member_name(shape, key, renames)
        if member is None:
            known = [camel(name) for name in shape.members]
            failures.append(Failure(f"{path}.{key}", f"is not a property here; {nearest(key, known)}"))
            continue
        bound[member] = _bind(shape.members[member], item, f"{path}.{key}", renames, failures)
    back = {api: prop for prop, api in renames.items()}
    for member in shape.required_members:
        if member not in bound:
            failures.append(Failure(f"{path}.{back.get(member, camel(member))}", "is required"))
    return bound


def _bind_scalar(shape: Shape, value: Any, path: str, failures: list[Failure]) -> Any:
    kind = shape.type_name
    if isinstance(value, Mapping | list) or (isinstance(value, Asset) and kind != "blob"):
        failures.append(Failure(path, f"must be a {kind}, got {_show(value)}"))
        return value
    if kind in ("integer", "long", "float", "double"):
        return _bind_number(shape, value, path, failures)
    if kind == "boolean":
        if isinstance(value, str) and value in ("true", "false"):
            return value == "true"
        if not isinstance(value, bool):
            failures.append(Failure(path, f"must be true or false, got {_show(value)}"))
        return value
    if kind == "timestamp":
        return _bind_timestamp(value, path, failures)
    if kind == "string":
        if isinstance(value, bool):
            value = str(value).lower()
        value = str(value)
        failures.extend(_check_string(shape, value, path))
    return value


def _bind_number(shape: Shape, value: Any, path: str, failures: list[Failure]) -> Any:
    whole = shape.type_name in ("integer", "long")
    if isinstance(value, str) and re.fullmatch(r"-?\d+" if whole else r"-?\d+(\.\d+)?", value):
        value = int(value) if whole else float(value)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        failures.append(Failure(path, f"must be a {'whole number' if whole else 'number'}, got {_show(value)}"))
        return value
    failures.extend(_range(shape, value, path))
    return value


def _bind_timestamp(value: Any, path: str, failures: list[Failure]) -> Any:
    try:
        return parse_timestamp(value)
    except (ValueError, TypeError):
        failures.append(
            Failure(path, f"must be a time such as {datetime(2030, 1, 31).isoformat()}Z, got {_show(value)}")
        )
        return value


def _check_string(shape: Shape, value: str, path: str, what: str = "") -> Iterator[Failure]:
    allowed: list[str] = getattr(shape, "enum", None) or []
    if allowed and value not in allowed:
        hint = f"one of {', '.join(allowed)}" if len(allowed) <= 12 else nearest(value, allowed)
        yield Failure(path, f"{what}must be {hint}, got {_show(value)}" if len(allowed) <= 12 else
                      f"{what}is not a value the service knows, got {_show(value)}; {hint}")  # fmt: skip
        return
    yield from _range(shape, len(value), path, f"{what}characters".replace("key characters", "characters in a key"))
    pattern = shape.metadata.get("pattern")
    if pattern and not compiled(pattern).search(value):
        yield Failure(path, f"{what}must match {pattern}, got {_show(value)}")


def _range(shape: Shape, size: float, path: str, unit: str = "") -> Iterator[Failure]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        bounds = (
            f"between {low} and {high}"
            if None not in (low, high)
            else f"at least {low}"
            if high is None
            else f"at most {high}"
        )
        yield Failure(path, f"must be {bounds}{' ' + unit if unit else ''}, got {size}")


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


@functools.cache
def compiled(pattern: str) -> re.Pattern[str]:
    r"""A service model's pattern as a Python regular expression for the whole value.

    The models are written for Java: classes such as `\p{L}` become the nearest Python classes.
    """
    python, inside, at = "", False, 0
    while at < len(pattern):
        java = next((java for java in _CLASSES if pattern.startswith(java, at)), pattern[at : at + 2])
        if java in _CLASSES:
            python += _CLASSES[java] if inside else f"[{_CLASSES[java]}]"
            at += len(java)
            continue
        step = 2 if pattern[at] == "\\" else 1
        inside = {"[": True, "]": False}.get(pattern[at], inside)
        python += pattern[at : at + step]
        at += step
    return re.compile(rf"\A(?:{python})\Z")


_CLASSES = {
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010ffff",
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": r"\s",
    r"\p{M}": r"\u0300-\u036f",
    r"\p{S}": r"$+<->^`|~",
    r"\p{P}": r"!-#%-*,-/:;?@\[-\]_{}",
    r"\p{Graph}": r"!-~",
    r"\p{Print}": r" -~",
    r"\p{ASCII}": r"\x00-\x7f",
    r"\p{Alnum}": r"A-Za-z0-9",
    r"\P{M}": r"\s\S",
}


def unbind(shape: Shape, value: Any, template: Any, renames: Renames) -> Any:
    """Converts an API's response (of `shape`; None if unknown) to a property, in the form of the declared `template`.

    Members of a structure that are not declared are omitted: the service fills them with defaults, which is not drift.
    Entries of a map are data, so all of them are returned.
    """
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    kind = shape.type_name if shape else ""
    if kind == "map" and isinstance(value, Mapping):
        parts = template if isinstance(template, Mapping) else {}
        return {key: unbind(shape.value, item, parts.get(key), renames) for key, item in value.items()}
    if kind == "structure" and isinstance(value, Mapping):
        return _unbind_structure(shape, value, template, renames)
    if kind == "list" and isinstance(value, list):
        if template is not None and not isinstance(template, list):
            return unbind(shape.member, value[0], template, renames) if value else None
        parts = template or [None]
        return [unbind(shape.member, item, parts[min(i, len(parts) - 1)], renames) for i, item in enumerate(value)]
    if isinstance(template, str) and isinstance(value, int | float):
        value = int(value) if isinstance(value, float) and value.is_integer() else value
        return str(value).lower()
    return value


def _unbind_structure(shape: Shape, value: Mapping[str, Any], template: Any, renames: Renames) -> Any:
    if isinstance(template, list):  # Terraform's one-element block list
        return [_unbind_structure(shape, value, template[0] if template else None, renames)]
    if not isinstance(template, Mapping):
        back = {api: prop for prop, api in renames.items()}
        return {
            back.get(key, camel(key)): unbind(shape.members.get(key), item, None, renames)
            for key, item in value.items()
        }
    out = {}
    for key, part in template.items():
        member = member_name(shape, key, renames)
        if member and member in value:
            out[key] = unbind(shape.members[member], value[member], part, renames)
    return out


def at(value: Any, path: str) -> Any:
    """The value at a dotted path in an API's response, or None. An empty path is the response itself."""
    for part in path.split(".") if path else ():
        if isinstance(value, list):
            value = value[0] if value else None
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
