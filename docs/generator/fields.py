"""Groups of settings as data: each field's type, unit, default, rules and description."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import annotated_types
import pulumi
from pydantic import AfterValidator, BaseModel, BeforeValidator, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from generator.docstrings import args_attributes, attributes, summary
from generator.rules import Rule, group_rules, rules_of

UNITS = {
    "mb": "MB",
    "gb": "GB (10^9 bytes)",
    "gib": "GiB (2^30 bytes)",
    "mib": "MiB (2^20 bytes)",
    "bytes": "bytes",
    "size": "bytes",
    "seconds": "seconds",
    "ms": "milliseconds",
    "days": "days",
    "hours": "hours",
    "percent": "percent",
    "usd": "USD",
    "millis": "thousandths of a core",
    "ratio": "ratio",
    "concurrency": "requests at a time",
    "gpus": "GPUs",
    "port": "TCP port",
}
"""The last word of a number's name -> its unit. `days` of a window are names, not numbers, and have none."""

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", Path: "path", date: "date", Any: "anything"}
_RESTATED = ("must be a whole number", "must be a number", "must be true or false", "must not be empty")


@dataclass(frozen=True)
class Type:
    """A type in words, and the groups of settings in it."""

    text: str
    blocks: tuple[type[BaseModel], ...] = ()


@dataclass(frozen=True)
class Field:
    """A setting, as it is shown in the reference."""

    name: str
    type: Type
    unit: str
    default: str
    required: bool
    description: str
    rules: tuple[str, ...]
    output: bool = False
    """Whether it may be an output of another resource."""


@dataclass(frozen=True)
class Block:
    """A group of settings."""

    model: type[BaseModel]
    title: str
    description: str
    fields: tuple[Field, ...]
    rules: tuple[Rule, ...]
    refused: Mapping[str, tuple[str, str, str]]


def block_of(model: type[BaseModel], args: type | None = None) -> Block:
    """Describes a group of settings; `args` is the TypedDict with which programs pass it, if there is one."""
    title = (args or model).__name__.removesuffix("Args").removesuffix("Settings").lstrip("_")
    said = attributes(model) | (args_attributes(args) if args else {})
    hints = _hints(args)
    fields = tuple(
        _field(model, info.alias or name, name, info, said.get(name, ""), hints.get(name))
        for name, info in model.model_fields.items()
        if not args or name in hints
    )
    text = summary(args) if args and len(summary(args)) > len(summary(model)) else summary(model)
    refused = getattr(model, "refused", {})
    return Block(model, title, text, fields, _between(model), refused)


def nested(block: Block) -> Iterator[tuple[Field, type[BaseModel]]]:
    """The groups below a group, each with its field."""
    for field in block.fields:
        for model in field.type.blocks:
            yield field, model


def args_below(args: type | None, name: str) -> type | None:
    """The TypedDict of the group in a field, if programs pass it as one."""
    hint = _hints(args).get(name)
    found = list(_typed_dicts(hint))
    return found[0] if len(found) == 1 else None


def _hints(args: type | None) -> dict[str, Any]:
    # `pulumi.Input` names these two without importing them.
    names = {"Output": pulumi.Output, "T": Any}
    return get_type_hints(args, localns=names, include_extras=True) if args else {}


def _typed_dicts(hint: Any) -> Iterator[type]:
    if is_typeddict(hint):
        yield hint
    else:
        for part in get_args(hint):
            yield from _typed_dicts(part)


def _between(model: type[BaseModel]) -> tuple[Rule, ...]:
    """The rules of a group, without those of its nested groups, which are shown there."""
    return tuple(rule for rule in group_rules(model) if rule.text.strip("… "))


def _field(model: type[BaseModel], shown: str, name: str, info: FieldInfo, said: str, hint: Any) -> Field:
    annotation = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    kind = type_of(annotation)
    if hint is not None and not kind.blocks:
        kind = replace(type_of(hint), blocks=())
    rules = list(dict.fromkeys(_rules(annotation)))
    return Field(
        name=shown,
        type=kind,
        unit=unit_of(shown, kind),
        default="" if info.is_required() else _default(model, name, info),
        required=info.is_required(),
        description=said if said[1:2].isupper() else said[:1].upper() + said[1:],
        rules=tuple(rule for rule in rules if not rule.startswith(_RESTATED)),
        output=hint is not None and _takes_output(hint),
    )


def unit_of(name: str, kind: Type) -> str:
    """The unit of a number, by the last words of its name."""
    if not any(word in kind.text for word in ("integer", "number")):
        return ""
    if name.endswith("usd_per_hour"):
        return "USD an hour"
    return UNITS.get(name.rpartition("_")[2], "")


def type_of(annotation: Any) -> Type:
    """An annotation in words."""
    origin = get_origin(annotation)
    parts: tuple[Any, ...] = get_args(annotation)
    if origin in (Annotated, NotRequired):
        return type_of(parts[0])
    if origin is Literal:
        values = [f"`{each}`" for each in parts]
        return Type(f"one of {', '.join(values)}" if len(values) > 1 else values[0])
    if origin in (Union, UnionType):
        given = [each for each in parts if each is not NoneType and not _is_output(each)]
        kinds = list(dict.fromkeys(type_of(each) for each in given))
        return Type(" or ".join(kind.text for kind in kinds), tuple(m for kind in kinds for m in kind.blocks))
    if origin in (tuple, list) and parts:
        kind = type_of(parts[0])
        return replace(kind, text=f"list of {kind.text}")
    if origin is dict:
        key, kind = type_of(parts[0]), type_of(parts[1])
        return replace(kind, text=f"map of {key.text} to {kind.text}")
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            return Type(annotation.__name__.removesuffix("Settings"), (annotation,))
        if issubclass(annotation, Enum):
            return Type("one of " + ", ".join(f"`{each.value}`" for each in annotation))
        if annotation in (list, tuple):
            return Type("list")
        if annotation is dict:
            return Type("map")
    return Type(_TYPES.get(annotation, getattr(annotation, "__name__", "anything")))


def _is_output(part: Any) -> bool:
    found = get_origin(part) or part
    return isinstance(found, type) and (
        issubclass(found, pulumi.Output) or found.__module__.startswith(("asyncio", "collections", "_asyncio"))
    )


def _takes_output(hint: Any) -> bool:
    return _is_output(hint) or any(_takes_output(part) for part in get_args(hint))


def _default(model: type[BaseModel], name: str, info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, BaseModel):
        return "its defaults"
    try:
        plain = model.model_construct(**{name: value}).model_dump(mode="json", include={name})[name]
    except Exception:  # noqa: BLE001 - a serializer of the whole group, which is not there
        plain = str(value)
    return f"`{plain}`" if isinstance(plain, str) and plain else f"`{json.dumps(plain)}`"


def _rules(annotation: Any, each: str = "") -> Iterator[str]:
    """The rules on a value and on its elements."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _rules(parts[0], each)
        for metadata in parts[1:]:
            yield from (f"{each}{rule}" for rule in _of_metadata(metadata))
    elif origin in (Union, UnionType):
        for part in parts:
            yield from _rules(part, each)
    elif origin in (tuple, list):
        for part in parts[:1]:
            yield from _rules(part, "each ")
    elif origin is dict:
        yield from _rules(parts[0], "each name ")
        yield from _rules(parts[1], "each value ")


def _of_metadata(metadata: Any) -> Iterator[str]:
    if isinstance(metadata, FieldInfo):
        for part in metadata.metadata:
            yield from _of_metadata(part)
    elif isinstance(metadata, AfterValidator | BeforeValidator):
        yield from map(str, rules_of(metadata.func))
    elif isinstance(metadata, annotated_types.Interval | annotated_types.Len):
        for part in metadata:
            yield from _of_metadata(part)
    elif isinstance(metadata, StringConstraints):
        if metadata.pattern:
            yield f"must match `{metadata.pattern}`"
    elif getattr(metadata, "pattern", None):
        yield f"must match `{metadata.pattern}`"
    else:
        bounds = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
        yield from (
            f"must be {word} {getattr(metadata, key)}" for key, word in bounds.items() if hasattr(metadata, key)
        )
        lengths = {"min_length": "at least", "max_length": "at most"}
        yield from (
            f"must have {word} {getattr(metadata, key)}" for key, word in lengths.items() if hasattr(metadata, key)
        )
