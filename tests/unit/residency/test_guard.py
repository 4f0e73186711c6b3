"""The documents for AWS: what each denies, that its actions exist, and that it fits into what AWS takes."""

import json
from typing import Any

import pytest
from botocore.loaders import Loader
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.validation import parse
from scaletozero.residency import guard
from scaletozero.settings.geographies import GEOGRAPHIES
from scaletozero.settings.residency import Residency

ACCOUNT = "111122223333"
ONE = parse(Residency, {"regions": ["eu-central-1"]})
EU = parse(Residency, {"geography": "eu"})


def by_sid(document: dict[str, Any]) -> dict[str, Any]:
    return {each["Sid"]: each for each in document["Statement"]}


@given(st.sampled_from(sorted(GEOGRAPHIES)))
def test_documents_fit_into_what_aws_takes(geography: str) -> None:
    residency = parse(Residency, {"geography": geography})
    assert len(json.dumps(guard.service_control_policy(residency))) <= guard.LARGEST_SCP
    dense = json.dumps(guard.boundary(residency), separators=(",", ":"))
    assert len(dense) <= guard.LARGEST_MANAGED_POLICY
    sids = [each["Sid"] for each in guard.boundary(residency)["Statement"]]
    assert len(sids) == len(set(sids))
    assert all(sid.isalnum() for sid in sids)


def test_other_regions_are_denied_but_for_what_has_none() -> None:
    statement = by_sid(guard.service_control_policy(EU))["DenyOtherRegions"]
    assert statement["Condition"] == {"StringNotEquals": {"aws:RequestedRegion": list(GEOGRAPHIES["eu"])}}
    for exempt in ("kms:*", "config:*", "sts:*", "s3:*"):
        assert exempt not in statement["NotAction"]


def test_a_boundary_grants_and_an_organisations_policy_only_denies() -> None:
    assert {each["Effect"] for each in guard.service_control_policy(ONE)["Statement"]} == {"Deny"}
    allowed = [each for each in guard.boundary(ONE)["Statement"] if each["Effect"] == "Allow"]
    assert [each["Action"] for each in allowed] == ["*"]
    assert guard.boundary(ONE)["Statement"][1:] == guard.service_control_policy(ONE)["Statement"]


def test_global_and_foreign_profiles_are_denied_and_the_own_geography_is_not() -> None:
    for residency, own in ((ONE, None), (EU, "eu")):
        condition = by_sid(guard.boundary(residency))["DenyForeignProfiles"]["Condition"]
        arns = condition["ArnLike"]["bedrock:InferenceProfileArn"]
        assert "arn:aws:bedrock:*:*:inference-profile/global.*" in arns
        assert ("arn:aws:bedrock:*:*:inference-profile/eu.*" in arns) == (own is None)


def test_routers_are_denied_where_there_is_one_region() -> None:
    assert "DenyInferenceRouters" in by_sid(guard.boundary(ONE))
    assert "DenyInferenceRouters" not in by_sid(guard.boundary(EU))


def operations(service: str) -> set[str]:
    return set(Loader().load_service_model(service, "service-2")["operations"])


NOT_CALLS = {"s3:PutReplicationConfiguration", "s3:CreateMultiRegionAccessPoint", "s3:PutMultiRegionAccessPointRoutes"}
"""Actions whose names differ from their operations' (Service Authorization Reference, Amazon S3)."""


@pytest.mark.parametrize("action", [*guard.SENDING_ACTIONS, *guard.ROUTERS[:2]])
def test_every_denied_action_is_one(action: str) -> None:
    service, _, name = action.partition(":")
    if action == "dynamodb:CreateTableReplica":  # a permission that `UpdateTable` asks for
        name = "UpdateTable"
    if action in NOT_CALLS:
        service, name = (
            ("s3", "PutBucketReplication")
            if "Replication" in name
            else (
                "s3control",
                name.removeprefix("Put").replace("Multi", "SubmitMulti") if name.startswith("Put") else name,
            )
        )
    assert name in operations(service)


def test_a_bucket_takes_its_own_network_and_organisation() -> None:
    plain = by_sid(guard.bucket_policy("b", "eu-central-1"))
    assert set(plain) == {"TlsOnly", "NeverReplicated"}
    whole = by_sid(guard.bucket_policy("b", "eu-central-1", organization="o-1", endpoints=["vpce-1"]))
    assert whole["OrganizationOnly"]["Condition"]["StringNotEquals"] == {"aws:PrincipalOrgID": "o-1"}
    assert whole["OwnNetworkOnly"]["Condition"]["BoolIfExists"]["aws:ViaAWSService"] == "false"
    assert whole["TlsOnly"]["Resource"] == ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]


@pytest.mark.parametrize(
    "region, host, partition",
    [
        ("eu-central-1", "s3.eu-central-1.amazonaws.com", "aws"),
        ("eusc-de-east-1", "s3.eusc-de-east-1.amazonaws.eu", "aws-eusc"),
        ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn", "aws-cn"),
    ],
)
def test_a_key_is_of_use_through_services_of_its_region(region: str, host: str, partition: str) -> None:
    policy = by_sid(guard.key_policy(region, ACCOUNT))
    using = policy["OnlyThroughServicesOfTheRegion"]
    assert host in using["Condition"]["StringNotEquals"]["kms:ViaService"]
    assert policy["Account"]["Principal"]["AWS"] == f"arn:{partition}:iam::{ACCOUNT}:root"
    assert "kms:ReplicateKey" in policy["NeverReplicated"]["Action"]


def test_a_vpc_endpoint_takes_the_account_and_the_layers_of_its_images() -> None:
    assert set(by_sid(guard.endpoint_policy("eu-central-1", ACCOUNT))) == {"Own"}
    layers = by_sid(guard.endpoint_policy("eu-central-1", ACCOUNT, images=True))["Layers"]
    assert layers["Resource"] == "arn:aws:s3:::prod-eu-central-1-starport-layer-bucket/*"
