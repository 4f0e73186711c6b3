"""Opens an endpoint that its spending guard closed: what the guard's function did, backwards, as its owner."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_packaging.findings import refuse
from scaletozero.endpoints.close_function import ALARM, MONTH, SUSPENDED
from scaletozero.endpoints.close_function import alarms as alarms_of
from scaletozero.endpoints.state import Resource, properties

Clients = Callable[[str], Any]
"""A service's name -> its boto3 client."""


@dataclass(frozen=True)
class Closable:
    """An endpoint under a guard, as a stack's state has it.

    Attributes:
        alarm: the name that the guard's function knows it by, from which those of its alarms follow.
        endpoint, variant: its names at the service.
        policy: the ARN of the denial of its callers; empty where it has none.
        roles: the callers' names.
        function: the name of the function that closes it.
        actions: account, budget and id of the actions of budgets that attach the denial too.
    """

    alarm: str
    endpoint: str
    variant: str
    policy: str
    roles: tuple[str, ...]
    function: str = ""
    actions: tuple[tuple[str, str, str], ...] = ()


COMPONENT = "scaletozero:index:SpendingGuard"
FUNCTION = "aws:lambda/function:Function"


def closables(resources: Iterable[Resource]) -> list[Closable]:
    """The endpoints under guards in a stack's state.

    Args:
        resources: `deployment.resources` of an exported stack.
    """
    here = [each for each in resources if not each.get("delete")]
    guards = {each["urn"] for each in here if each["type"] == COMPONENT}
    mine = [each for each in here if each.get("parent") in guards]
    return [found for each in mine if each["type"] == FUNCTION for found in _closed_by(each, mine)]


def closable(resources: Iterable[Resource], endpoint: str) -> Closable | None:
    """The guard of one endpoint, by its name at the service, in a stack's state; None where it has none."""
    return next((each for each in closables(resources) if each.endpoint == endpoint), None)


def _closed_by(function: Resource, mine: Sequence[Resource]) -> Iterator[Closable]:
    """What a guard's function may close; nothing if it is another function."""
    name = properties(function).get("name", "")
    variables = (properties(function).get("environment") or {}).get("variables") or {}
    for alarm, found in json.loads(variables.get("ENDPOINTS", "{}")).items():
        policy = found.get("policy", "")
        roles = tuple(json.loads(variables["ROLES"]))
        yield Closable(alarm, found["endpoint"], found["variant"], policy, roles, name, _actions(mine, policy))


def _actions(resources: Iterable[Resource], policy: str) -> tuple[tuple[str, str, str], ...]:
    found = [properties(each) for each in resources if each["type"] == "aws:budgets/budgetAction:BudgetAction"]
    return tuple(
        (each["accountId"], each["budgetName"], each["actionId"])
        for each in found
        if ((each.get("definition") or {}).get("iamActionDefinition") or {}).get("policyArn") == policy
    )


def reopen(it: Closable, clients: Clients) -> list[str]:
    """Opens it. Returns what was done; nothing where it is open.

    Raises:
        FindingsError: its alarm is still in alarm, so that it would be closed again within minutes.
    """
    for each in _standing(it, clients):
        until = "the month" if each.endswith(MONTH) else "the window"
        raise refuse(
            it.endpoint,
            "must be within its allowance to be opened",
            "an alarm that still stands",
            "the guard would close it again within five minutes",
            f"wait until {until} has passed; or raise its cap, `scaletozero up`, and try again",
        )
    return [*allow(it, clients), *_grow(it, clients("sagemaker"), _resume(it, clients("application-autoscaling")))]


def allow(it: Closable, clients: Clients) -> list[str]:
    """Lets the callers invoke it again: takes the denial off their roles. Returns what was done.

    A denial that is attached also keeps its policy from being deleted.
    """
    done = []
    for account, budget, action in it.actions:
        asked = {"AccountId": account, "BudgetName": budget, "ActionId": action}
        client = clients("budgets")
        if client.describe_budget_action(**asked)["Action"]["Status"] == "EXECUTION_SUCCESS":
            client.execute_budget_action(**asked, ExecutionType="REVERSE_BUDGET_ACTION")
            done.append(f"the action of the budget {budget} is reversed")
    client = clients("iam")
    for role in _denied(it, client):
        client.detach_role_policy(RoleName=role, PolicyArn=it.policy)
        done.append(f"{role} may invoke it")
    return done


def _denied(it: Closable, client: Any) -> list[str]:
    """The callers that are denied to invoke it."""
    found = []
    for role in it.roles if it.policy else ():
        pages = client.get_paginator("list_attached_role_policies").paginate(RoleName=role)
        if any(each["PolicyArn"] == it.policy for page in pages for each in page["AttachedPolicies"]):
            found.append(role)
    return found


OPEN, CLOSING, CLOSED = "open", "closing", "closed"


def state(it: Closable, clients: Clients) -> str:
    """`closed`: every caller is denied, or without callers its scaling is suspended. `closing`: its alarm stands, and
    it is not closed yet. Else `open`."""
    if it.policy and it.roles:
        closed = len(_denied(it, clients("iam"))) == len(it.roles)
    else:
        scaled = f"endpoint/{it.endpoint}/variant/{it.variant}"
        scaling = clients("application-autoscaling")
        found = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[scaled])["ScalableTargets"]
        closed = bool(found) and all(any((each.get("SuspendedState") or {}).values()) for each in found)
    if closed:
        return CLOSED
    return CLOSING if _standing(it, clients) else OPEN


def _standing(it: Closable, clients: Clients) -> list[str]:
    """The names of its alarms that are in alarm, of which the month's stands longer and is the first."""
    found = clients("cloudwatch").describe_alarms(AlarmNames=alarms_of(it.alarm))["MetricAlarms"]
    standing = [each["AlarmName"] for each in found if each["StateValue"] == ALARM]
    return sorted(standing, key=len, reverse=True)


def _resume(it: Closable, client: Any) -> tuple[list[str], int]:
    """Resumes scaling. Returns what was done, and the least capacity of the targets."""
    scaled = f"endpoint/{it.endpoint}/variant/{it.variant}"
    found = client.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[scaled])["ScalableTargets"]
    done = []
    for each in found:
        if any((each.get("SuspendedState") or {}).values()):
            client.register_scalable_target(
                ServiceNamespace="sagemaker",
                ResourceId=scaled,
                ScalableDimension=each["ScalableDimension"],
                SuspendedState=dict.fromkeys(SUSPENDED, False),
            )
            done.append("scaling is resumed")
    return done, max((each["MinCapacity"] for each in found), default=0)


def _grow(it: Closable, client: Any, resumed: tuple[list[str], int]) -> list[str]:
    """Gives the variant what its configuration says; instances, what scaling keeps at least."""
    done, floor = resumed
    found = client.describe_endpoint(EndpointName=it.endpoint)
    config = client.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    now, declared = (_variant(each, it.variant) for each in (found, config))
    wanted = _wanted(now, declared, floor)
    if wanted:
        client.update_endpoint_weights_and_capacities(
            EndpointName=it.endpoint,
            DesiredWeightsAndCapacities=[{"VariantName": it.variant, **wanted}],
        )
        done = [*done, "its capacity is restored"]
    return done


def _variant(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next((each for each in found.get("ProductionVariants") or () if each["VariantName"] == name), {})


def _wanted(now: Mapping[str, Any], declared: Mapping[str, Any], floor: int) -> dict[str, Any]:
    serverless = declared.get("ServerlessConfig")
    if serverless is None:
        return {"DesiredInstanceCount": floor} if now.get("DesiredInstanceCount", 0) < floor else {}
    current = now.get("DesiredServerlessConfig") or now.get("CurrentServerlessConfig") or {}
    keys = ("MaxConcurrency", "ProvisionedConcurrency")
    wanted = {key: serverless[key] for key in keys if serverless.get(key)}
    return {"ServerlessUpdateConfig": wanted} if any(current.get(key) != wanted[key] for key in wanted) else {}
