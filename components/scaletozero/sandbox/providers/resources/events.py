"""EventBridge rules with their targets, and permissions to call functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from scaletozero.sandbox.providers.rules import known
from scaletozero.sandbox.providers.shapes import Failure
from scaletozero.sandbox.providers.table import Naming, Read, ResourceType, State, Step, Tagging

_GONE = ("ResourceNotFoundException",)
_RULE = {
    "Name": "name",
    "Description": "description",
    "EventPattern": "eventPattern",
    "ScheduleExpression": "scheduleExpression",
    "State": "state",
    "RoleArn": "roleArn",
}
_TARGET = {
    "arn": "Arn",
    "roleArn": "RoleArn",
    "input": "Input",
    "inputPath": "InputPath",
}
_CONDITIONS = {"sourceArn": ("ArnLike", "AWS:SourceArn"), "sourceAccount": ("StringEquals", "AWS:SourceAccount")}


def _when(state: State) -> Iterator[Failure]:
    pattern, schedule = state.get("eventPattern"), state.get("scheduleExpression")
    if pattern is None and schedule is None:
        yield Failure("eventPattern", "one of `eventPattern` and `scheduleExpression` must be given")
    if known(pattern):
        try:
            written = json.loads(str(pattern))
        except ValueError:
            written = None
        if not isinstance(written, dict) or not written:
            yield Failure("eventPattern", "must be a JSON object with a field, such as `source`")
    if known(schedule) and not re.fullmatch(r"rate\([1-9]\d* \w+\)|cron\((\S+ ){5}\S+\)", str(schedule)):
        yield Failure("scheduleExpression", f"must be rate(value unit) or cron(six fields), got {schedule!r}")
    if known(schedule) and (rate := re.fullmatch(r"rate\((\d+) (\w+)\)", str(schedule))):
        units = ("minute", "hour", "day") if rate[1] == "1" else ("minutes", "hours", "days")
        if rate[2] not in units:
            yield Failure("scheduleExpression", f"must have a unit of {', '.join(units)}, got {rate[2]!r}")


def _targets(state: State) -> list[dict[str, Any]]:
    sent = {member: state[prop] for prop, member in _TARGET.items() if state.get(prop) is not None}
    return [{"Id": state["targetId"], **sent}]


def _one_target(response: Any, state: State) -> Any:
    return next((each for each in response["Targets"] if each["Id"] == state["targetId"]), None)


def _statement(response: Any, state: State) -> Any:
    """The statement of the function's policy, flat."""
    for each in json.loads(response["Policy"])["Statement"]:
        if each["Sid"] == state["statementId"]:
            principal, conditions = each["Principal"], each.get("Condition") or {}
            found = {prop: conditions.get(kind, {}).get(key) for prop, (kind, key) in _CONDITIONS.items()}
            return {
                "action": each["Action"],
                "principal": principal if isinstance(principal, str) else next(iter(principal.values())),
                **found,
            }
    return None


_put = Step("put_rule", _RULE, on=tuple(prop for prop in _RULE.values() if prop != "name"))
_put_targets = Step("put_targets", {"Rule": "rule", "Targets": _targets}, on=tuple(_TARGET))

ROWS = (
    ResourceType(
        kind="aws:cloudwatch/eventRule:EventRule",
        service="events",
        naming=Naming(limit=64, prefix="namePrefix"),
        id=lambda s: s["name"],
        from_id=lambda i: {"name": i},
        gone=_GONE,
        create=(_put,),
        update=(_put,),
        reads=(
            Read(
                "describe_rule",
                {"Name": "@id"},
                {source: path for path, source in _RULE.items()} | {"arn": "Arn"},
            ),
        ),
        delete=(Step("delete_rule", {"Name": "@id"}),),
        replaces=frozenset({"name", "namePrefix"}),
        defaults={"state": "ENABLED", "forceDestroy": False},
        local={"forceDestroy": bool},
        json=frozenset({"eventPattern"}),
        rules=(_when,),
        refused={
            "eventBusName": "leave it out in the sandbox, which has the default bus only",
            "isEnabled": "deprecated; write `state`",
        },
        tagging=Tagging("tag_resource", "untag_resource", "list_tags_for_resource", "Tags", {"ResourceARN": "arn"}),
    ),
    ResourceType(
        kind="aws:cloudwatch/eventTarget:EventTarget",
        service="events",
        id=lambda s: f"{s['rule']}-{s['targetId']}",
        gone=_GONE,
        create=(_put_targets,),
        update=(_put_targets,),
        reads=(
            Read(
                "list_targets_by_rule",
                {"Rule": "rule"},
                _TARGET,
                pick=_one_target,
            ),
        ),
        delete=(Step("remove_targets", {"Rule": "rule", "Ids": lambda s: [s["targetId"]]}),),
        replaces=frozenset({"rule", "targetId"}),
        required=("targetId", "arn", "rule"),
        defaults={"forceDestroy": False},
        local={"forceDestroy": bool, "targetId": str},
        refused={
            "eventBusName": "leave it out in the sandbox, which has the default bus only",
            **dict.fromkeys(
                (
                    "appsyncTarget", "batchTarget", "deadLetterConfig", "ecsTarget", "httpTarget", "inputTransformer",
                    "kinesisTarget", "redshiftTarget", "retryPolicy", "runCommandTargets", "sagemakerPipelineTarget",
                    "sqsTarget",
                ),
                "leave it out in the sandbox; the toolkit's rules call functions only",
            ),
        },
    ),
    ResourceType(
        kind="aws:lambda/permission:Permission",
        service="lambda",
        id=lambda s: s["statementId"],
        gone=_GONE,
        create=(
            Step(
                "add_permission",
                {
                    "FunctionName": "function",
                    "StatementId": "statementId",
                    "Action": "action",
                    "Principal": "principal",
                    "SourceArn": "sourceArn",
                    "SourceAccount": "sourceAccount",
                    "FunctionUrlAuthType": "functionUrlAuthType",
                    "InvokedViaFunctionUrl": "invokedViaFunctionUrl",
                },
            ),
        ),
        reads=(
            Read(
                "get_policy",
                {"FunctionName": "function"},
                {prop: prop for prop in ("action", "principal", "sourceArn")},
                pick=_statement,
            ),
        ),
        delete=(Step("remove_permission", {"FunctionName": "function", "StatementId": "statementId"}),),
        required=("statementId", "function", "action", "principal"),
        refused=dict.fromkeys(
            (
                "eventSourceToken", "principalOrgId", "qualifier", "statementIdPrefix",
            ),
            "leave it out in the sandbox; the toolkit's permissions do not need it",
        ),
    ),
)  # fmt: skip
