"""The policies that the embedded AWS stores: of roles and users, and of buckets, keys, topics, queues and functions."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from scaletozero.sandbox.aws.iam.document import MalformedPolicyError, Policy, PolicyType, read_policy
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError

PARTITION = "aws"


def roles() -> list[Any]:
    """Every role, as moto stores it."""
    return list(iam_backends[ACCOUNT]["global"].roles.values())


def role(arn: str) -> Any:
    """One role; None if it does not exist."""
    return next((each for each in roles() if each.arn == arn), None)


def user(name: str) -> Any:
    """One user; None if it does not exist."""
    return iam_backends[ACCOUNT]["global"].users.get(name)


def identity_policies(owner: Any) -> tuple[Policy, ...]:
    """The policies of a role or user: inline policies and attached managed policies."""
    inline = owner.policies.items()
    managed = ((policy.name, _document(policy)) for policy in owner.managed_policies.values())
    return tuple(parse(document, PolicyType.IDENTITY, name) for name, document in (*inline, *managed))


def boundary(owner: Any) -> Policy | None:
    """The permissions boundary of a role or user; a deleted one allows nothing."""
    arn = getattr(owner, "permissions_boundary_arn", None)
    if not arn:
        return None
    policy = iam_backends[ACCOUNT]["global"].managed_policies.get(arn)
    return parse(_document(policy), PolicyType.IDENTITY, policy.name) if policy else Policy("missing boundary", ())


def _document(policy: Any) -> str:
    """The document of a managed policy's default version."""
    return next(each.document for each in policy.versions if each.version_id == policy.default_version_id)


def resource_policy(arn: str, region: str) -> tuple[Policy | None, bool]:
    """The policy of a resource, and whether identity-based policies apply only if it lets them."""
    parts = arn.split(":", 5)
    service, name = (parts[2], parts[5]) if len(parts) == 6 else ("", "")
    document: Any = None
    if service == "s3":
        bucket = s3_backends[ACCOUNT][PARTITION].buckets.get(name.partition("/")[0])
        document = bucket.policy if bucket is not None else None
    elif service == "kms":
        key = kms_backends[ACCOUNT][region].keys.get(name.removeprefix("key/"))
        # A key that the embedded AWS does not have belongs to another system, so its policy is unknown.
        return (parse(key.policy, PolicyType.RESOURCE, "key policy"), True) if key is not None else (None, False)
    elif service == "sns":
        topic = sns_backends[ACCOUNT][region].topics.get(arn)
        document = topic.policy if topic is not None else None
    elif service == "lambda":
        document = _function_policy(name.removeprefix("function:").partition(":")[0], region)
    elif service == "sqs":
        queue = sqs_backends[ACCOUNT][region].queues.get(name)
        document = queue.policy if queue is not None else None
    return (parse(document, PolicyType.RESOURCE, f"{service} policy") if document else None), False


def _function_policy(name: str, region: str) -> Any:
    """The policy of a function. moto ends its resource with a version that was not named, which AWS does not, and keeps
    what was asked of a URL's callers beside the conditions that Lambda makes of it."""
    for function in lambda_backends[ACCOUNT][region].list_functions():
        if function.function_name == name and function.policy.statements:
            statements = [
                _as_lambda_has_it(
                    {**each, "Resource": str(each["Resource"]).removesuffix(":$LATEST").removesuffix(":")}
                )
                for each in function.policy.statements
            ]
            return {"Version": "2012-10-17", "Statement": statements}
    return None


_OF_URLS = {"FunctionUrlAuthType": "StringEquals", "InvokedViaFunctionUrl": "Bool"}
"""What AddPermission takes of a URL's callers -> the operator of the condition on `lambda:` and its name."""


def _as_lambda_has_it(statement: dict[str, Any]) -> dict[str, Any]:
    conditions = {name: dict(each) for name, each in (statement.get("Condition") or {}).items()}
    for given, operator in _OF_URLS.items():
        if given in statement:
            value = statement[given]
            text = str(value).lower() if isinstance(value, bool) else str(value)
            conditions.setdefault(operator, {})[f"lambda:{given}"] = text
    kept = {name: each for name, each in statement.items() if name not in _OF_URLS}
    return {**kept, **({"Condition": conditions} if conditions else {})}


def object_key(bucket: str, key: str) -> str | None:
    """The KMS key that an object is encrypted with; None if none was set."""
    found = s3_backends[ACCOUNT][PARTITION].buckets.get(bucket)
    stored = found.keys.get(key) if found is not None else None
    return stored.kms_key_id if stored is not None and stored.encryption == "aws:kms" else None


def bucket_key(bucket: str) -> str | None:
    """The KMS key that a bucket's new objects are encrypted with; None if none was set."""
    found = s3_backends[ACCOUNT][PARTITION].buckets.get(bucket)
    rule = (found.encryption or {}).get("Rule", {}) if found is not None else {}
    rule = rule[0] if isinstance(rule, list) else rule
    return (rule.get("ApplyServerSideEncryptionByDefault") or {}).get("KMSMasterKeyID")


def tags(owner: Any) -> Iterator[tuple[str, str]]:
    """The tags of a role or user."""
    given = getattr(owner, "tags", None) or []
    for each in given.values() if isinstance(given, Mapping) else given:
        yield each["Key"], each["Value"]


def parse(document: Any, type_: PolicyType, name: str) -> Policy:
    """Parses a stored document. Results are cached.

    Raises:
        AwsError: MalformedPolicyDocument.
    """
    text = document.decode() if isinstance(document, bytes) else document
    return _parsed(text if isinstance(text, str) else json.dumps(text), type_, name)


@functools.lru_cache(maxsize=512)
def _parsed(document: str, type_: PolicyType, name: str) -> Policy:
    try:
        return read_policy(document, type_, name)
    except MalformedPolicyError as error:
        raise AwsError("MalformedPolicyDocument", f"{name}: {error}") from None
