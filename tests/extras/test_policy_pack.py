"""The policy pack, called as the engine calls it: which policy reports which seeded leak; unknown values."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import residency_leaks as cases
from google.protobuf import struct_pb2
from pulumi.runtime.proto import analyzer_pb2 as proto
from pulumi_policy import EnforcementLevel  # pyright: ignore[reportMissingImports] - an extra
from pulumi_policy.policy import _PolicyAnalyzerServicer  # pyright: ignore[reportMissingImports]
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE  # pyright: ignore[reportMissingImports]
from residency_leaks import HERE, LEAKS, LOCATIONS, THERE, bucket, of

from scaletozero.residency.closure import leaks
from scaletozero.residency.pack import policies
from scaletozero.residency.resource import UNKNOWN, DeclaredResource
from scaletozero.settings.residency import Coverage, Residency

TODAY = date(2026, 11, 28)
CONFIG: dict[str, Any] = {"regions": [HERE], "locations": LOCATIONS}
RESIDENCY = Residency.model_validate(CONFIG)


def structure(value: Any) -> Any:
    if value is UNKNOWN:
        return UNKNOWN_STRING_VALUE
    if isinstance(value, Mapping):
        return {key: structure(each) for key, each in value.items()}
    return [structure(each) for each in value] if isinstance(value, list) else value


def properties(values: Mapping[str, Any]) -> struct_pb2.Struct:
    found = struct_pb2.Struct()
    found.update(structure(values))
    return found


def provider(resource: DeclaredResource) -> proto.AnalyzerProviderResource | None:
    if resource.region is None:
        return None
    package = resource.type.partition(":")[0]
    kind, urn = f"pulumi:providers:{package}", f"urn:pulumi:prod::own::pulumi:providers:{package}::default"
    return proto.AnalyzerProviderResource(
        type=kind, urn=urn, name="default", properties=properties({"region": resource.region})
    )


def pack(config: Mapping[str, Any] | None = CONFIG, levels: Mapping[str, Any] | None = None) -> Any:
    known = policies(lambda: TODAY)
    servicer = _PolicyAnalyzerServicer("residency", "1.0.0", known, EnforcementLevel.MANDATORY)
    request = proto.ConfigureAnalyzerRequest()
    for policy in known if config is not None else []:
        request.policyConfig[policy.name].enforcementLevel = (levels or {}).get(policy.name, proto.MANDATORY)
        request.policyConfig[policy.name].properties.update(structure(config))
    servicer.Configure(request, None)
    return servicer


def resource_policies(servicer: Any, resource: DeclaredResource) -> list[Any]:
    request = proto.AnalyzeRequest(
        type=resource.type,
        urn=resource.urn,
        name=resource.name,
        properties=properties(resource.properties),
        provider=provider(resource),
    )
    return list(servicer.Analyze(request, None).diagnostics)


def stack_policies(servicer: Any, resources: Iterable[DeclaredResource]) -> list[Any]:
    rows = [
        proto.AnalyzerResource(
            type=each.type,
            urn=each.urn,
            name=each.name,
            properties=properties(each.properties),
            provider=provider(each),
            propertyDependencies={
                key: proto.AnalyzerPropertyDependencies(urns=list(urns)) for key, urns in each.depends.items()
            },
        )
        for each in resources
    ]
    return list(servicer.AnalyzeStack(proto.AnalyzeStackRequest(resources=rows), None).diagnostics)


@pytest.fixture(scope="module")
def servicer() -> Any:
    return pack()


@pytest.mark.parametrize("case", LEAKS)
def test_a_leak_is_reported_as_mandatory_by_the_policies_that_see_it(case: str, servicer: Any) -> None:
    resources, _ = LEAKS[case]
    alone = [found for each in resources for found in resource_policies(servicer, each)]
    together = stack_policies(servicer, resources)
    reported = [*alone, *together]
    assert reported
    assert {found.enforcementLevel for found in reported} == {proto.MANDATORY}
    told = "\n".join(found.message for found in reported)
    for leak in leaks(resources, RESIDENCY, TODAY):
        assert str(leak.finding) in told


@pytest.mark.parametrize("case", LEAKS)
def test_the_table_of_leaks_says_which_policy_sees_it(case: str, servicer: Any) -> None:
    alone = any(resource_policies(servicer, each) for each in LEAKS[case][0])
    page = (Path(__file__).resolve().parents[2] / "docs/residency-leaks.md").read_text()
    (row,) = (line for line in page.splitlines() if line.startswith(f"| {case} |"))
    assert row.split(" | ")[3] == ("resource" if alone else "stack")


def test_the_stack_policy_adds_only_what_no_resource_shows_by_itself(servicer: Any) -> None:
    resources = [bucket("copy", THERE), cases.of("aws:kms/key:Key", "k", multiRegion=True)]
    rule = of(
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig", "r", rules=[{"destination": {"bucket": "copy"}}]
    )
    (found,) = stack_policies(servicer, [*resources, rule])
    assert found.policyName == "residency-closure"
    assert "r.rules[0].destination.bucket" in found.message
    assert resource_policies(servicer, rule) == []


def test_an_unknown_region_stays_mandatory(servicer: Any) -> None:
    (found,) = resource_policies(servicer, of("aws:sqs/queue:Queue", region=UNKNOWN))
    assert found.enforcementLevel == proto.MANDATORY
    assert "only known after deployment" in found.message
    found = resource_policies(servicer, of("aws:sqs/queue:Queue", region=HERE, name_=UNKNOWN))
    assert found == []


def test_an_unknown_value_leads_where_it_comes_from(servicer: Any) -> None:
    there, here = of("aws:s3/bucket:Bucket", "copy", THERE), of("aws:s3/bucket:Bucket", "copy", HERE)
    rule = of(
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig", "r", rules=[{"destination": {"bucket": UNKNOWN}}]
    )
    rule = DeclaredResource(rule.type, rule.name, rule.properties, HERE, urn=rule.urn, depends={"rules": [there.urn]})
    messages = [found.message for found in stack_policies(servicer, [there, rule])]
    assert any("copy in us-east-1" in each for each in messages)
    assert stack_policies(servicer, [here, rule]) == []


def test_what_a_service_chooses_is_unknown_at_a_preview_and_no_finding(servicer: Any) -> None:
    subnet = of("aws:ec2/subnet:Subnet", availabilityZone=UNKNOWN, arn=UNKNOWN, region=HERE)
    assert stack_policies(servicer, [subnet]) == []


def test_a_coverage_can_be_advice_or_off() -> None:
    key = of("aws:kms/key:Key", multiRegion=True)
    (advice,) = resource_policies(pack(levels={"residency-keys": proto.ADVISORY}), key)
    assert advice.enforcementLevel == proto.ADVISORY
    assert resource_policies(pack(levels={"residency-keys": proto.DISABLED}), key) == []


def test_an_exception_applies_until_it_expires() -> None:
    key = of("aws:kms/key:Key", multiRegion=True)
    row = {"allow": "x.multiRegion", "reason": "r", "approver": "a", "expires": "2026-12-31"}
    assert resource_policies(pack({**CONFIG, "exceptions": [row]}), key) == []
    over = pack({**CONFIG, "exceptions": [{**row, "expires": "2026-11-01"}]})
    assert len(resource_policies(over, key)) == 1
    (found,) = (each for each in stack_policies(over, [key]) if each.policyName == "residency-exceptions")
    assert "residency.exceptions.0.expires" in found.message


@pytest.mark.parametrize(
    "config, said",
    [(None, "is required, in the policy's configuration"), ({"geography": "europe"}, "must be one of eu, uk")],
)
def test_no_residency_or_a_wrong_one_is_a_violation(config: Any, said: str) -> None:
    found = resource_policies(pack(config), of("aws:sqs/queue:Queue"))
    assert len(found) == len(Coverage)
    assert all(said in each.message and each.enforcementLevel == proto.MANDATORY for each in found)


def test_the_residency_of_the_stacks_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = json.dumps({"region": HERE, "residency": {"regions": [HERE]}})
    for key, value in {"PULUMI_PROJECT": "own", "PULUMI_STACK": "prod", "PULUMI_DRY_RUN": "true"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"own:environment": environment}))
    (found,) = resource_policies(pack(None), of("aws:sqs/queue:Queue", region=THERE))
    assert f"must stay within the residency, {HERE}" in found.message


def test_a_policy_names_its_framework_and_its_severity() -> None:
    known = {each.name: each for each in pack().GetAnalyzerInfo(None, None).policies}
    assert set(known) == {f"residency-{each.value}" for each in Coverage} | {
        "residency-closure",
        "residency-exceptions",
    }
    assert known["residency-keys"].framework.reference == "A.8.24"
    assert known["residency-compute"].framework.name == "DORA"
    assert all(each.severity for each in known.values())
    assert all("regions" in each.configSchema.properties for each in known.values())


def test_the_pack_is_a_folder_that_the_engine_loads() -> None:
    folder = Path(__file__).resolve().parents[2] / "stacks/policy"
    assert "runtime: python" in (folder / "PulumiPolicy.yaml").read_text()
    assert (folder / "requirements.txt").read_text().strip() == "scaletozero[policy]"
    assert "policies()" in (folder / "__main__.py").read_text()
