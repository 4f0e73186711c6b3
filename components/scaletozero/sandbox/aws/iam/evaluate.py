"""Decides whether all the policies that apply to a request allow it.

Source: IAM User Guide, "Policy evaluation logic": an explicit deny anywhere wins; service control policies, permissions
boundaries and session policies limit; identity-based and resource-based policies grant.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from scaletozero.sandbox.aws.iam.document import Policy, Statement
from scaletozero.sandbox.aws.iam.patterns import Context, expression


@dataclass(frozen=True)
class Principal:
    """Who makes a request.

    Attributes:
        arn: the ARN of a user or role; empty for an AWS service.
        session_arn: the ARN of the session if a role was assumed; its resource is `assumed-role/ROLE/SESSION`.
        service: the service principal's name, if a service makes the request itself.
    """

    arn: str = ""
    session_arn: str = ""
    service: str = ""

    @property
    def account(self) -> str:
        """The account ID; empty for a service."""
        parts = self.arn.split(":")
        return parts[4] if len(parts) > 5 else ""


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        action: for example `s3:GetObject`.
        resource: an ARN, or `*` if the action has none.
        principal: who makes it.
        context: condition key in lower case -> value.
        account: the account of the resource. Default: the principal's own.
    """

    action: str
    resource: str
    principal: Principal
    context: Context = field(default_factory=dict)
    account: str = ""


@dataclass(frozen=True)
class Policies:
    """The policies that apply to a request.

    Attributes:
        identity: the policies attached to the principal.
        boundary: its permissions boundary.
        session: the policies given when a role was assumed.
        resource: the policy of the resource.
        resource_decides: identity-based policies apply only if the resource's policy lets them (KMS keys, and the
            trust policy of a role).
        controls: the service control policies, by level from the root down; each level must allow.
    """

    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session: tuple[Policy, ...] = ()
    resource: Policy | None = None
    resource_decides: bool = False
    controls: tuple[tuple[Policy, ...], ...] = ()


@dataclass(frozen=True)
class Decision:
    """A decision and its reason.

    Attributes:
        allowed: whether the request may be made.
        reason: the end of AWS's `AccessDenied` message.
        policy, statement: the policy and statement that allowed the request, or denied it explicitly.
    """

    allowed: bool
    reason: str
    policy: Policy | None = None
    statement: Statement | None = None


def decide(request: Request, policies: Policies) -> Decision:
    """Decides a request as AWS does."""
    everything: list[tuple[str, Iterable[Policy]]] = [
        ("a service control policy", (each for level in policies.controls for each in level)),
        ("a resource-based policy", (policies.resource,) if policies.resource else ()),
        ("an identity-based policy", policies.identity),
        ("a permissions boundary", (policies.boundary,) if policies.boundary else ()),
        ("a session policy", policies.session),
    ]
    for called, each in everything:
        if found := _first(each, request, allow=False):
            return Decision(False, f"with an explicit deny in {called}", *found)
    for level in policies.controls:
        if not _first(level, request, allow=True):
            return Decision(False, "because no service control policy allows the {action} action")
    direct = _resource_grant(request, policies.resource)
    if direct and direct.unlimited:
        return direct.decision
    if policies.boundary and not _first([policies.boundary], request, allow=True):
        return Decision(False, "because no permissions boundary allows the {action} action")
    if policies.session and not _first(policies.session, request, allow=True):
        return Decision(False, "because no session policy allows the {action} action")
    foreign = bool(request.account and request.account != request.principal.account)
    if direct and direct.to_principal and not foreign:
        return direct.decision
    if (foreign or policies.resource_decides) and not direct:
        return Decision(False, "because no resource-based policy allows the {action} action")
    if found := _first(policies.identity, request, allow=True):
        return Decision(True, "allowed by an identity-based policy", *found)
    return Decision(False, "because no identity-based policy allows the {action} action")


def denied_message(request: Request, decision: Decision) -> str:
    """The text of AWS's error message for a denied request."""
    who = request.principal.session_arn or request.principal.arn or request.principal.service
    on = f" on resource: {request.resource}" if request.resource != "*" else ""
    reason = decision.reason.format(action=request.action)
    return f"User: {who} is not authorized to perform: {request.action}{on} {reason}"


@dataclass(frozen=True)
class _Grant:
    """What a resource-based policy grants.

    Attributes:
        to_principal: it names the principal, not only the principal's account.
        unlimited: neither a permissions boundary nor a session policy limits it: it names the session, a user, a
            service or everybody (same guide, "Evaluating identity-based policies with resource-based policies").
    """

    decision: Decision
    to_principal: bool
    unlimited: bool


def _resource_grant(request: Request, policy: Policy | None) -> _Grant | None:
    best: _Grant | None = None
    foreign = bool(request.account and request.account != request.principal.account)
    for statement in policy.statements if policy else ():
        if not statement.allow or not applies(statement, request):
            continue
        named = _named(statement, request.principal)
        principal = request.principal
        direct = bool(named & {"*", principal.arn, principal.session_arn, principal.service} - {""})
        # A role's own ARN is limited as the role is; a session, a user, a service and everybody are not.
        to_role = bool(principal.session_arn) and named <= {principal.arn}
        decision = Decision(True, "allowed by a resource-based policy", policy, statement)
        grant = _Grant(decision, direct, direct and not to_role and (not foreign or bool(principal.service)))
        if best is None or (grant.unlimited, grant.to_principal) > (best.unlimited, best.to_principal):
            best = grant
    return best


def _first(policies: Iterable[Policy], request: Request, *, allow: bool) -> tuple[Policy, Statement] | None:
    for policy in policies:
        for statement in policy.statements:
            if statement.allow == allow and applies(statement, request):
                return policy, statement
    return None


def applies(statement: Statement, request: Request) -> bool:
    """Whether a statement applies to a request: its action, resource, principal and conditions match."""
    context = request.context if statement.variables else None
    action = any(_matches(each, request.action, None, ignore_case=True) for each in statement.actions)
    if action == statement.not_action:
        return False
    if statement.resources is not None:
        resource = any(_matches(each, request.resource, context) for each in statement.resources)
        if resource == statement.not_resource:
            return False
    if statement.principals is not None and bool(_named(statement, request.principal)) == statement.not_principal:
        return False
    return all(each.holds(request.context, variables=statement.variables) for each in statement.conditions)


def _matches(pattern: str, value: str, context: Context | None, *, ignore_case: bool = False) -> bool:
    found = expression(pattern, context, ignore_case=ignore_case)
    return bool(found and found.fullmatch(value))


def _named(statement: Statement, principal: Principal) -> set[str]:
    """The name under which a statement's (Not)Principal matches the principal."""
    principals = statement.principals or {}
    named = {principal.service} & set(principals.get("Service", ()))
    if principal.arn:
        identifiers = set(principals.get("AWS", ()))
        root = f"{':'.join(principal.arn.split(':')[:2])}:iam::{principal.account}:root"
        named |= identifiers & {"*", principal.account, root, principal.arn, principal.session_arn}
    return named - {""}
