"""Rules of AWS and of the Terraform provider that are in no service model, for the rows of the table."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from typing import Any

from scaletozero.sandbox.providers.shapes import Failure
from scaletozero.sandbox.providers.table import Rule, State
from scaletozero.sandbox.providers.values import UNKNOWN


def known(value: Any) -> bool:
    return value is not None and value is not UNKNOWN


def policy_document(prop: str, *, principal: bool, resource: bool) -> Rule:
    """Checks an IAM policy by the grammar of the policy language (IAM user guide, policy grammar).

    `principal`: whether statements must name a principal (a resource's policy or a trust policy). `resource`: whether
    they must name a resource. A trust policy must name a principal and no resource.
    """

    def check(state: State) -> Iterator[Failure]:
        text = state.get(prop)
        if not known(text):
            return
        for reason in _policy_reasons(text, principal, resource):
            yield Failure(prop, reason)

    return check


def _policy_reasons(text: Any, principal: bool, resource: bool) -> Iterator[str]:
    try:
        document = json.loads(text)
    except (TypeError, ValueError) as error:
        yield f"must be a JSON document: {error}"
        return
    if not isinstance(document, dict):
        yield "must be a JSON object"
        return
    if document.get("Version", "2008-10-17") not in ("2012-10-17", "2008-10-17"):
        yield f"Version must be 2012-10-17, got {document['Version']!r}"
    for key in document.keys() - {"Version", "Id", "Statement"}:
        yield f"has an element that the policy language does not know: {key}"
    statements = document.get("Statement")
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not statements:
        yield "must have a Statement"
        return
    for index, statement in enumerate(statements):
        for reason in _statement_reasons(statement, principal, resource):
            yield f"Statement[{index}] {reason}"


_STATEMENT_KEYS = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip


def _statement_reasons(statement: Any, principal: bool, resource: bool) -> Iterator[str]:
    if not isinstance(statement, dict):
        yield "must be an object"
        return
    for key in statement.keys() - _STATEMENT_KEYS:
        yield f"has an element that the policy language does not know: {key}"
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield f"Effect must be Allow or Deny, got {statement.get('Effect')!r}"
    if not statement.keys() & {"Action", "NotAction"}:
        yield "must have an Action"
    for action in _strings(statement.get("Action", statement.get("NotAction"))):
        if not re.fullmatch(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+", action):
            yield f"Action must be service:Name, got {action!r}"
    has_principal = bool(statement.keys() & {"Principal", "NotPrincipal"})
    if has_principal != principal:
        yield "must name a Principal" if principal else "must not name a Principal"
    has_resource = bool(statement.keys() & {"Resource", "NotResource"})
    if resource and not has_resource:
        yield "must name a Resource"
    if not resource and has_resource:
        yield "must not name a Resource"
    for arn in _strings(statement.get("Resource", statement.get("NotResource"))):
        if arn != "*" and not re.fullmatch(r"arn:[^:]+:[^:]+:[^:]*:[^:]*:.+", arn):
            yield f"Resource must be * or an ARN, got {arn!r}"


def _strings(value: Any) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def bucket_name(prop: str = "bucket") -> Rule:
    """S3's rules for the name of a general purpose bucket (S3 user guide, bucket naming rules)."""

    def check(state: State) -> Iterator[Failure]:
        name = state.get(prop)
        if not isinstance(name, str):
            return
        reason = ""
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
            reason = "must be 3-63 lowercase letters, digits, dots and hyphens, with a letter or digit at both ends"
        elif ".." in name:
            reason = "must not have two dots in a row"
        elif name.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or name.endswith(
            ("-s3alias", "--ol-s3", ".mrap", "--x-s3")
        ):
            reason = "must not begin or end with what AWS keeps for itself"
        elif _is_address(name):
            reason = "must not look like an IP address"
        if reason:
            yield Failure(prop, f"{reason}, got {name!r}")

    return check


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def exactly_one(*props: str) -> Rule:
    def check(state: State) -> Iterator[Failure]:
        given = [prop for prop in props if state.get(prop) is not None]
        if len(given) != 1:
            names = ", ".join(f"`{prop}`" for prop in props)
            got = f"got {' and '.join(given)}" if given else "got none"
            yield Failure(given[-1] if given else props[0], f"exactly one of {names} must be given, {got}")

    return check


def at_most_one(*props: str) -> Rule:
    def check(state: State) -> Iterator[Failure]:
        given = [prop for prop in props if state.get(prop) is not None]
        if len(given) > 1:
            yield Failure(given[-1], f"only one of {', '.join(f'`{prop}`' for prop in props)} may be given")

    return check
