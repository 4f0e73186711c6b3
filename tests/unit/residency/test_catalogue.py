"""The catalogue is held to the provider: every type and every property of it exists there."""

import re
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pulumi
import pulumi_aws
import pytest
from pulumi._types import input_type_py_to_pulumi_names, input_type_types, is_input_type

from scaletozero.residency.catalogue import ROWS, SERVICE_COVERS, Row
from scaletozero.residency.closure import service_of

AWS = [row for row in ROWS if row.type.startswith("aws:")]


@cache
def tokens() -> dict[str, str]:
    """Type -> the module that has it."""
    source = Path(pulumi_aws.__file__).read_text()
    blocks = re.findall(r'"fqn": "([\w.]+)",\s*"classes": \{(.*?)\}', source, re.S)
    return {
        token: f"{fqn}.{name}" for fqn, classes in blocks for token, name in re.findall(r'"(.+?)": "(\w+)"', classes)
    }


def args_of(token: str) -> type[Any]:
    path = tokens()[token].removeprefix("pulumi_aws.").split(".")
    found: Any = pulumi_aws
    for part in [*path[:-1], f"{path[-1]}Args"]:
        found = getattr(found, part)
    return found


def inner(annotation: Any) -> type[Any] | None:
    """The class of arguments inside of an input's type, if there is one."""
    if isinstance(annotation, type) and is_input_type(annotation):
        return annotation
    if get_origin(annotation) is pulumi.Output:
        return None
    return next((found for part in get_args(annotation) if (found := inner(part))), None)


@pytest.mark.parametrize("row", AWS, ids=lambda row: row.rule)
def test_the_provider_has_the_type_and_the_property(row: Row) -> None:
    assert row.type in tokens()
    found: Any = args_of(row.type) if row.at else None
    for part in row.at.split(".") if row.at else []:
        name = part.removesuffix("[]")
        if name == "*":
            break
        assert found is not None, f"nothing is below {row.at} at {part}"
        names = {camel: python for python, camel in input_type_py_to_pulumi_names(found).items()}
        assert name in names, f"{name} is none of {sorted(names)}"
        found = inner(input_type_types(found).get(name, Any))


def test_no_way_is_listed_twice() -> None:
    rules = [row.rule for row in ROWS]
    assert sorted(set(rules)) == sorted(rules)


@pytest.mark.parametrize("service", sorted(SERVICE_COVERS))
def test_every_service_of_the_table_is_one(service: str) -> None:
    assert any(service_of(token) == service for token in tokens())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
def test_every_row_says_what_would_happen_and_how_it_is_closed(row: Row) -> None:
    assert row.consequence
    assert row.fix
