"""The closure: every seeded leak is found at its path, nothing else is, and clean declarations pass."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import residency_leaks as cases
from hypothesis import given, settings
from hypothesis import strategies as st
from residency_leaks import ACCOUNT, HERE, LEAKS, LOCATIONS, THERE, clean, ecr, of

from model_packaging.validation import parse
from scaletozero.residency.closure import expired, findings, leaks
from scaletozero.residency.resource import UNKNOWN, DeclaredResource
from scaletozero.settings.geographies import GEOGRAPHIES
from scaletozero.settings.residency import Coverage, Residency

TODAY = date(2026, 11, 28)


def residency(**more: Any) -> Residency:
    given: dict[str, Any] = {"regions": [HERE]} if "geography" not in more and "regions" not in more else {}
    return parse(Residency, {**given, "locations": LOCATIONS, **more})


def test_there_are_at_least_sixty_leaks() -> None:
    assert len(LEAKS) >= 60


@pytest.mark.parametrize("case", LEAKS)
def test_a_leak_is_found_at_its_path(case: str) -> None:
    resources, path = LEAKS[case]
    found = leaks(resources, residency(), TODAY)
    hit = [
        leak
        for leak in found
        if leak.finding.path == path
        or leak.finding.path.startswith(f"{path}.")
        or leak.finding.path.startswith(f"{path}[")
    ]
    assert hit, [str(leak.finding) for leak in found]
    for leak in hit:
        assert HERE in leak.finding.rule
        assert leak.finding.got
        assert leak.finding.consequence
        assert leak.finding.fix


@pytest.mark.parametrize("case", LEAKS)
def test_an_exception_lets_it_through_until_it_expires(case: str) -> None:
    resources, _ = LEAKS[case]
    found = leaks(resources, residency(), TODAY)
    rows = [
        {"allow": leak.finding.path.replace("[", "[[]"), "reason": "r", "approver": "a", "expires": "2026-11-28"}
        for leak in found
    ]
    excepted = residency(exceptions=rows)
    assert findings(resources, excepted, TODAY) == []
    later = findings(resources, excepted, date(2026, 11, 29))
    assert len(later) == 2 * len(rows)
    assert all(any(each.path == leak.finding.path for each in later) for leak in found)


@pytest.mark.parametrize("case", LEAKS)
def test_what_is_not_covered_is_not_held_to_it(case: str) -> None:
    resources, _ = LEAKS[case]
    found = {leak.covers for leak in leaks(resources, residency(), TODAY)}
    others = [each.value for each in Coverage if each not in found]
    assert leaks(resources, residency(covers=others), TODAY) == []


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([(g, r) for g, regions in GEOGRAPHIES.items() for r in regions]),
    st.booleans(),
    st.sets(st.integers(0, 15)),
)
def test_a_clean_environment_passes(case: tuple[str, str], whole: bool, left_out: set[int]) -> None:
    geography, region = case
    resources = [each for index, each in enumerate(clean(region)) if index == 0 or index not in left_out]
    where: dict[str, Any] = {"geography": geography} if whole else {"regions": [region]}
    # The ECR hosts and topics of the declarations are those of the Region's own partition.
    locations = {"models": region, "models-eu": region}
    held = parse(Residency, {**where, "locations": locations})
    fitting = [replace(each, properties=_image(each.properties, region)) for each in resources]
    assert [str(each) for each in findings(fitting, held, TODAY)] == []


def _image(properties: Any, region: str) -> Any:
    """Deployments of the cases are of one Region; here each has its own."""
    if isinstance(properties, dict):
        return {key: _image(each, region) for key, each in properties.items()}
    if isinstance(properties, list):
        return [_image(each, region) for each in properties]
    return ecr(region) if properties == ecr(HERE) else properties


REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"


def replicated(to: DeclaredResource | None) -> list[DeclaredResource]:
    rule = of(REPLICATION, "rule", rules=[{"destination": {"bucket": UNKNOWN}}])
    return [replace(rule, depends={"rules": [to.urn] if to else []}), *([to] if to else [])]


def test_a_value_that_is_not_known_yet_leads_where_the_resource_is_that_it_comes_from() -> None:
    there = of("aws:s3/bucket:Bucket", "copy", THERE)
    (leak,) = (each for each in leaks(replicated(there), residency(), TODAY) if each.name == "rule")
    assert leak.finding.got == f"{HERE} -> copy in {THERE}"
    assert leaks(replicated(of("aws:s3/bucket:Bucket", "copy", HERE)), residency(), TODAY) == []


def test_a_value_that_is_not_known_and_comes_from_nowhere_is_a_finding_unless_it_is_declared() -> None:
    (leak,) = leaks(replicated(None), residency(), TODAY)
    assert "only known after deployment" in leak.finding.got
    path = "rule.rules[0].destination.bucket"
    assert leaks(replicated(None), residency(locations={path: HERE}), TODAY) == []
    assert leaks(replicated(None), residency(locations={path: THERE}), TODAY)


def test_seen_alone_a_resource_leaves_others_to_whoever_sees_them() -> None:
    assert leaks(replicated(None), residency(), TODAY, partial=True) == []
    assert leaks([of("aws:sqs/queue:Queue", region=UNKNOWN)], residency(), TODAY, partial=True)


def test_an_attested_host_of_the_geography_passes_until_it_expires() -> None:
    resources, _ = LEAKS["gpu: a fallback's host of the geography, not attested"]
    row = {"subject": "eu.api.openai.com", "statement": "zero data retention", "reference": "contract 12"}
    attested = residency(geography="eu", attestations=[{**row, "date": "2026-01-01", "expires": "2026-12-31"}])
    assert findings(resources, attested, TODAY) == []
    assert len(findings(resources, attested, date(2027, 1, 1))) == 2
    (leak,) = leaks(resources, residency(geography="eu"), TODAY)
    assert "without an attestation" in leak.finding.got


def test_a_profile_of_the_geography_is_for_environments_of_the_geography() -> None:
    model = {"variables": {"MODEL": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"}}
    resources = [of(cases.LAMBDA, environment=model)]
    assert leaks(resources, residency(geography="eu"), TODAY) == []
    (leak,) = leaks(resources, residency(), TODAY)
    assert "write `anthropic.claude-sonnet-4-5-20250929-v1:0`" in leak.finding.fix


def test_the_sovereign_partition_takes_its_own_hosts_only() -> None:
    sovereign = residency(geography="eu-sovereign")
    assert (
        leaks(
            [of(cases.MODEL, region="eusc-de-east-1", primaryContainer={"image": ecr("eusc-de-east-1")})],
            sovereign,
            TODAY,
        )
        == []
    )
    assert leaks([of(cases.MODEL, region="eusc-de-east-1", primaryContainer={"image": ecr(HERE)})], sovereign, TODAY)


def test_what_expired_is_named() -> None:
    row = {"allow": "a", "reason": "r", "approver": "a", "expires": "2026-11-27"}
    (found,) = expired(residency(exceptions=[row]), TODAY, "environment.residency")
    assert str(found).startswith("environment.residency.exceptions.0.expires: must not have expired on 2026-11-28")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
        max_leaves=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_form_of_a_property_breaks_it(value: Any) -> None:
    for row in (
        REPLICATION,
        cases.CONFIG,
        "aws:cloudwatch/dashboard:Dashboard",
        "aws:apigateway/restApi:RestApi",
        cases.DEPLOYMENT,
    ):
        properties = {
            "rules": value,
            "dashboardBody": value,
            "endpointConfiguration": value,
            "asyncInferenceConfig": value,
            "spec": value,
        }
        leaks([of(row, **properties)], residency(), TODAY)


def test_a_secret_value_is_in_no_finding() -> None:
    assert ACCOUNT not in str(leaks(replicated(None), residency(), TODAY)[0].finding)
