"""Contract: the table speaks of the AWS provider's types and properties as the installed SDK has them."""

import importlib
import inspect
import re
from collections.abc import Iterator

import pulumi_aws
import pytest

from scaletozero.sandbox.providers.check import operation, property_shape, shape_at
from scaletozero.sandbox.providers.resources import TABLE
from scaletozero.sandbox.providers.shapes import compiled
from scaletozero.sandbox.providers.table import ResourceType, Step

ROWS = [pytest.param(row, id=kind.split(":")[-1]) for kind, row in TABLE.items()]


def sdk_class(kind: str, suffix: str = "") -> type:
    _, module, name = kind.split(":")
    folder = module.split("/")[0]
    package = importlib.import_module(f"{pulumi_aws.__name__}.{'lambda_' if folder == 'lambda' else folder}")
    return getattr(package, f"{name}Init{suffix}", None) or getattr(package, name + suffix)


def properties(cls: type) -> set[str]:
    found = set()
    for name, member in vars(cls).items():
        if isinstance(member, property) and member.fget:
            found.add(getattr(member.fget, "_pulumi_name", None) or name)
    return found


def steps(row: ResourceType) -> Iterator[Step]:
    yield from (step for step in (*row.create, *row.update, *row.delete) if isinstance(step, Step))


@pytest.mark.parametrize("row", ROWS)
def test_the_token_is_the_sdks(row: ResourceType) -> None:
    assert f"'{row.kind}'" in inspect.getsource(sdk_class(row.kind))


@pytest.mark.parametrize("row", ROWS)
def test_every_input_of_the_provider_is_applied_or_refused_with_a_reason(row: ResourceType) -> None:
    inputs = properties(sdk_class(row.kind, "Args"))
    assert row.inputs - {"tagsAll"} | set(row.refused) == inputs
    assert not row.inputs & set(row.refused)


@pytest.mark.parametrize("row", ROWS)
def test_every_output_is_one_of_the_providers(row: ResourceType) -> None:
    outputs = {prop for read in row.reads for prop in read.gives if not prop.startswith("@")} | set(row.outputs)
    assert outputs <= properties(sdk_class(row.kind))


@pytest.mark.parametrize("row", ROWS)
def test_every_call_and_parameter_is_in_the_service_model(row: ResourceType) -> None:
    for step in steps(row):
        for parameter in step.sends:
            shape_at(operation(row.service, step.operation).input_shape, parameter)
    for read in row.reads:
        answer = operation(row.service, read.operation).output_shape
        for parameter in read.sends:
            shape_at(operation(row.service, read.operation).input_shape, parameter)
        for path in read.gives.values():
            if path and not read.pick:
                shape_at(answer, path)


@pytest.mark.parametrize("row", ROWS)
def test_what_the_row_names_exists(row: ResourceType) -> None:
    for prop in (*row.required, *row.replaces - {"*"}, *row.computed, *row.json, *row.defaults):
        assert prop in row.inputs | set(row.outputs), prop
    for step in (*row.create, *row.update):
        for prop in step.on:
            assert prop in row.inputs, prop


def patterns(shape: object, seen: set[str]) -> Iterator[str]:
    name = getattr(shape, "name", "")
    if shape is None or name in seen:
        return
    seen.add(name)
    metadata = getattr(shape, "metadata", {})
    if "pattern" in metadata:
        yield metadata["pattern"]
    for member in getattr(shape, "members", {}).values():
        yield from patterns(member, seen)
    for part in ("member", "key", "value"):
        yield from patterns(getattr(shape, part, None), seen)


@pytest.mark.parametrize("row", ROWS)
def test_every_pattern_of_the_service_model_is_one_that_python_knows(row: ResourceType) -> None:
    for prop in row.inputs:
        for pattern in patterns(property_shape(row, prop), set()):
            assert not re.search(r"\\[pP]\{", compiled(pattern).pattern), pattern
