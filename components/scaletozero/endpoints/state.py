"""Reading one resource of a stack's state, as `pulumi stack export` writes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Resource = Mapping[str, Any]
"""One item of `deployment.resources`."""


def properties(resource: Resource | None) -> Mapping[str, Any]:
    """The requested properties, overridden by those that the provider returned; empty if there is no resource."""
    if resource is None:
        return {}
    return {**(resource.get("inputs") or {}), **(resource.get("outputs") or {})}


def first_item(value: object) -> Mapping[str, Any]:
    """The first mapping of a list; an empty one if there is none."""
    return value[0] if isinstance(value, list) and value and isinstance(value[0], Mapping) else {}


def first_given(*values: Any) -> Any:
    """The first value that is not None."""
    return next((value for value in values if value is not None), None)


def whole(value: Any) -> Any:
    """Turns a whole number, which the state holds as a float, into an int; returns any other value unchanged."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
