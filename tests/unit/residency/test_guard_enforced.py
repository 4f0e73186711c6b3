"""The guard's documents, decided as AWS decides: what leaves is denied without Pulumi, and what stays is not."""

from typing import Any

import pytest

from model_packaging.validation import parse
from scaletozero.residency import guard
from scaletozero.sandbox.aws.iam.document import Policy, PolicyType, read_policy
from scaletozero.sandbox.aws.iam.evaluate import Policies, Principal, Request, decide
from scaletozero.settings.residency import Residency

ACCOUNT, HERE, THERE = "111122223333", "eu-central-1", "us-east-1"
ROLE = Principal(f"arn:aws:iam::{ACCOUNT}:role/gateway", f"arn:aws:sts::{ACCOUNT}:assumed-role/gateway/s")
EVERYTHING = read_policy({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
PROFILE = f"arn:aws:bedrock:{HERE}:{ACCOUNT}:inference-profile/"
ONE = parse(Residency, {"regions": [HERE]})
EU = parse(Residency, {"geography": "eu"})

DENIED: dict[str, tuple[Residency, str, dict[str, str]]] = {
    "a bucket in another Region": (ONE, "s3:CreateBucket", {"aws:requestedregion": THERE}),
    "a queue in another Region": (ONE, "sqs:CreateQueue", {"aws:requestedregion": THERE}),
    "a key in another Region": (ONE, "kms:CreateKey", {"aws:requestedregion": THERE}),
    "a call that names no Region": (ONE, "bedrock:InvokeModel", {}),
    "global inference": (ONE, "bedrock:InvokeModel", {"aws:requestedregion": "unspecified"}),
    "global inference in a geography": (EU, "bedrock:InvokeModel", {"aws:requestedregion": "unspecified"}),
    "a global profile, called inside": (
        EU, "bedrock:InvokeModel",
        {"aws:requestedregion": HERE, "bedrock:inferenceprofilearn": f"{PROFILE}global.anthropic.claude"},
    ),
    "a geographic profile in an environment of one Region": (
        ONE, "bedrock:InvokeModelWithResponseStream",
        {"aws:requestedregion": HERE, "bedrock:inferenceprofilearn": f"{PROFILE}eu.anthropic.claude"},
    ),
    "another geography's profile": (
        EU, "bedrock:InvokeModel",
        {"aws:requestedregion": HERE, "bedrock:inferenceprofilearn": f"{PROFILE}us.anthropic.claude"},
    ),
    "a backup's copy": (
        ONE, "backup:StartCopyJob",
        {"aws:requestedregion": HERE, "backup:copytargets": f"arn:aws:backup:{THERE}:{ACCOUNT}:backup-vault:v"},
    ),
    "an inference router": (ONE, "sagemaker:CreateInferenceRouter", {"aws:requestedregion": HERE}),
    **{
        f"{action}, called inside": (EU, action, {"aws:requestedregion": HERE})
        for action in guard.SENDING_ACTIONS
    },
}  # fmt: skip
ALLOWED: dict[str, tuple[Residency, str, dict[str, str]]] = {
    "a bucket in the Region": (ONE, "s3:CreateBucket", {"aws:requestedregion": HERE}),
    "a bucket of the geography": (EU, "s3:CreateBucket", {"aws:requestedregion": "eu-west-1"}),
    "a role": (ONE, "iam:CreateRole", {"aws:requestedregion": THERE}),
    "a budget": (ONE, "budgets:ModifyBudget", {"aws:requestedregion": THERE}),
    "an endpoint": (ONE, "sagemaker:InvokeEndpoint", {"aws:requestedregion": HERE}),
    "a model in the Region": (ONE, "bedrock:InvokeModel", {"aws:requestedregion": HERE}),
    "a profile of the geography": (
        EU, "bedrock:InvokeModel",
        {"aws:requestedregion": "eu-north-1", "bedrock:inferenceprofilearn": f"{PROFILE}eu.anthropic.claude"},
    ),
    "a backup's copy inside": (
        EU, "backup:StartCopyJob",
        {"aws:requestedregion": HERE, "backup:copytargets": f"arn:aws:backup:eu-west-1:{ACCOUNT}:backup-vault:v"},
    ),
}  # fmt: skip


def bounded(residency: Residency, action: str, context: dict[str, str]) -> bool:
    policies = Policies((EVERYTHING,), boundary=read_policy(guard.boundary(residency)))
    return decide(Request(action, "*", ROLE, context), policies).allowed


def controlled(residency: Residency, action: str, context: dict[str, str]) -> bool:
    level = (EVERYTHING, read_policy(guard.service_control_policy(residency)))
    return decide(Request(action, "*", ROLE, context), Policies((EVERYTHING,), controls=(level,))).allowed


@pytest.mark.parametrize("case", DENIED)
def test_what_leaves_is_denied_by_the_boundary_and_by_the_organisation(case: str) -> None:
    residency, action, context = DENIED[case]
    assert decide(Request(action, "*", ROLE, context), Policies((EVERYTHING,))).allowed
    assert not bounded(residency, action, context)
    assert not controlled(residency, action, context)


@pytest.mark.parametrize("case", ALLOWED)
def test_what_stays_is_not_denied(case: str) -> None:
    residency, action, context = ALLOWED[case]
    assert bounded(residency, action, context)
    assert controlled(residency, action, context)


def resource(document: dict[str, Any]) -> Policy:
    return read_policy(document, PolicyType.RESOURCE)


@pytest.mark.parametrize(
    "action, context, expected",
    [
        ("kms:Decrypt", {"kms:viaservice": f"s3.{HERE}.amazonaws.com"}, True),
        ("kms:Decrypt", {"kms:viaservice": f"s3.{THERE}.amazonaws.com"}, False),
        ("kms:Decrypt", {}, False),
        ("kms:GenerateDataKey", {"kms:viaservice": f"sqs.{HERE}.amazonaws.com"}, True),
        ("kms:DescribeKey", {}, True),
        ("kms:ReplicateKey", {}, False),
        ("kms:UpdatePrimaryRegion", {}, False),
    ],
)
def test_a_key_is_of_use_in_its_region_only(action: str, context: dict[str, str], expected: bool) -> None:
    policies = Policies((EVERYTHING,), resource=resource(guard.key_policy(HERE, ACCOUNT)), resource_decides=True)
    key = f"arn:aws:kms:{HERE}:{ACCOUNT}:key/1"
    inside = {"aws:principalisawsservice": "false", **context}
    assert decide(Request(action, key, ROLE, inside), policies).allowed == expected


INSIDE = {
    "aws:securetransport": "true",
    "aws:principalorgid": "o-1",
    "aws:sourcevpce": "vpce-1",
    "aws:principalisawsservice": "false",
    "aws:viaawsservice": "false",
}


@pytest.mark.parametrize(
    "action, context, expected",
    [
        ("s3:GetObject", {}, True),
        ("s3:GetObject", {"aws:securetransport": "false"}, False),
        ("s3:GetObject", {"aws:principalorgid": "o-2"}, False),
        ("s3:GetObject", {"aws:sourcevpce": "vpce-2"}, False),
        ("s3:GetObject", {"aws:sourcevpce": "vpce-2", "aws:viaawsservice": "true"}, True),
        ("s3:PutReplicationConfiguration", {}, False),
    ],
)
def test_a_bucket_is_reached_from_inside_only(action: str, context: dict[str, str], expected: bool) -> None:
    document = guard.bucket_policy("b", HERE, organization="o-1", endpoints=["vpce-1"])
    target = "arn:aws:s3:::b" if "Replication" in action else "arn:aws:s3:::b/k"
    request = Request(action, target, ROLE, {**INSIDE, **context})
    assert decide(request, Policies((EVERYTHING,), resource=resource(document))).allowed == expected
