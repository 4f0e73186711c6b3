"""Functions behind a URL that anybody may call: those without a bound are found, however a stack names them."""

from typing import Any

import pytest

from scaletozero.endpoints.public_functions import FUNCTION, URL, unbounded_functions
from scaletozero.residency.resource import UNKNOWN, DeclaredResource


def found(function: dict[str, Any], url: dict[str, Any], depends: tuple[str, ...] = ("urn:f",)) -> list[str]:
    resources = [
        DeclaredResource(URL, "url", {"authorizationType": "NONE", **url}, depends={"functionName": depends}),
        DeclaredResource(FUNCTION, "f", {"name": "there", **function}, urn="urn:f"),
        DeclaredResource(FUNCTION, "other", {"name": "elsewhere"}, urn="urn:other"),
    ]
    return [f"{urn} {finding.path}" for urn, finding in unbounded_functions(resources)]


@pytest.mark.parametrize(
    ("function", "url", "depends"),
    [
        ({}, {"functionName": UNKNOWN}, ("urn:f",)),
        ({"reservedConcurrentExecutions": -1.0}, {"functionName": "there"}, ()),
        ({"arn": "arn:aws:lambda:us-east-1:123456789012:function:there"}, {}, ("urn:f",)),
    ],
)
def test_one_without_a_bound_is_found(function: dict[str, Any], url: dict[str, Any], depends: tuple[str, ...]) -> None:
    assert found(function, url, depends) == ["urn:f f.reservedConcurrentExecutions"]


@pytest.mark.parametrize(
    ("function", "url"),
    [
        ({"reservedConcurrentExecutions": 10.0}, {}),
        ({"reservedConcurrentExecutions": 0}, {}),
        ({"reservedConcurrentExecutions": UNKNOWN}, {}),
        ({}, {"authorizationType": "AWS_IAM"}),
        ({}, {"authorizationType": UNKNOWN}),
    ],
)
def test_what_is_bounded_signed_or_not_known_is_not(function: dict[str, Any], url: dict[str, Any]) -> None:
    assert found(function, url) == []


def test_a_function_of_another_stack_is_not_judged() -> None:
    assert found({}, {"functionName": "of another"}, ()) == []
