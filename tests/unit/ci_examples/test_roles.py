"""The roles of `examples/ci/roles.py`: who may take them, and what they may do, decided as AWS decides."""

import json
import runpy
from typing import Any

import pytest
from workbench import ROOT

from scaletozero.sandbox.aws.iam.document import read_policy
from scaletozero.sandbox.aws.iam.evaluate import Policies, Principal, Request, applies, decide

PROGRAM = runpy.run_path(str(ROOT / "examples" / "ci" / "roles.py"))
ACCOUNT, REGION = "111122223333", "eu-central-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/secrets"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
GITHUB, GITLAB = PROGRAM["HOSTS"]["github"], PROGRAM["HOSTS"]["gitlab"]
ISSUER = "token.actions.githubusercontent.com"
PIPELINE = Principal(f"arn:aws:iam::{ACCOUNT}:role/deploy", f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/s")


def declared(run, host: str = "github", provider_arn: str = "") -> Any:
    main, hosts = PROGRAM["main"], PROGRAM["HOSTS"]
    return run(lambda: main(hosts[host], "acme/models", "acme-state", KEY, provider_arn)["deploy"].arn)


def test_a_provider_and_two_roles(run) -> None:
    done = declared(run)
    provider = done.one(":OpenIdConnectProvider")
    assert (provider["url"], provider["clientIdLists"]) == (f"https://{ISSUER}", ["sts.amazonaws.com"])
    roles = {each.name: each.inputs for each in done.of(":Role")}
    assert set(roles) == {"deploy", "preview"}
    assert {each["maxSessionDuration"] for each in roles.values()} == {3600}
    assert len(done.of(":RolePolicy")) == 2


def test_an_account_s_own_provider_is_not_made_again(run) -> None:
    done = declared(run, provider_arn=PROVIDER)
    assert done.of(":OpenIdConnectProvider") == []
    trusts = [json.loads(each.inputs["assumeRolePolicy"]) for each in done.of(":Role")]
    assert {each["Statement"][0]["Principal"]["Federated"] for each in trusts} == {PROVIDER}


def test_gitlab_has_one_for_its_default_branch_alone(run) -> None:
    (role,) = declared(run, "gitlab", PROVIDER).of(":Role")
    (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {
            "gitlab.com:aud": "https://gitlab.com",
            "gitlab.com:sub": "project_path:acme/models:ref_type:branch:ref:main",
        }
    }


def taken(subject: str, context: dict[str, str]) -> bool:
    """Whether a token with these claims is let into the role that trusts a subject."""
    document = json.loads(PROGRAM["trust"](GITHUB, PROVIDER, subject))
    (statement,) = document["Statement"]
    assert statement["Principal"] == {"Federated": PROVIDER}
    # Its condition alone, which is the same in a policy of an identity.
    alone = {"Effect": "Allow", "Action": statement["Action"], "Resource": "*", "Condition": statement["Condition"]}
    (read,) = read_policy({"Version": document["Version"], "Statement": [alone]}).statements
    return applies(read, Request("sts:AssumeRoleWithWebIdentity", "*", PIPELINE, context))


MAIN = "repo:acme/models:ref:refs/heads/main"
PULL_REQUEST = "repo:acme/models:pull_request"
AUDIENCE = {f"{ISSUER}:aud": "sts.amazonaws.com"}


@pytest.mark.parametrize("subject", [MAIN, PULL_REQUEST])
def test_its_own_subject_is_let_in(subject: str) -> None:
    assert taken(subject, {**AUDIENCE, f"{ISSUER}:sub": subject})


@pytest.mark.parametrize(
    "claims",
    [
        {**AUDIENCE, f"{ISSUER}:sub": PULL_REQUEST},
        {**AUDIENCE, f"{ISSUER}:sub": "repo:acme/models:ref:refs/heads/main2"},
        {**AUDIENCE, f"{ISSUER}:sub": "repo:acme/models:ref:refs/heads/feature"},
        {**AUDIENCE, f"{ISSUER}:sub": "repo:acme/models:ref:refs/tags/main"},
        {**AUDIENCE, f"{ISSUER}:sub": "repo:acme/models:environment:main"},
        {**AUDIENCE, f"{ISSUER}:sub": "repo:acme/other:ref:refs/heads/main"},
        {**AUDIENCE, f"{ISSUER}:sub": "repo:evil/models:ref:refs/heads/main"},
        {**AUDIENCE, f"{ISSUER}:sub": "REPO:ACME/MODELS:REF:REFS/HEADS/MAIN"},
        {f"{ISSUER}:aud": "https://github.com/acme", f"{ISSUER}:sub": MAIN},
        {f"{ISSUER}:sub": MAIN},
        AUDIENCE,
        {},
    ],
)
def test_nobody_else_is(claims: dict[str, str]) -> None:
    assert not taken(MAIN, claims)


def may(document: str, action: str, resource: str = "*", **context: str) -> bool:
    where = {"aws:requestedregion": REGION, **{key.replace("_", ":"): value for key, value in context.items()}}
    return decide(Request(action, resource, PIPELINE, where), Policies((read_policy(document),))).allowed


STATE, STACK = "arn:aws:s3:::acme-state", "arn:aws:s3:::acme-state/.pulumi/stacks/models/prod-eu.json"


def test_a_preview_reads_the_state_and_does_nothing_else() -> None:
    document = PROGRAM["may_preview"]("acme-state", KEY)
    assert may(document, "s3:ListBucket", STATE)
    assert may(document, "s3:GetObject", STACK)
    assert may(document, "kms:Decrypt", KEY)
    for action, resource in (
        ("s3:PutObject", STACK),
        ("s3:DeleteObject", STACK),
        ("s3:GetObject", "arn:aws:s3:::customers/1.json"),
        ("kms:Encrypt", KEY),
        ("kms:Decrypt", KEY.replace("secrets", "other")),
        ("sagemaker:CreateEndpoint", "*"),
        ("sagemaker:InvokeEndpoint", "*"),
        ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/a-role-1"),
        ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/deploy"),
    ):
        assert not may(document, action, resource), action


def test_a_deployment_may_what_it_declares_and_no_more() -> None:
    document = PROGRAM["may_deploy"]("acme-state", KEY, ACCOUNT)
    role = f"arn:aws:iam::{ACCOUNT}:role/sentences-role-1a2b3c4"
    assert may(document, "s3:PutObject", STACK)
    assert may(document, "s3:PutObject", "arn:aws:s3:::artifacts-1a2b3c4/models/a/model.tar.gz")
    assert may(document, "sagemaker:CreateEndpoint")
    assert may(document, "iam:CreateRole", role)
    assert may(document, "iam:PassRole", role, iam_passedtoservice="sagemaker.amazonaws.com")
    assert not may(document, "iam:PassRole", role, iam_passedtoservice="ec2.amazonaws.com")
    assert not may(document, "iam:PassRole", role)
    assert not may(document, "sagemaker:CreateEndpoint", aws_requestedregion="us-east-1")
    for action, resource in (
        ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/a"),
        ("iam:AttachRolePolicy", role),
        ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/admin"),
        ("iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/deploy"),
        ("s3:GetObject", "arn:aws:s3:::customers/1.json"),
        ("s3:DeleteBucket", STATE),
        ("ec2:RunInstances", "*"),
    ):
        assert not may(document, action, resource), action
