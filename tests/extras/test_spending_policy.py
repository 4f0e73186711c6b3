"""The pack's policy of spending, called as the engine calls it."""

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf import struct_pb2
from pulumi.runtime.proto import analyzer_pb2 as proto
from pulumi_policy import EnforcementLevel  # pyright: ignore[reportMissingImports] - an extra
from pulumi_policy.policy import _PolicyAnalyzerServicer  # pyright: ignore[reportMissingImports]

from scaletozero.environment.spending_pack import spending_policy

NODES = {"instanceTypes": ["m6i.large"], "scalingConfig": {"desiredSize": 2, "minSize": 1, "maxSize": 5}}
GROUP = "aws:eks/nodeGroup:NodeGroup"


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    found = struct_pb2.Struct()
    found.update(values)
    return found


def violations(config: Mapping[str, Any], *resources: tuple[str, str, Mapping[str, Any]]) -> list[str]:
    policy = spending_policy()
    servicer = _PolicyAnalyzerServicer("spending", "1.0.0", [policy], EnforcementLevel.MANDATORY)
    request = proto.ConfigureAnalyzerRequest()
    request.policyConfig[policy.name].enforcementLevel = proto.MANDATORY
    request.policyConfig[policy.name].properties.update(config)
    servicer.Configure(request, None)
    provider = proto.AnalyzerProviderResource(
        type="pulumi:providers:aws", urn="urn:provider", name="default", properties=struct({"region": "us-east-1"})
    )
    rows = [
        proto.AnalyzerResource(
            type=kind,
            urn=f"urn:{name}",
            name=name,
            properties=struct(inputs),
            provider=provider,
            propertyDependencies={},
        )
        for kind, name, inputs in resources
    ]
    return [each.message for each in servicer.AnalyzeStack(proto.AnalyzeStackRequest(resources=rows), None).diagnostics]


def test_without_a_cap_it_says_nothing() -> None:
    assert violations({}, (GROUP, "nodes", NODES)) == []


def test_a_worst_case_above_the_cap_is_a_violation() -> None:
    # Five nodes of $0.096 are $357.12 in a month of 31 days.
    assert violations({"cap_usd_per_month": 357.12}, (GROUP, "nodes", NODES)) == []
    (text,) = violations({"cap_usd_per_month": 357}, (GROUP, "nodes", NODES))
    assert "spending.cap_usd_per_month: must be at least the worst case, $357.12 in a month of 31 days" in text
    assert violations({"cap_usd_per_month": 357, "enforce": "warn"}, (GROUP, "nodes", NODES)) == []


def test_a_cap_below_what_is_declared_is_a_violation() -> None:
    (text,) = violations({"cap_usd_per_month": 140}, (GROUP, "nodes", NODES))
    assert "must be at least what is paid without a request, $142.85 in a month of 31 days" in text


def test_what_has_no_price_cannot_be_capped() -> None:
    (text,) = violations({"cap_usd_per_month": 350}, ("aws:ec2/instance:Instance", "odd", {"instanceType": "z9.huge"}))
    assert "needs a price of odd: price of ec2 z9.huge: must have a row for us-east-1" in text


def test_a_function_that_anybody_may_call_without_end_cannot_be_capped() -> None:
    url = ("aws:lambda/functionUrl:FunctionUrl", "url", {"functionName": "f", "authorizationType": "NONE"})
    (text,) = violations({"cap_usd_per_month": 350}, url, ("aws:lambda/function:Function", "gate", {"name": "f"}))
    assert "gate.reservedConcurrentExecutions: is required behind url" in text
    bounded = ("aws:lambda/function:Function", "gate", {"name": "f", "reservedConcurrentExecutions": 10})
    assert violations({"cap_usd_per_month": 350}, url, bounded) == []
    assert violations({}, url, ("aws:lambda/function:Function", "gate", {"name": "f"})) == []


@pytest.mark.parametrize("config", [{"cap_usd_per_month": -1}, {"cap_usd_per_month": 5, "currency": "EUR"}])
def test_a_cap_that_is_none_is_a_violation(config: Mapping[str, Any]) -> None:
    (text,) = violations(config, (GROUP, "nodes", NODES))
    assert "spending." in text
