"""Converts properties and tags to and from the form of a service's requests and responses."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from scaletozero.sandbox.providers.check import operation, property_shape, shape_at
from scaletozero.sandbox.providers.shapes import at, unbind
from scaletozero.sandbox.providers.table import Read, ResourceType

_STYLES = {"pairs": ("Key", "Value"), "lower": ("key", "value"), "tagkey": ("TagKey", "TagValue")}


def as_property(row: ResourceType, read: Read, prop: str, path: str, response: Any, template: Any) -> Any:
    """The value of a property, from the response to a read.

    Args:
        prop: its name.
        path: its path in the response.
        template: its declared value. It is kept if the service returns the same value in another form.
    """
    value = at(response, path)
    shape = operation(row.service, read.operation).output_shape
    try:
        shape = shape_at(shape, path) if path and not read.pick else property_shape(row, prop)
    except KeyError:
        shape = property_shape(row, prop)
    if prop in row.json and value:
        return _document(value, template)
    if path == "" and isinstance(value, dict):
        value = {key: item for key, item in value.items() if key != "ResponseMetadata"}
    if isinstance(value, str) and prop == "etag":
        return value.strip('"')
    convert = row.converts.get(prop)
    if convert:
        template = None if template is None else convert.to(template)
        return None if value is None else convert.back(unbind(shape, value, template, row.renames))
    return unbind(shape, value, template, row.renames)


def _document(value: Any, template: Any) -> Any:
    """A JSON document; as declared, if the service's differs in white space only."""
    if isinstance(value, str):
        value = urllib.parse.unquote(value) if value.startswith("%7B") else value
    else:
        value = json.dumps(value)
    try:
        return template if isinstance(template, str) and json.loads(template) == json.loads(value) else value
    except ValueError:
        return value


def tags_to(tags: Mapping[str, Any], style: str) -> Any:
    """Tags in a service's request, in one of the styles of `Tagging`."""
    if style == "map":
        return {key: str(value) for key, value in tags.items()}
    key_name, value_name = _STYLES[style]
    return [{key_name: key, value_name: str(value)} for key, value in tags.items()]


def tags_from(tags: Any, style: str) -> dict[str, str]:
    """Tags from a service's response, in one of the styles of `Tagging`."""
    if style == "map":
        return dict(tags)
    key_name, value_name = _STYLES[style]
    return {pair[key_name]: pair[value_name] for pair in tags or []}
