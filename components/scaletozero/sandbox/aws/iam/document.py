"""Policy documents, read as strictly as IAM reads them: no unknown element, no missing element.

Source: IAM User Guide, "Grammar of the IAM JSON policy language" and "IAM JSON policy elements reference".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from scaletozero.sandbox.aws.iam.conditions import Condition, UnknownOperatorError

VERSIONS: Final = ("2008-10-17", "2012-10-17")
"""The versions of the policy language. Only the second has variables; the first is the default."""

_ELEMENTS = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_SID = re.compile(r"[A-Za-z0-9]*")
_PRINCIPAL_TYPES = {"AWS", "Service", "Federated", "CanonicalUser"}


class MalformedPolicyError(ValueError):
    """A document that IAM refuses with `MalformedPolicyDocument`."""


class PolicyType(Enum):
    """The kind of a policy, which decides the elements that it must and must not have."""

    IDENTITY = "identity-based policy"
    """A policy of a role or user, a permissions boundary, a session policy or a service control policy."""
    RESOURCE = "resource-based policy"
    """The policy of a bucket, key, topic or queue: it names principals, and may omit its resources."""
    TRUST = "trust policy"
    """The trust policy of a role: it names principals and no resource."""


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        sid: its identifier; empty if it has none.
        allow: whether its effect is `Allow`.
        actions: the patterns of `Action`, or of `NotAction` where `not_action` is set.
        resources: the patterns of `Resource`, or of `NotResource` where `not_resource` is set; None if it has none.
        principals: type -> identifiers of `Principal`, or of `NotPrincipal` where `not_principal` is set; None in an
            identity-based policy.
        conditions: the conditions, all of which must hold.
        variables: whether `${...}` is replaced with a value of the request.
    """

    sid: str
    allow: bool
    actions: tuple[str, ...]
    not_action: bool
    resources: tuple[str, ...] | None
    not_resource: bool
    principals: Mapping[str, tuple[str, ...]] | None
    not_principal: bool
    conditions: tuple[Condition, ...]
    variables: bool


@dataclass(frozen=True)
class Policy:
    """A policy document with its name, for messages."""

    name: str
    statements: tuple[Statement, ...]


def read_policy(document: str | Mapping[str, Any], type_: PolicyType = PolicyType.IDENTITY, name: str = "") -> Policy:
    """Reads a policy document.

    Args:
        document: JSON text, or the parsed document.
        type_: the kind of policy.
        name: its name in messages.

    Raises:
        MalformedPolicyError: IAM would refuse the document.
    """
    if isinstance(document, str):
        try:
            document = json.loads(document, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise MalformedPolicyError(f"Syntax errors in policy: {error}") from None
    if not isinstance(document, Mapping):
        raise MalformedPolicyError("The policy is not in the valid JSON format: it must be an object.")
    if unknown := sorted(set(document) - {"Version", "Id", "Statement"}):
        raise MalformedPolicyError(f"Syntax errors in policy: unknown element {unknown[0]}.")
    version = document.get("Version", VERSIONS[0])
    if version not in VERSIONS:
        raise MalformedPolicyError(f"The policy must contain a valid version string, got {version!r}.")
    statements = document.get("Statement")
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise MalformedPolicyError("Syntax errors in policy: Statement must hold at least one statement.")
    read = tuple(_statement(each, type_, variables=version == VERSIONS[1]) for each in statements)
    sids = [each.sid for each in read if each.sid]
    if len(sids) != len(set(sids)):
        raise MalformedPolicyError("Statement IDs (SID) in a single policy must be unique.")
    return Policy(name, read)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _statement(given: Any, type_: PolicyType, *, variables: bool) -> Statement:
    if not isinstance(given, Mapping):
        raise MalformedPolicyError("Syntax errors in policy: a statement must be an object.")
    if unknown := sorted(set(given) - _ELEMENTS):
        raise MalformedPolicyError(f"Syntax errors in policy: unknown element {unknown[0]} in a statement.")
    sid = given.get("Sid", "")
    if not isinstance(sid, str) or (type_ is not PolicyType.RESOURCE and not _SID.fullmatch(sid)):
        raise MalformedPolicyError("Statement IDs (SID) must be alpha-numeric.")
    effect = given.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise MalformedPolicyError(f"Syntax errors in policy: Effect must be Allow or Deny, got {effect!r}.")
    actions, not_action = _one_of(given, "Action", "NotAction", required=True)
    assert actions is not None
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise MalformedPolicyError(
                f"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: {action}"
            )
    resources, not_resource = _one_of(given, "Resource", "NotResource", required=type_ is PolicyType.IDENTITY)
    if type_ is PolicyType.TRUST and resources is not None:
        raise MalformedPolicyError("Has prohibited field Resource.")
    for resource in resources or ():
        if resource != "*" and not resource.startswith(("arn:", "*", "${")):
            raise MalformedPolicyError(f'Resource {resource} must be in ARN format or "*".')
    principals, not_principal = _principals(given, type_)
    return Statement(
        sid=sid,
        allow=effect == "Allow",
        actions=actions,
        not_action=not_action,
        resources=resources,
        not_resource=not_resource,
        principals=principals,
        not_principal=not_principal,
        conditions=tuple(_conditions(given.get("Condition", {}))),
        variables=variables,
    )


def _one_of(
    given: Mapping[str, Any], plain: str, negated: str, *, required: bool
) -> tuple[tuple[str, ...] | None, bool]:
    """The values of whichever of two exclusive elements is present, and whether it is the negated one."""
    there = [name for name in (plain, negated) if name in given]
    if len(there) > 1 or (required and not there):
        raise MalformedPolicyError(
            f"Syntax errors in policy: a statement must have exactly one of {plain} and {negated}."
        )
    if not there:
        return None, False
    return _strings(given[there[0]], there[0]), there[0] == negated


def _strings(value: Any, where: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(each, str) and each for each in values):
        raise MalformedPolicyError(f"Syntax errors in policy: {where} must be a string or a list of strings.")
    return tuple(values)


def _principals(given: Mapping[str, Any], type_: PolicyType) -> tuple[Mapping[str, tuple[str, ...]] | None, bool]:
    there = [name for name in ("Principal", "NotPrincipal") if name in given]
    if type_ is PolicyType.IDENTITY:
        if there:
            raise MalformedPolicyError(f"Policy document should not specify a principal: {there[0]}.")
        return None, False
    if len(there) != 1:
        raise MalformedPolicyError("Missing required field Principal.")
    value = given[there[0]]
    if value == "*":
        return {"AWS": ("*",)}, there[0] == "NotPrincipal"
    if not isinstance(value, Mapping) or not value or set(value) - _PRINCIPAL_TYPES:
        raise MalformedPolicyError("Invalid principal in policy.")
    return {kind: _strings(each, there[0]) for kind, each in value.items()}, there[0] == "NotPrincipal"


def _conditions(given: Any) -> list[Condition]:
    if not isinstance(given, Mapping):
        raise MalformedPolicyError("Syntax errors in policy: Condition must be an object.")
    found = []
    for operator, keys in given.items():
        if not isinstance(keys, Mapping):
            raise MalformedPolicyError(f"Syntax errors in policy: the keys of {operator} must be an object.")
        for key, value in keys.items():
            values = value if isinstance(value, list) else [value]
            try:
                texts = tuple(_scalar(each) for each in values)
                found.append(Condition.read(operator, key, texts))
            except UnknownOperatorError as error:
                raise MalformedPolicyError(f"Invalid Condition type : {error}.") from None
    return found


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise MalformedPolicyError("Syntax errors in policy: a condition's values must be strings.")
