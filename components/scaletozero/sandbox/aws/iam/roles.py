"""Decides what roles and users may do, by the embedded IAM's policies, and records what roles were used for."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from scaletozero.sandbox.aws.iam import attached
from scaletozero.sandbox.aws.iam.attached import PARTITION
from scaletozero.sandbox.aws.iam.demands import Demand, Place
from scaletozero.sandbox.aws.iam.document import PolicyType, Statement
from scaletozero.sandbox.aws.iam.evaluate import Decision, Policies, Principal, Request, applies, decide, denied_message
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError
from scaletozero.sandbox.credentials import Credentials

SESSION_SECONDS = 12 * 3600


@dataclass(frozen=True)
class Caller:
    """The role session or user that makes a request.

    Attributes:
        principal: its name in policies.
        owner: the role or user as moto stores it; None if it was deleted.
        session_policy: the document given when the role was assumed; empty without one.
    """

    principal: Principal
    owner: Any
    session_policy: str = ""


class Roles:
    """Decides requests of roles and users, and records what roles were allowed to do. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str, str], Credentials] = {}
        self._used: dict[str, set[Demand]] = {}

    def session(self, role_arn: str, service: str, region: str, source_arn: str, name: str) -> Credentials:
        """Credentials of a role that a service assumes.

        Args:
            service: the service principal's name.
            source_arn: the resource on whose behalf the service acts.
            name: the session's name.

        Raises:
            AwsError: the role does not exist, or its trust policy does not let the service assume it.
        """
        self.require_trust(role_arn, service, region, source_arn)
        with self._lock:
            if (role_arn, name) not in self._sessions:
                made = sts_backends[ACCOUNT][PARTITION].assume_role(
                    region_name=region,
                    role_session_name=name,
                    role_arn=role_arn,
                    policy="",
                    duration=SESSION_SECONDS,
                    external_id="",
                )
                self._sessions[role_arn, name] = Credentials(made.access_key_id, made.secret_access_key)
            return self._sessions[role_arn, name]

    def require_trust(self, role_arn: str, service: str, region: str, source_arn: str) -> None:
        """Raises AwsError if the role does not exist, or its trust policy does not let the service assume it.

        Args:
            source_arn: the resource on whose behalf the service acts.
        """
        role = attached.role(role_arn)
        principal = Principal(service=service)
        source = {"aws:sourceaccount": ACCOUNT, "aws:sourcearn": source_arn}
        context = {**_context(principal, region), **source}
        request = Request("sts:AssumeRole", role_arn, principal, context, ACCOUNT)
        trust = attached.parse(role.assume_role_policy_document, PolicyType.TRUST, "trust policy") if role else None
        if not decide(request, Policies(resource=trust, resource_decides=True)).allowed:
            raise AwsError(
                "ValidationException",
                f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
                f"'{service}' to assume the role.",
            )

    def caller(self, access_key: str) -> Caller | None:
        """The owner of an access key; None for unknown keys, and for the sandbox's own, which is the account's root."""
        for session in list(sts_backends[ACCOUNT][PARTITION].assumed_roles):
            if session.access_key_id == access_key:
                name = session.role_arn.rpartition("/")[2]
                arn = f"arn:{PARTITION}:sts::{ACCOUNT}:assumed-role/{name}/{session.session_name}"
                return Caller(Principal(session.role_arn, arn), attached.role(session.role_arn), session.policy or "")
        key = iam_backends[ACCOUNT]["global"].access_keys.get(access_key)
        owner = attached.user(key.user_name) if key is not None and key.user_name else None
        return Caller(Principal(owner.arn), owner) if owner is not None else None

    def require(self, caller: Caller, wanted: Iterable[Demand], place: Place) -> None:
        """Raises AwsError (`AccessDenied`) unless the caller has every permission demanded."""
        for demand in wanted:
            decision = self.decide(caller, demand, place)
            if not decision.allowed:
                request = Request(demand.action, demand.resource, caller.principal)
                raise AwsError("AccessDenied", denied_message(request, decision), 403)

    def require_role(self, role_arn: str, wanted: Iterable[Demand], place: Place) -> None:
        """As `require`, for a role by its ARN: for uses of a role that are not requests to the embedded AWS."""
        name = role_arn.rpartition("/")[2]
        session = f"arn:{PARTITION}:sts::{ACCOUNT}:assumed-role/{name}/SageMaker"
        self.require(Caller(Principal(role_arn, session), attached.role(role_arn)), wanted, place)

    def require_service(self, service: str, action: str, resource: str, region: str, source_arn: str) -> None:
        """Raises AwsError (`AccessDenied`) unless a resource's policy lets a service act on it.

        Args:
            service: the service principal's name.
            source_arn: the resource on whose behalf the service acts.
        """
        principal = Principal(service=service)
        source = {"aws:sourceaccount": ACCOUNT, "aws:sourceowner": ACCOUNT, "aws:sourcearn": source_arn}
        request = Request(action, resource, principal, {**_context(principal, region), **source}, ACCOUNT)
        policy, _ = attached.resource_policy(resource, region)
        decision = decide(request, Policies(resource=policy, resource_decides=True))
        if not decision.allowed:
            raise AwsError("AccessDenied", denied_message(request, decision), 403)

    def decide(self, caller: Caller, demand: Demand, place: Place) -> Decision:
        """Decides one action by the current policies."""
        owner, principal = caller.owner, caller.principal
        tags = {f"aws:principaltag/{key.lower()}": value for key, value in attached.tags(owner)}
        context = {**_context(principal, place.region), **tags, **demand.context}
        request = Request(demand.action, demand.resource, principal, context, ACCOUNT)
        given = caller.session_policy
        session = attached.parse(given, PolicyType.IDENTITY, "session policy") if given else None
        resource, decides = attached.resource_policy(demand.resource, place.region)
        policies = Policies(
            identity=attached.identity_policies(owner) if owner is not None else (),
            boundary=attached.boundary(owner),
            session=(session,) if session else (),
            resource=resource,
            resource_decides=decides,
        )
        decision = decide(request, policies)
        if decision.allowed and principal.session_arn:
            with self._lock:
                self._used.setdefault(principal.arn, set()).add(demand)
        return decision

    def report(self) -> dict[str, Any]:
        """By role: the number of different actions that it was used for, and its statements' unused actions."""
        with self._lock:
            used = {arn: set(each) for arn, each in self._used.items()}
        return {role.name: _report(role, used.get(role.arn, set())) for role in attached.roles()}


def _report(role: Any, done: Iterable[Demand]) -> dict[str, Any]:
    principal = Principal(role.arn)
    requests = [Request(each.action, each.resource, principal, each.context) for each in done]
    statements = []
    for policy in attached.identity_policies(role):
        for index, statement in enumerate(policy.statements):
            if statement.allow:
                unused = [action for action in statement.actions if not _used(statement, action, requests)]
                name = statement.sid or f"{policy.name}[{index}]"
                statements.append({"name": name, "actions": list(statement.actions), "unused": unused})
    return {"arn": role.arn, "used": sorted({each.action for each in done}), "statements": statements}


def _used(statement: Statement, action: str, requests: Iterable[Request]) -> bool:
    """Whether a request needed this action of the statement while the statement's conditions held."""
    alone = replace(statement, actions=(action,), conditions=())
    return any(applies(alone, request) for request in requests)


def _context(principal: Principal, region: str) -> Mapping[str, str]:
    """The global condition keys of every request (IAM User Guide, "AWS global condition context keys")."""
    return dict(_global_keys(principal, region))


def _global_keys(principal: Principal, region: str) -> Iterator[tuple[str, str]]:
    now = datetime.now(UTC)
    yield "aws:requestedregion", region
    yield "aws:currenttime", now.isoformat()
    yield "aws:epochtime", str(int(now.timestamp()))
    yield "aws:securetransport", "true"
    yield "aws:viaawsservice", "false"
    yield "aws:sourceip", "127.0.0.1"
    yield "aws:resourceaccount", ACCOUNT
    yield "aws:principalisawsservice", "true" if principal.service else "false"
    if principal.arn:
        yield "aws:principalarn", principal.arn
        yield "aws:principalaccount", principal.account
    if ":user/" in principal.arn:
        yield "aws:username", principal.arn.rpartition("/")[2]
