"""Changes values of a YAML file in place: comments, order and quotes stay, and nothing else changes what it means."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

from model_packaging.findings import refuse
from scaletozero.environment.yaml_file import parse_yaml
from scaletozero.environment.yaml_text import as_written


def edited(text: str, name: str, path: Sequence[str], changes: Mapping[str, Any]) -> str:
    """The text of a file with some fields of one mapping changed. Mappings on the way that are missing are added.

    Args:
        text: the file.
        name: what it is called in findings.
        path: the keys that lead to the mapping.
        changes: field -> its value; None removes it.

    Raises:
        FindingsError: it is not YAML, or cannot be changed without changing what else is in it, because the mapping is
            an alias of another one, for example.
    """
    intended = _unshared(parse_yaml(text, name))
    if not _leads_to_mapping(intended, path):
        raise refuse(f"{name}: {'.'.join(path)}", "must be a mapping, in mappings", "something else")
    _change(intended, path, changes)
    yaml = YAML()
    yaml.Resolver = _Verbatim
    yaml.preserve_quotes = True  # pyright: ignore[reportAttributeAccessIssue]
    yaml.width = 4096  # pyright: ignore[reportAttributeAccessIssue] - a value stays on its line
    mapping, offset = _indents(text)
    yaml.indent(mapping=mapping, sequence=offset + 2, offset=offset)
    changed = io.StringIO()
    try:
        content = yaml.load(text)
        written = {as_written(key): None if value is None else _text(value) for key, value in changes.items()}
        _change(content, [as_written(key) for key in path], written)
        yaml.dump(content, changed)
    except (YAMLError, AttributeError, TypeError, ValueError, NotImplementedError) as error:
        raise _by_hand(name, str(error).splitlines()[0]) from None
    if parse_yaml(changed.getvalue(), name) != intended:
        raise _by_hand(name, f"{'.'.join(path)}, which other parts of the file depend on, or are written like")
    return changed.getvalue()


class _Verbatim(VersionedResolver):
    """Takes every plain scalar as text, so that a number is written again with the digits that it had."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is ScalarNode and implicit[0] and value:
            return Tag(suffix="tag:yaml.org,2002:str")
        return super().resolve(kind, value, implicit)


def _text(value: Any) -> Any:
    """A value as `_Verbatim` reads it."""
    if isinstance(value, list):
        return [_text(each) for each in value]
    return as_written(value) if isinstance(value, str) else json.dumps(value)


def _unshared(value: Any) -> Any:
    """A copy in which an alias is a value of its own."""
    if isinstance(value, dict):
        return {key: _unshared(each) for key, each in value.items()}
    return [_unshared(each) for each in value] if isinstance(value, list) else value


def _by_hand(name: str, got: str) -> Exception:
    rule, then = "must be a file that can be changed without changing what else is in it", "nothing was written"
    return refuse(name, rule, got, then, "change it by hand")


def _leads_to_mapping(content: Any, path: Sequence[str]) -> bool:
    for key in path:
        if not isinstance(content, dict):
            return False
        content = content.get(key)
        if content is None:
            return True
    return isinstance(content, dict)


def _change(content: Any, path: Sequence[str], changes: Mapping[str, Any]) -> None:
    for key in path:
        if content.get(key) is None:
            content[key] = {}
        content = content[key]
    for key, value in changes.items():
        if value is None:
            content.pop(key, None)
        else:
            content[key] = value


_FIRST_INDENT = re.compile(r"^( +)[^\s#-]", re.MULTILINE)
_FIRST_LIST = re.compile(r"^( *)[^\s#-][^\n]*:[ \t]*\n(?:[ \t]*#[^\n]*\n)*( *)- ", re.MULTILINE)


def _indents(text: str) -> tuple[int, int]:
    """Spaces by which the file's mappings and its lists are indented."""
    first, listed = _FIRST_INDENT.search(text), _FIRST_LIST.search(text)
    mapping = len(first[1]) if first else 2
    return mapping, max(0, len(listed[2]) - len(listed[1])) if listed else mapping
