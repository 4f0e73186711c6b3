"""Decisions, on the examples that AWS documents (IAM User Guide, examples of policies and the evaluation logic)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.sandbox.aws.iam.document import Policy, PolicyType, read_policy
from scaletozero.sandbox.aws.iam.evaluate import Policies, Principal, Request, decide, denied_message

ACCOUNT = "123456789012"
USER = Principal(f"arn:aws:iam::{ACCOUNT}:user/JohnDoe")
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/example"
SESSION_ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/example/session"
ROLE = Principal(ROLE_ARN, SESSION_ARN)


def policy(*statements: dict[str, Any], type_: PolicyType = PolicyType.IDENTITY) -> Policy:
    return read_policy({"Version": "2012-10-17", "Statement": list(statements)}, type_)


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def allowed(identity: Policy, action: str, resource: str = "*", principal: Principal = USER, /, **context: Any) -> bool:
    request = Request(action, resource, principal, {key.replace("__", ":"): value for key, value in context.items()})
    return decide(request, Policies((identity,))).allowed


ALL = policy(allow("*"))
DENY_OUTSIDE_REGIONS = {
    "Sid": "DenyAllOutsideRequestedRegions",
    "Effect": "Deny",
    "NotAction": ["cloudfront:*", "iam:*", "route53:*", "support:*"],
    "Resource": "*",
    "Condition": {"StringNotEquals": {"aws:RequestedRegion": ["eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3"]}},
}


@pytest.mark.parametrize(
    "action, context, expected",
    [
        ("s3:CreateBucket", {"aws:requestedregion": "eu-west-1"}, True),
        ("s3:CreateBucket", {"aws:requestedregion": "us-east-1"}, False),
        ("iam:CreateUser", {"aws:requestedregion": "us-east-1"}, True),
        # A global inference profile has no region, and a key that is missing is not one of those allowed.
        ("bedrock:InvokeModel", {"aws:requestedregion": "unspecified"}, False),
        ("bedrock:InvokeModel", {}, False),
    ],
)
def test_deny_outside_requested_regions(action: str, context: dict[str, str], expected: bool) -> None:
    both = policy(allow("*"), DENY_OUTSIDE_REGIONS)
    decision = decide(Request(action, "*", USER, context), Policies((both,)))
    assert decision.allowed is expected
    if not expected:
        assert decision.reason == "with an explicit deny in an identity-based policy"
        assert decision.statement
        assert decision.statement.sid == "DenyAllOutsideRequestedRegions"


def test_home_directories_by_a_variable() -> None:
    home = policy(
        allow("s3:ListBucket", "arn:aws:s3:::amzn-s3-demo-bucket", Condition={
            "StringLike": {"s3:prefix": ["", "home/", "home/${aws:username}/*"]}
        }),
        allow("s3:*", ["arn:aws:s3:::amzn-s3-demo-bucket/home/${aws:username}/*"]),
    )  # fmt: skip
    mine, theirs = (f"arn:aws:s3:::amzn-s3-demo-bucket/home/{name}/file" for name in ("JohnDoe", "Other"))
    assert allowed(home, "s3:GetObject", mine, aws__username="JohnDoe")
    assert not allowed(home, "s3:GetObject", theirs, aws__username="JohnDoe")
    assert not allowed(home, "s3:GetObject", mine)
    # What comes out of a variable is no wildcard.
    assert not allowed(home, "s3:GetObject", theirs, aws__username="*")
    bucket = "arn:aws:s3:::amzn-s3-demo-bucket"
    assert allowed(home, "s3:ListBucket", bucket, aws__username="JohnDoe", s3__prefix="home/JohnDoe/a")
    assert not allowed(home, "s3:ListBucket", bucket, aws__username="JohnDoe", s3__prefix="home/Other/a")


def test_variables_have_defaults_and_escapes() -> None:
    team = policy(allow("s3:GetObject", "arn:aws:s3:::bucket/${aws:PrincipalTag/team, 'company-wide'}/*"))
    assert allowed(team, "s3:GetObject", "arn:aws:s3:::bucket/company-wide/a")
    tagged = {"aws__principaltag/team": "yellow"}
    assert allowed(team, "s3:GetObject", "arn:aws:s3:::bucket/yellow/a", **tagged)
    assert not allowed(team, "s3:GetObject", "arn:aws:s3:::bucket/company-wide/a", **tagged)
    star = policy(allow("s3:GetObject", "arn:aws:s3:::bucket/${*}"))
    assert allowed(star, "s3:GetObject", "arn:aws:s3:::bucket/*")
    assert not allowed(star, "s3:GetObject", "arn:aws:s3:::bucket/a")


def test_a_document_of_the_first_version_has_no_variables() -> None:
    old = read_policy({"Statement": allow("s3:GetObject", "arn:aws:s3:::bucket/${aws:username}")})
    assert not allowed(old, "s3:GetObject", "arn:aws:s3:::bucket/JohnDoe", aws__username="JohnDoe")
    assert allowed(old, "s3:GetObject", "arn:aws:s3:::bucket/${aws:username}", aws__username="JohnDoe")


def test_source_address_and_calls_by_services() -> None:
    statement = {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {
            "NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24", "2001:db8::/32"]},
            "Bool": {"aws:ViaAWSService": "false"},
        },
    }
    both = policy(allow("*"), statement)
    assert allowed(both, "ec2:RunInstances", aws__sourceip="192.0.2.7", aws__viaawsservice="false")
    assert allowed(both, "ec2:RunInstances", aws__sourceip="2001:db8::1", aws__viaawsservice="false")
    assert not allowed(both, "ec2:RunInstances", aws__sourceip="198.51.100.1", aws__viaawsservice="false")
    assert allowed(both, "ec2:RunInstances", aws__sourceip="198.51.100.1", aws__viaawsservice="true")


def test_a_span_of_dates() -> None:
    dated = policy(allow("service:Action", Condition={
        "DateGreaterThan": {"aws:CurrentTime": "2020-04-01T00:00:00Z"},
        "DateLessThan": {"aws:CurrentTime": "2020-06-30T23:59:59Z"},
    }))  # fmt: skip
    assert allowed(dated, "service:Action", aws__currenttime="2020-05-01T12:00:00Z")
    assert not allowed(dated, "service:Action", aws__currenttime="2020-07-01T00:00:00Z")
    assert not allowed(dated, "service:Action", aws__currenttime="2020-03-31T23:59:59Z")
    # Seconds since the epoch are dates too.
    assert allowed(dated, "service:Action", aws__currenttime="1588334400")


def test_multi_factor_authentication_with_and_without_the_key() -> None:
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    plain = policy(allow("*"), {**deny, "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}})
    if_exists = policy(allow("*"), {**deny, "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}})
    # Long-term credentials have no such key: only IfExists denies them.
    assert allowed(plain, "ec2:StopInstances")
    assert not allowed(if_exists, "ec2:StopInstances")
    assert allowed(if_exists, "ec2:StopInstances", aws__multifactorauthpresent="true")
    assert not allowed(plain, "ec2:StopInstances", aws__multifactorauthpresent="false")


def test_keys_with_several_values() -> None:
    both = policy(allow("ec2:CreateTags", Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}))
    assert allowed(both, "ec2:CreateTags", aws__tagkeys=("a", "b"))
    assert not allowed(both, "ec2:CreateTags", aws__tagkeys=("a", "c"))
    # As AWS warns: nothing is in all values of a key that is missing.
    assert allowed(both, "ec2:CreateTags")
    some = policy(allow("ec2:CreateTags", Condition={"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}}))
    assert allowed(some, "ec2:CreateTags", aws__tagkeys=("a", "c"))
    assert not allowed(some, "ec2:CreateTags", aws__tagkeys=("c",))
    assert not allowed(some, "ec2:CreateTags")
    none = policy(allow("ec2:CreateTags", Condition={"ForAllValues:StringNotEquals": {"aws:TagKeys": ["secret"]}}))
    assert allowed(none, "ec2:CreateTags", aws__tagkeys=("a", "b"))
    assert not allowed(none, "ec2:CreateTags", aws__tagkeys=("a", "secret"))


def test_null_asks_whether_the_key_is_there() -> None:
    tagged = policy(allow("ec2:RunInstances", Condition={"Null": {"aws:RequestTag/owner": "false"}}))
    assert allowed(tagged, "ec2:RunInstances", **{"aws__requesttag/owner": "me"})
    assert not allowed(tagged, "ec2:RunInstances")


def test_tags_of_the_resource_and_of_the_principal() -> None:
    matching = policy(allow("ec2:StartInstances", Condition={
        "StringEquals": {"aws:ResourceTag/CostCenter": "${aws:PrincipalTag/CostCenter}"}
    }))  # fmt: skip
    same = {"aws__resourcetag/costcenter": "8", "aws__principaltag/costcenter": "8"}
    assert allowed(matching, "ec2:StartInstances", **same)
    assert not allowed(matching, "ec2:StartInstances", **{**same, "aws__principaltag/costcenter": "9"})
    assert not allowed(matching, "ec2:StartInstances", **{"aws__resourcetag/costcenter": "8"})


@pytest.mark.parametrize(
    "pattern, expected",
    [
        ("arn:aws:sns:eu-central-1:123456789012:topic", True),
        ("arn:aws:sns:*:123456789012:to*", True),
        ("arn:aws:sns:eu-central-1:123456789012:topi", False),
        ("arn:*:topic", False),
        ("arn:aws:sns:eu-central-?:*:topic", True),
    ],
)
def test_arns_are_compared_part_by_part(pattern: str, expected: bool) -> None:
    from_topic = policy(allow("sqs:SendMessage", Condition={"ArnLike": {"aws:SourceArn": pattern}}))
    source = "arn:aws:sns:eu-central-1:123456789012:topic"
    assert allowed(from_topic, "sqs:SendMessage", aws__sourcearn=source) is expected


@pytest.mark.parametrize(
    "operator, policy_value, request_value, expected",
    [
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericLessThanEquals", "10", "11", False),
        ("NumericGreaterThan", "10", "9.5", False),
        ("NumericEquals", "10", "10.0", True),
        ("NumericNotEquals", "10", "10", False),
        ("NumericEquals", "10", "many", False),
        ("StringEqualsIgnoreCase", "Abc", "aBC", True),
        ("StringNotEqualsIgnoreCase", "Abc", "aBC", False),
        ("StringEquals", "a*", "ab", False),
        ("StringLike", "a?c", "abc", True),
        ("StringNotLike", "a*", "abc", False),
        ("BinaryEquals", "QmluYXJ5VmFsdWVJbkJhc2U2NA==", "QmluYXJ5VmFsdWVJbkJhc2U2NA==", True),
        ("DateEquals", "2020-01-01", "2020-01-01T00:00:00+00:00", True),
        ("DateNotEquals", "2020-01-01", "2020-01-02", True),
        ("IpAddress", "192.0.2.0/24", "not an address", False),
        ("ArnNotEquals", "arn:aws:s3:::a", "arn:aws:s3:::b", True),
    ],
)
def test_operators(operator: str, policy_value: str, request_value: str, expected: bool) -> None:
    conditional = policy(allow("a:B", Condition={operator: {"aws:x": policy_value}}))
    assert allowed(conditional, "a:B", aws__x=request_value) is expected
    if_exists = policy(allow("a:B", Condition={f"{operator}IfExists": {"aws:x": policy_value}}))
    assert allowed(if_exists, "a:B", aws__x=request_value) is expected
    assert allowed(if_exists, "a:B")


def test_not_action_and_not_resource() -> None:
    but_iam = policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})
    assert allowed(but_iam, "s3:GetObject")
    assert not allowed(but_iam, "iam:createuser")
    bucket = "arn:aws:s3:::HRBucket"
    but_bucket = policy(allow("s3:*"), {
        "Effect": "Deny", "Action": "s3:*", "NotResource": [bucket, f"{bucket}/*"],
    })  # fmt: skip
    assert allowed(but_bucket, "s3:GetObject", f"{bucket}/a")
    assert not allowed(but_bucket, "s3:GetObject", "arn:aws:s3:::other/a")


def test_a_boundary_limits_and_grants_nothing() -> None:
    boundary = policy(allow(["s3:*", "cloudwatch:*", "ec2:*"]))
    create_user = Policies((policy(allow("iam:CreateUser")),), boundary)
    decision = decide(Request("iam:CreateUser", "*", USER), create_user)
    assert not decision.allowed
    assert "no permissions boundary allows" in decision.reason
    assert not decide(Request("s3:GetObject", "*", USER), Policies((), boundary)).allowed
    assert decide(Request("s3:GetObject", "*", USER), Policies((ALL,), boundary)).allowed


@pytest.mark.parametrize(
    "principal, named, limited",
    [
        (USER, USER.arn, False),
        (ROLE, ROLE_ARN, True),
        (ROLE, SESSION_ARN, False),
        (ROLE, "*", False),
    ],
)
def test_resource_based_policies_under_a_boundary(principal: Principal, named: str, limited: bool) -> None:
    """The guide's table: an implicit deny of a boundary limits what is granted to a role's ARN, and to nobody else."""
    resource = policy({**allow("s3:GetObject"), "Principal": {"AWS": named}}, type_=PolicyType.RESOURCE)
    request = Request("s3:GetObject", "arn:aws:s3:::bucket/key", principal)
    assert decide(request, Policies((), resource=resource)).allowed
    boundary = policy(allow("sqs:*"))
    assert decide(request, Policies((), boundary=boundary, resource=resource)).allowed is not limited
    assert decide(request, Policies((), session=(boundary,), resource=resource)).allowed is not limited
    explicit = policy(allow("*"), {"Effect": "Deny", "Action": "s3:*", "Resource": "*"})
    assert not decide(request, Policies((), boundary=explicit, resource=resource)).allowed


def test_the_account_as_principal_delegates_and_does_not_grant() -> None:
    root = {**allow("s3:GetObject"), "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    resource = policy(root, type_=PolicyType.RESOURCE)
    request = Request("s3:GetObject", "arn:aws:s3:::bucket/key", ROLE)
    assert not decide(request, Policies((), resource=resource)).allowed
    assert decide(request, Policies((ALL,), resource=resource)).allowed


def test_another_accounts_resource_needs_both_sides() -> None:
    resource = policy({**allow("s3:GetObject"), "Principal": {"AWS": ROLE_ARN}}, type_=PolicyType.RESOURCE)
    request = Request("s3:GetObject", "arn:aws:s3:::bucket/key", ROLE, account="999999999999")
    assert not decide(request, Policies((ALL,))).allowed
    assert not decide(request, Policies((), resource=resource)).allowed
    assert decide(request, Policies((ALL,), resource=resource)).allowed


def test_a_keys_policy_decides() -> None:
    request = Request("kms:Decrypt", f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/k", ROLE)
    other = policy({**allow("kms:*"), "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/admin"}},
                   type_=PolicyType.RESOURCE)  # fmt: skip
    assert not decide(request, Policies((ALL,), resource=other, resource_decides=True)).allowed
    delegating = policy({**allow("kms:*"), "Principal": {"AWS": ACCOUNT}}, type_=PolicyType.RESOURCE)
    assert decide(request, Policies((ALL,), resource=delegating, resource_decides=True)).allowed
    assert not decide(request, Policies((), resource=delegating, resource_decides=True)).allowed


def test_services_are_granted_by_the_resource() -> None:
    service = Principal(service="events.amazonaws.com")
    statement = {**allow("sqs:SendMessage"), "Principal": {"Service": "events.amazonaws.com"},
                 "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}  # fmt: skip
    queue = policy(statement, type_=PolicyType.RESOURCE)
    mine = Request("sqs:SendMessage", "arn:aws:sqs:eu-central-1:1:q", service, {"aws:sourceaccount": ACCOUNT}, ACCOUNT)
    assert decide(mine, Policies(resource=queue)).allowed
    others = Request("sqs:SendMessage", "arn:aws:sqs:eu-central-1:1:q", service, {"aws:sourceaccount": "9"}, ACCOUNT)
    assert not decide(others, Policies(resource=queue)).allowed


def test_not_principal_denies_everybody_else() -> None:
    statement = {"Effect": "Deny", "NotPrincipal": {"AWS": [ROLE_ARN, SESSION_ARN, f"arn:aws:iam::{ACCOUNT}:root"]},
                 "Action": "s3:*", "Resource": "*"}  # fmt: skip
    bucket = policy(statement, type_=PolicyType.RESOURCE)
    other = Principal("arn:aws:iam::999999999999:role/x", "arn:aws:sts::999999999999:assumed-role/x/s")
    assert decide(Request("s3:GetObject", "*", ROLE), Policies((ALL,), resource=bucket)).allowed
    assert not decide(Request("s3:GetObject", "*", other), Policies((ALL,), resource=bucket)).allowed


def test_every_level_of_service_control_policies_must_allow() -> None:
    request = Request("s3:GetObject", "*", ROLE)
    full, only_ec2 = policy(allow("*")), policy(allow("ec2:*"))
    assert decide(request, Policies((ALL,), controls=((full,), (full, only_ec2)))).allowed
    decision = decide(request, Policies((ALL,), controls=((full,), (only_ec2,))))
    assert not decision.allowed
    assert "no service control policy allows" in decision.reason
    assert not decide(request, Policies((), controls=((full,),))).allowed
    direct = policy({**allow("s3:*"), "Principal": "*"}, type_=PolicyType.RESOURCE)
    assert not decide(request, Policies((), controls=((only_ec2,),), resource=direct)).allowed


def test_a_message_reads_as_awss() -> None:
    request = Request("s3:GetObject", "arn:aws:s3:::b/k", ROLE)
    assert denied_message(request, decide(request, Policies())) == (
        f"User: {SESSION_ARN} is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/k "
        "because no identity-based policy allows the s3:GetObject action"
    )


ACTIONS = st.sampled_from(["s3:GetObject", "s3:PutObject", "iam:PassRole", "sagemaker:InvokeEndpoint"])
PATTERNS = st.sampled_from(["*", "s3:*", "s3:Get*", "iam:PassRole", "SAGEMAKER:invoke*"])
STATEMENTS = st.builds(
    lambda effect, negated, pattern: {
        "Effect": effect, "NotAction" if negated else "Action": pattern, "Resource": "*",
    },
    st.sampled_from(["Allow", "Deny"]), st.booleans(), PATTERNS,
)  # fmt: skip


@given(st.lists(STATEMENTS, min_size=1, max_size=5), STATEMENTS, ACTIONS)
def test_a_denying_statement_never_allows_more_and_an_allowing_one_never_less(
    statements: list[dict[str, Any]], further: dict[str, Any], action: str
) -> None:
    before = allowed(policy(*statements), action)
    after = allowed(policy(*statements, further), action)
    assert after <= before if further["Effect"] == "Deny" else after >= before


@given(st.lists(STATEMENTS, min_size=1, max_size=4), st.lists(STATEMENTS, min_size=1, max_size=4), ACTIONS)
def test_a_boundary_never_allows_more(
    identity: list[dict[str, Any]], boundary: list[dict[str, Any]], action: str
) -> None:
    request = Request(action, "*", ROLE)
    limited = decide(request, Policies((policy(*identity),), policy(*boundary))).allowed
    assert limited == (allowed(policy(*identity), action) and allowed(policy(*boundary), action))
