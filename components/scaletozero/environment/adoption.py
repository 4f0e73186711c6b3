"""`up --adopt`: adopts resources that an interrupted `up` created on the account and that are not in the state.

SageMaker and CloudWatch Logs identify an endpoint and a log group by its declared name, and refuse to create one that
exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, WaiterError
from pulumi.automation import EngineEvent, OpType

from model_packaging.findings import Finding, FindingsError, refuse
from scaletozero.sandbox.providers.apply import OWN_TAGS

Client = Callable[[str, str], Any]
"""(service, region) -> its boto3 client."""

UPDATABLE = "InService"
"""The status in which an endpoint can be updated; in other final ones it can only be deleted (API reference)."""

_PENDING = ("Creating", "Updating", "SystemUpdating", "RollingBack")

_NOT_FOUND = ("ResourceNotFoundException", "Could not find endpoint")


@dataclass(frozen=True)
class Existing:
    """An existing resource with a declared name.

    Attributes:
        id: its id for the AWS provider.
        tags: its tags.
        status: its status, if it has one.
    """

    id: str
    tags: Mapping[str, str]
    status: str | None = None


@dataclass(frozen=True)
class _Kind:
    """A type of resource that is identified by a declared name: the inputs that form the name, and how to find it."""

    what: str
    service: str
    named_by: tuple[str, ...]
    find: Callable[..., Existing | None]


def _endpoint(client: Any, name: str) -> Existing | None:
    found = client.describe_endpoint(EndpointName=name)
    pages = client.get_paginator("list_tags").paginate(ResourceArn=found["EndpointArn"])
    tags = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
    return Existing(name, tags, found["EndpointStatus"])


def _log_group(client: Any, name: str) -> Existing | None:
    # It is the first of all names with this prefix.
    groups = client.describe_log_groups(logGroupNamePrefix=name, limit=1)["logGroups"]
    for group in groups:
        if group["logGroupName"] == name:
            arn = group["arn"].removesuffix(":*")
            return Existing(name, client.list_tags_for_resource(resourceArn=arn)["tags"])
    return None


_ENDPOINT = "aws:sagemaker/endpoint:Endpoint"

_KINDS = {
    _ENDPOINT: _Kind("endpoint", "sagemaker", ("name",), _endpoint),
    "aws:cloudwatch/logGroup:LogGroup": _Kind("log group", "logs", ("name",), _log_group),
}


@dataclass(frozen=True)
class PlannedCreate:
    """A resource of one of these types that a preview plans to create.

    Attributes:
        urn: its URN.
        type: its type token.
        parent: the URN of its parent.
        provider: the URN of its provider.
        region: its region, if it declares one.
        named_by: the values of the inputs that form its name.
        tags: its declared tags.
    """

    urn: str
    type: str
    parent: str
    provider: str
    region: str | None
    named_by: tuple[str, ...]
    tags: Mapping[str, str]

    @property
    def shown(self) -> str:
        """Its type and its name at the service, for messages."""
        return f"{_KINDS[self.type].what} {'/'.join(self.named_by)}"


@dataclass
class PlannedCreates:
    """Collects, from a preview's events, resources that could already exist under their declared names.

    Only resources that declare their stack's tags are collected, because the owner of others is unknown.
    """

    found: list[PlannedCreate] = field(default_factory=list)

    def __call__(self, event: EngineEvent) -> None:
        step = event.resource_pre_event.metadata if event.resource_pre_event else None
        if step is None or step.op != OpType.CREATE or step.new is None or step.type not in _KINDS:
            return
        inputs = step.new.inputs or {}
        tags = inputs.get("tags") or {}
        given = [inputs.get(key) for key in _KINDS[step.type].named_by]
        names = tuple(name for name in given if isinstance(name, str))
        if len(names) == len(given) and all(tags.get(tag) for tag in OWN_TAGS):
            provider = step.provider.rpartition("::")[0]
            planned = (step.urn, step.type, step.new.parent, provider, inputs.get("region"), names, tags)
            self.found.append(PlannedCreate(*planned))


def find_existing(
    planned: Iterable[PlannedCreate], client: Client, region: str
) -> list[tuple[PlannedCreate, Existing]]:
    """Finds the planned resources that exist, as the services describe them now. Reads only.

    Args:
        planned: what a preview plans to create.
        client: makes the services' clients.
        region: the region of resources that declare none.

    Raises:
        FindingsError: a service cannot be queried.
    """
    found = []
    for each in planned:
        kind = _KINDS[each.type]
        try:
            existing = kind.find(client(kind.service, each.region or region), *each.named_by)
        except ClientError as error:
            code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
            if code not in _NOT_FOUND and not message.startswith(_NOT_FOUND):
                raise _unreadable(each, error) from None
            existing = None
        except BotoCoreError as error:
            raise _unreadable(each, error) from None
        if existing:
            found.append((each, existing))
    return found


def _unreadable(planned: PlannedCreate, error: Exception) -> FindingsError:
    return refuse(
        planned.shown,
        "must be readable to be adopted",
        str(error),
        "whether it exists, and who owns it, would be a guess",
        "use credentials that may describe it and list its tags",
    )


def require_adoptable(found: Iterable[tuple[PlannedCreate, Existing]], state: Set[str], environment: str) -> None:
    """Refuses to adopt resources that are not this stack's, or that cannot be adopted in their current state.

    Args:
        found: existing resources with the names of planned ones.
        state: the URNs in the stack's state.
        environment: the environment's name.

    Raises:
        FindingsError: with every obstacle.
    """
    findings = []
    for planned, existing in found:
        if any(existing.tags.get(tag) != planned.tags[tag] for tag in OWN_TAGS):
            findings.append(_of_others(planned, existing))
        elif existing.status not in (None, UPDATABLE, *_PENDING):
            findings.append(_not_updatable(planned, existing.status))
        elif not {planned.parent, planned.provider} <= state:
            findings.append(
                Finding(
                    planned.shown,
                    "can be adopted once the state contains its component and its provider",
                    "a state without them",
                    "it would be adopted outside its component",
                    f"run `scaletozero up -e {environment}`, which creates them and fails at the existing resources; "
                    f"then `scaletozero up -e {environment} --adopt`",
                )
            )
    if findings:
        raise FindingsError(findings)


def _of_others(planned: PlannedCreate, existing: Existing) -> Finding:
    owner = existing.tags.get("stack") if existing.tags.get("managed-by") == planned.tags["managed-by"] else None
    return Finding(
        planned.shown,
        f"is adopted only with the tags of this stack, {planned.tags['stack']}",
        f"a resource of the stack {owner}" if owner else "a resource without a stack's tags",
        "`up` would change a resource that others may use",
        "declare another name, or delete it if it is unused",
    )


def _not_updatable(planned: PlannedCreate, status: object) -> Finding:
    return Finding(
        planned.shown,
        f"must have the status {UPDATABLE} to be adopted",
        str(status),
        "SageMaker would refuse to update it",
        f"delete it (`aws sagemaker delete-endpoint --endpoint-name {planned.named_by[0]}`), then run `up`",
    )


def wait_until_updatable(
    found: Iterable[tuple[PlannedCreate, Existing]],
    client: Client,
    region: str,
    say: Callable[[str], object],
    *,
    delay: int = 30,
) -> None:
    """Waits up to an hour until endpoints that are being changed can be updated.

    Raises:
        FindingsError: one has failed, or is still being changed.
    """
    for planned, existing in found:
        if planned.type != _ENDPOINT or existing.status not in _PENDING:
            continue
        say(f"waiting: {planned.shown} is {existing.status}")
        waiter = client("sagemaker", planned.region or region).get_waiter("endpoint_in_service")
        try:
            waiter.wait(EndpointName=planned.named_by[0], WaiterConfig={"Delay": delay, "MaxAttempts": 120})
        except WaiterError as error:
            status = error.last_response.get("EndpointStatus")
            if status is None:  # it was deleted, or can no longer be read
                said = error.last_response.get("Error", {}).get("Message", str(error))
                raise _not_yet(planned, f"must become {UPDATABLE} to be adopted", said) from None
            if status in _PENDING:
                raise _not_yet(planned, f"must become {UPDATABLE} within an hour to be adopted", status) from None
            raise FindingsError([_not_updatable(planned, status)]) from None
        except BotoCoreError as error:
            raise _unreadable(planned, error) from None


def _not_yet(planned: PlannedCreate, rule: str, got: str) -> FindingsError:
    return refuse(
        planned.shown, rule, got, "the state would contain a resource that cannot be updated", "run this again later"
    )


def with_adopted(
    deployment: Mapping[str, Any], found: Iterable[tuple[PlannedCreate, Existing]]
) -> tuple[dict[str, Any], list[str]]:
    """Adds adopted resources to an exported deployment. Returns the deployment and their URNs.

    Only the properties by which they are found are added: the provider reads the others during a refresh.
    """
    resources = list(deployment["resources"])
    providers = {each["urn"]: f"{each['urn']}::{each['id']}" for each in resources if each.get("id")}
    adopted = []
    for planned, existing in found:
        known = dict(zip(_KINDS[planned.type].named_by, planned.named_by, strict=True))
        if planned.region:
            known["region"] = planned.region
        adopted.append(
            {
                "urn": planned.urn,
                "custom": True,
                "id": existing.id,
                "type": planned.type,
                "inputs": known,
                "outputs": {**known, "id": existing.id},
                "parent": planned.parent,
                "provider": providers[planned.provider],
            }
        )
    return {**deployment, "resources": [*resources, *adopted]}, [each["urn"] for each in adopted]
