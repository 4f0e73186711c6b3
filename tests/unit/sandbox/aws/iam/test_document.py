"""What IAM refuses of a policy document, and what it takes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaletozero.sandbox.aws.iam.document import MalformedPolicyError, PolicyType, read_policy

GOOD: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def document(**changes: Any) -> dict[str, Any]:
    statement = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_a_single_statement_needs_no_list() -> None:
    assert read_policy({"Statement": GOOD}).statements == read_policy({"Statement": [GOOD]}).statements


@pytest.mark.parametrize(
    "given, says",
    [
        ("{", "Syntax errors"),
        ("[]", "must be an object"),
        ('{"Statement": [], "Statement": []}', "stands twice"),
        ({"Version": "2012-10-17"}, "at least one statement"),
        ({"Version": "2012-10-18", "Statement": [GOOD]}, "valid version"),
        ({"Version": "2012-10-17", "Statements": [GOOD]}, "unknown element Statements"),
        (document(Effect="allow"), "Effect must be"),
        (document(Action=None), "exactly one of Action"),
        (document(NotAction="s3:*"), "exactly one of Action"),
        (document(Action="GetObject"), "prefaced by a vendor"),
        (document(Action=[]), "must be a string"),
        (document(Resource=None), "exactly one of Resource"),
        (document(Resource="bucket"), "ARN format"),
        (document(Principal="*"), "should not specify a principal"),
        (document(Sid="with spaces"), "alpha-numeric"),
        (document(Actions="s3:*"), "unknown element Actions"),
        (document(Condition=[]), "Condition must be an object"),
        (document(Condition={"StringEqual": {"a:b": "c"}}), "Invalid Condition type : StringEqual"),
        (document(Condition={"NullIfExists": {"a:b": "true"}}), "Invalid Condition type"),
        (document(Condition={"ForSomeValues:StringEquals": {"a:b": "c"}}), "Invalid Condition type"),
        (document(Condition={"StringEquals": {"a:b": {"c": "d"}}}), "values must be strings"),
        ({"Statement": [{**GOOD, "Sid": "A"}, {**GOOD, "Sid": "A"}]}, "must be unique"),
    ],
)
def test_what_iam_refuses(given: Any, says: str) -> None:
    with pytest.raises(MalformedPolicyError, match=says):
        read_policy(given)


@pytest.mark.parametrize(
    "type_, given, says",
    [
        (PolicyType.RESOURCE, document(), "Missing required field Principal"),
        (PolicyType.RESOURCE, document(Principal={"Aws": "1"}), "Invalid principal"),
        (PolicyType.TRUST, document(Principal="*"), "prohibited field Resource"),
    ],
)
def test_what_is_refused_by_where_it_is_attached(type_: PolicyType, given: Any, says: str) -> None:
    with pytest.raises(MalformedPolicyError, match=says):
        read_policy(given, type_)


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
       | st.dictionaries(st.sampled_from(["Version", "Statement", "Effect", "Action", "Resource", "Condition", "Sid"]),
                         inner, max_size=4)))  # fmt: skip
def test_any_document_is_read_or_refused(anything: Any) -> None:
    for type_ in PolicyType:
        try:
            read_policy(json.dumps(anything), type_)
        except MalformedPolicyError as error:
            assert str(error)
