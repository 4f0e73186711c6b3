"""Checks whether the provider and AWS would accept a resource's inputs. Pure: table, models and values only."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import botocore.session
from botocore.model import OperationModel

from scaletozero.sandbox.providers.naming import auto_name, prefixed_name
from scaletozero.sandbox.providers.shapes import Failure, Shape, bind, nearest
from scaletozero.sandbox.providers.table import Convert, ResourceType, Step
from scaletozero.sandbox.providers.values import UNKNOWN, Asset, Secret, has_secret, has_unknown, plain

DEFAULTED = "__defaults"
"""The input in which the bridge lists the defaults that it set."""


@dataclass(frozen=True)
class Settings:
    """The provider's configuration."""

    region: str | None = None
    default_tags: Mapping[str, str] = field(default_factory=dict)
    ignored_tags: tuple[frozenset[str], tuple[str, ...]] = (frozenset(), ())
    account: str = "123456789012"
    partition: str = "aws"


@functools.cache
def session() -> botocore.session.Session:
    """One botocore session, so that each service model is read once."""
    return botocore.session.Session()


@functools.cache
def operation(service: str, method: str) -> OperationModel:
    """The model of the operation of a client's method (`create_model`)."""
    model: Any = session().get_service_model(service)
    names = {name.replace("_", "").lower(): name for name in model.operation_names}
    return model.operation_model(names[method.replace("_", "").lower()])


def shape_at(shape: Shape | None, path: str) -> Shape:
    for part in path.split("."):
        if shape is None or shape.type_name != "structure":
            raise KeyError(path)
        shape = shape.members[part]
    if shape is None:
        raise KeyError(path)
    return shape


def property_shape(row: ResourceType, prop: str) -> Shape | None:
    """The shape of the API parameter that a property is sent as; None if it is not sent unchanged."""
    if prop not in row.sent:
        return None
    method, parameter = row.sent[prop]
    return shape_at(operation(row.service, method).input_shape, parameter)


def check(
    row: ResourceType,
    news: Mapping[str, Any],
    olds: Mapping[str, Any],
    *,
    logical: str,
    seed: bytes,
    settings: Settings,
) -> tuple[dict[str, Any], list[Failure]]:
    """Completes the inputs with region, tags and name. Returns them with everything that is wrong with them.

    `news` and `olds` keep their secret marks; `seed` determines a generated name.
    """
    inputs = {
        key: value for key, value in news.items() if plain(value) is not None and key not in ("tagsAll", DEFAULTED)
    }
    failures: list[Failure] = []
    if row.regional and "region" not in inputs and settings.region:
        inputs["region"] = settings.region
    if row.tagging:
        inputs["tagsAll"] = _all_tags(inputs.get("tags"), default_tags(inputs, settings), settings)
    _name(row, inputs, olds, logical, seed, failures)
    failures.extend(_unknown_properties(row, inputs))
    for prop, value in inputs.items():
        if prop in row.inputs:
            failures.extend(_property_failures(row, prop, value))
    failures.extend(_missing(row, inputs))
    state = plain(inputs)
    for rule in row.rules:
        failures.extend(rule(state))
    return inputs, failures


def default_tags(inputs: Mapping[str, Any], settings: Settings) -> Mapping[str, str]:
    """The provider's default tags, or those with which the resource replaces them (`overrideProvider`)."""
    override = (plain(inputs.get("overrideProvider")) or {}).get("defaultTags")
    return settings.default_tags if override is None else override.get("tags") or {}


def _all_tags(tags: Any, defaults: Mapping[str, str], settings: Settings) -> Any:
    own = plain(tags) or {}
    if has_unknown(own):
        return UNKNOWN
    keys, prefixes = settings.ignored_tags
    merged = {**defaults, **own} if isinstance(own, Mapping) else {}
    kept = {key: value for key, value in merged.items() if key not in keys and not key.startswith(prefixes)}
    return Secret(kept) if has_secret(tags) else kept


def _name(
    row: ResourceType,
    inputs: dict[str, Any],
    olds: Mapping[str, Any],
    logical: str,
    seed: bytes,
    failures: list[Failure],
) -> None:
    naming = row.naming
    if naming is None or naming.prop in inputs:
        if naming and naming.prefix in inputs:
            failures.append(Failure(naming.prefix, f"must not be given together with `{naming.prop}`"))
        return
    made_up = naming.prop in (plain(olds.get(DEFAULTED)) or ())
    prefix = plain(inputs.get(naming.prefix)) if naming.prefix else None
    if made_up and naming.prop in olds and plain(olds.get(naming.prefix)) == prefix:
        inputs[naming.prop] = olds[naming.prop]
    elif prefix is UNKNOWN:
        inputs[naming.prop] = UNKNOWN
    else:
        try:
            made = (
                prefixed_name(naming, str(prefix), seed) if prefix else auto_name(naming, logical, seed, plain(inputs))
            )
        except ValueError as error:
            failures.append(Failure(naming.prop, str(error)))
            return
        inputs[naming.prop] = made
    inputs[DEFAULTED] = [naming.prop]


def _unknown_properties(row: ResourceType, inputs: Mapping[str, Any]) -> Iterator[Failure]:
    for prop in inputs:
        if prop in row.inputs or prop == DEFAULTED:
            continue
        if prop in row.refused:
            yield Failure(prop, f"is not applied by the sandbox: {row.refused[prop]}")
        else:
            yield Failure(prop, f"is not a property of {row.kind}; {nearest(prop, [*row.inputs - {'tagsAll'}])}")


def _property_failures(row: ResourceType, prop: str, value: Any) -> list[Failure]:
    shape, known = property_shape(row, prop), plain(value)
    if prop in ("tags", "tagsAll"):
        failures = list(_tag_failures(prop, known)) if prop == "tags" else []
    elif prop == "region":
        failures = list(_region_failures(row, known))
    elif prop in row.local:
        expected = row.local[prop]
        ok = known is UNKNOWN or isinstance(known, (expected, Asset))
        failures = [] if ok else [Failure(prop, f"must be a {expected.__name__}, got {known!r}")]
    elif shape is not None:
        failures = _bound_failures(row, prop, shape, known)
    else:
        failures = []
    if not has_secret(value):
        return failures
    return [Failure(failure.path, "is a secret that breaks a rule of the service") for failure in failures]


def _bound_failures(row: ResourceType, prop: str, shape: Shape, value: Any) -> list[Failure]:
    convert = row.converts.get(prop)
    if convert is None:
        return bind(shape, value, prop, row.renames)[1]
    if value is UNKNOWN:
        return []
    try:
        converted = convert.to(value)
    except (TypeError, ValueError, AttributeError) as error:
        return [Failure(prop, f"has the wrong form: {error}")]
    found = bind(shape, converted, prop, row.renames)[1]
    for sent, written in convert.paths:
        found = [Failure(failure.path.replace(sent, written), failure.reason) for failure in found]
    return found


def _tag_failures(prop: str, tags: Any) -> Iterator[Failure]:
    """Checks the limits of the resource tagging API, which are the same for every service."""
    if tags is UNKNOWN:
        return
    if not isinstance(tags, Mapping):
        yield Failure(prop, f"must be a map, got {tags!r}")
        return
    if len(tags) > 50:
        yield Failure(prop, f"must have at most 50 entries, got {len(tags)}")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or key.lower().startswith("aws:"):
            yield Failure(f"{prop}.{key}", "must be 1-128 characters and not begin with aws:")
        if value is not UNKNOWN and (isinstance(value, Mapping | list) or len(str(value)) > 256):
            yield Failure(f"{prop}.{key}", "must be a text of at most 256 characters")


def _region_failures(row: ResourceType, region: Any) -> Iterator[Failure]:
    if region is UNKNOWN:
        return
    regions = session().get_available_regions(row.service)
    if region not in regions:
        yield Failure("region", f"must be a region of {row.service}, got {region!r}; {nearest(str(region), regions)}")


def _missing(row: ResourceType, inputs: Mapping[str, Any]) -> Iterator[Failure]:
    if row.regional and "region" not in inputs:
        yield Failure("region", "is required: set it on the resource or in the configuration `aws:region`")
    first = next((step for step in row.create if isinstance(step, Step)), None)
    needed = dict.fromkeys(row.required)
    if first:
        shape: Any = operation(row.service, first.operation).input_shape
        for member in shape.required_members if shape else ():
            source = first.sends.get(member)
            prop = source.prop if isinstance(source, Convert) else source
            if isinstance(prop, str) and prop in row.inputs:
                needed[prop] = None
    for prop in needed:
        if prop not in inputs and prop not in row.defaults:
            yield Failure(prop, "is required")
