"""Closes and opens a gateway by the reserved concurrency of its function: 0 refuses every request."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from model_packaging.findings import refuse
from scaletozero.endpoints.close_function import ALARM
from scaletozero.endpoints.reopen import CLOSED, CLOSING, COMPONENT, FUNCTION, OPEN, Clients
from scaletozero.endpoints.state import Resource, properties, whole
from scaletozero.settings.guarded_gateway import NAME

GATEWAY = "scaletozero:index:InferenceGateway"


@dataclass(frozen=True)
class Door:
    """A gateway's function, as a stack's state has it.

    Attributes:
        function: its name.
        concurrency: its declared requests at a time.
        alarm: the alarm that closes it; empty without a guard.
    """

    function: str
    concurrency: int
    alarm: str = ""


def find_door(resources: Iterable[Resource]) -> Door | None:
    """The gateway's function in a stack's state; None where it has none.

    Args:
        resources: `deployment.resources` of an exported stack.
    """
    here = [each for each in resources if not each.get("delete")]
    parents = {kind: {each["urn"] for each in here if each["type"] == kind} for kind in (GATEWAY, COMPONENT)}
    functions = [each for each in here if each["type"] == FUNCTION]
    for each in functions:
        if each.get("parent") in parents[GATEWAY]:
            name = properties(each).get("name", "")
            # What was declared: a refresh puts what a closed one has into the outputs.
            declared = whole((each.get("inputs") or {}).get("reservedConcurrentExecutions"))
            guards = [one for one in functions if one.get("parent") in parents[COMPONENT]]
            return Door(name, int(declared or 0), next((one for guard in guards if (one := _alarm(guard, name))), ""))
    return None


def _alarm(guard: Resource, function: str) -> str:
    """The name of the alarm at which a guard's function closes a gateway's; empty where it does not."""
    variables = (properties(guard).get("environment") or {}).get("variables") or {}
    return next((alarm for alarm, name in json.loads(variables.get("GATEWAYS", "{}")).items() if name == function), "")


def door_state(door: Door, clients: Clients) -> str:
    """`closed`, `closing` (its alarm stands) or `open`."""
    found = clients("lambda").get_function_concurrency(FunctionName=door.function)
    if found.get("ReservedConcurrentExecutions") == 0:
        return CLOSED
    return CLOSING if _stands(door, clients) else OPEN


def close_door(door: Door, clients: Clients) -> bool:
    """Closes it. Returns whether it was open."""
    if door_state(door, clients) == CLOSED:
        return False
    clients("lambda").put_function_concurrency(FunctionName=door.function, ReservedConcurrentExecutions=0)
    return True


def open_door(door: Door, clients: Clients) -> bool:
    """Gives it the concurrency that was declared. Returns whether it was closed.

    Raises:
        FindingsError: its alarm is still in alarm, so that it would be closed again, or it is declared closed.
    """
    if _stands(door, clients):
        raise refuse(
            NAME,
            "must be within its allowance to be opened",
            "an alarm that still stands",
            "the guard would close it again within five minutes",
            "wait until the window has passed; or raise its cap, `scaletozero up`, and try again",
        )
    if not door.concurrency:
        raise refuse(
            "gateway.function.concurrency",
            "must be more than 0 to open it",
            "0",
            "it is declared closed",
            "write the most requests at a time, and `scaletozero up`",
        )
    if door_state(door, clients) != CLOSED:
        return False
    wanted = {"FunctionName": door.function, "ReservedConcurrentExecutions": door.concurrency}
    clients("lambda").put_function_concurrency(**wanted)
    return True


def _stands(door: Door, clients: Clients) -> bool:
    """Whether its alarm is in alarm."""
    if not door.alarm:
        return False
    found = clients("cloudwatch").describe_alarms(AlarmNames=[door.alarm])["MetricAlarms"]
    return any(each["StateValue"] == ALARM for each in found)
