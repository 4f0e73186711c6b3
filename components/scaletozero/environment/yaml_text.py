"""Writes YAML that this command and the engine read as what was meant."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from scaletozero.environment.yaml_file import kind_of


def yaml_text(content: Mapping[str, Any]) -> str:
    """A document of mappings, lists, strings and numbers, as text."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096  # a value is on one line
    text = io.StringIO()
    yaml.dump(as_written(content), text)
    return text.getvalue()


def as_written(value: Any) -> Any:
    """The value, with strings in quotes that would be read as something else without."""
    if isinstance(value, Mapping):
        return {as_written(key): as_written(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_written(each) for each in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and kind_of(value) != "str" else value
