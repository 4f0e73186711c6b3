"""Reads YAML like the engine: version 1.2 with the engine's own scalars, and every key once.

The engine reads a stack's settings with Go's yaml.v3. A value that this command read differently would be checked as
one thing and deployed as another.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

from model_packaging.files import read_text
from model_packaging.findings import refuse

LARGEST = 1_000_000
"""Maximum bytes of a file."""

DEEPEST = 100
"""Maximum levels of nesting of a document."""

MOST = 100_000
"""Maximum number of values of a document, including those that aliases repeat."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML file that is a mapping; an empty file is an empty mapping.

    Raises:
        FindingsError: it cannot be read, has a key twice, or is not a mapping.
    """
    content = parse_yaml(read_text(path, LARGEST), str(path))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise refuse(str(path), "must be a mapping", f"a {type(content).__name__}")
    return content


def parse_yaml(text: str, name: str) -> Any:
    """Parses one YAML document; None for an empty one.

    Args:
        text: the document.
        name: its name in findings.

    Raises:
        FindingsError: it is not YAML, has a key twice, is nested too deeply or expands to too much.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    yaml.Resolver = _Resolver
    yaml.version = None  # pyright: ignore[reportAttributeAccessIssue]
    if (version := _VERSION.match(text)) and version[1] != "1.1":
        fix = "remove the line: values are read as the engine reads them"
        raise refuse(
            name, "must not request another version with %YAML", version[1], "the engine refuses the file", fix
        )
    try:
        content = yaml.load(text)
    except RecursionError:
        raise refuse(name, f"may be nested at most {DEEPEST} levels deep", "more") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        problem = str(getattr(error, "problem", "") or str(error).splitlines()[0])
        if "duplicate key" in problem:
            key = problem.partition('"')[2].partition('"')[0]
            raise refuse(
                where, "must have every key once", key, "only one of the two would be used", "remove one"
            ) from None
        raise refuse(where, "must be YAML", problem) from None
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, NotImplementedError) as error:
        raise refuse(name, "must be YAML", str(error) or type(error).__name__) from None
    _measure(content, name)
    return content


def _measure(content: Any, name: str) -> None:
    """Refuses documents that aliases make too large, or make contain themselves."""
    count, waiting = 0, [(content, 1)]
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > DEEPEST:
            raise refuse(name, f"may be nested at most {DEEPEST} levels deep", "more")
        if count > MOST:
            raise refuse(name, f"may have at most {MOST:,} values, with those that aliases repeat", "more")
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting += [(each, depth + 1) for each in inside]


_VERSION = re.compile(r"\ufeff?(?:(?:#.*|%(?!YAML).*|\s*)\n)*%YAML[ \t]+(\S+)")


class _Resolver(VersionedResolver):
    """Leaves every plain scalar to the constructor, which resolves it as yaml.v3's `resolve` does."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is ScalarNode and implicit[0]:
            return Tag(suffix=f"tag:yaml.org,2002:{'merge' if value == '<<' else kind_of(value)}")
        return super().resolve(kind, value, implicit)


_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d{1,2}):(?P<second>\d{1,2})(?P<fraction>\.\d+)?"
_DATE = r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
_TIMES = (
    re.compile(f"{_DATE}[Tt]{_CLOCK}(?P<zone>Z|[-+]\\d\\d:\\d\\d)"),
    re.compile(f"{_DATE}(?: {_CLOCK})?(?P<zone>)"),
)
_PARTS = ("year", "month", "day", "hour", "minute", "second")


_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def kind_of(value: str) -> str:
    """The kind of a plain scalar: `null`, `bool`, `int`, `float`, `timestamp`, `str`, or `not finite`."""
    if _NOT_FINITE.fullmatch(value):
        return "not finite"
    return next(kind for kind, read in _READ.items() if read(value) is not None) if value not in _NULL else "null"


def _bool(value: str) -> bool | None:
    return _BOOL.get(value)


def _time(value: str) -> str | None:
    """A time as the engine passes it to a program, in Go's format: `2026-11-27 00:00:00 +0000 UTC`."""
    match = next((match for each in _TIMES if (match := each.fullmatch(value))), None)
    if not match:
        return None
    part = match.groupdict(default="0")
    zone = part["zone"] or "Z"
    try:
        at = datetime(*(int(part[each]) for each in _PARTS), tzinfo=UTC)
        offset = timedelta() if zone == "Z" else timedelta(hours=int(zone[1:3]), minutes=int(zone[4:]))
    except ValueError:
        return None
    if offset >= timedelta(hours=24):
        return None
    where = "+0000 UTC" if not offset else f"{zone.replace(':', '')} {zone.replace(':', '')}"
    fraction = part["fraction"][:10].rstrip("0").rstrip(".") if match["fraction"] else ""
    return f"{at.isoformat(' ')[:19]}{fraction} {where}"


def _int(value: str) -> int | None:
    digits = value.replace("_", "")
    if value[:1] not in "+-0123456789" or not _INT.fullmatch(digits) or len(digits) > 70:
        return None
    sign, digits = (-1 if digits[0] == "-" else 1), digits.lstrip("+-").lower()
    base = {"0x": 16, "0b": 2, "0o": 8}.get(digits[:2], 8 if digits[0] == "0" else 10)
    number = sign * int(digits, base)
    # Larger integers become floating point numbers in the engine's JSON.
    return number if -(2**63) <= number < 2**63 else None


def _float(value: str) -> float | None:
    digits = value.replace("_", "")
    if value[:1] == "_" or not _FLOAT.fullmatch(digits):
        return None
    number = float(digits)
    return None if number in (float("inf"), float("-inf")) else number


_READ: dict[str, Any] = {"bool": _bool, "timestamp": _time, "int": _int, "float": _float, "str": str}


class _Constructor(SafeConstructor):
    """Constructs values like yaml.v3; a time as the text that the engine passes to a program."""

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
        if not isinstance(key, str):
            raise ConstructorError(None, None, _key_rule(key_node), key_node.start_mark)
        return super().check_mapping_key(node, key_node, mapping, key, value)


def _null(self: _Constructor, node: Any) -> None:
    if self.construct_scalar(node) not in _NULL:
        raise ConstructorError(None, None, f"`{node.value}` cannot be read as !!null", node.start_mark)


def _refuse(self: _Constructor, node: Any) -> None:
    finite = "not finite" not in str(node.tag)
    raise ConstructorError(
        None, None, f"{node.tag} has no meaning here" if finite else f"`{node.value}` is not a number", node.start_mark
    )


def _construct(kind: str) -> Any:
    def construct(self: _Constructor, node: Any) -> Any:
        text = self.construct_scalar(node)
        value = _READ[kind](text)
        if value is None and kind == "float":
            value = _READ["int"](text)
        if value is None:
            raise ConstructorError(None, None, f"`{text}` cannot be read as !!{kind}", node.start_mark)
        return value

    return construct


def _key_rule(node: Any) -> str:
    return f'a key must be a string; write "{node.value}"' if isinstance(node, ScalarNode) else "a key must be a string"


def _binary(self: _Constructor, node: Any) -> str:
    return self.construct_yaml_binary(node).decode(errors="replace")


_Constructor.add_constructor("tag:yaml.org,2002:binary", _binary)
_Constructor.add_constructor("tag:yaml.org,2002:null", _null)
_Constructor.add_constructor(None, _refuse)
for _kind in ("set", "omap", "pairs", "not finite"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_kind}", _refuse)
for _kind in _READ:
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_kind}", _construct(_kind))
