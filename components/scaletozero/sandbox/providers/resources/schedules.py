"""EventBridge Scheduler."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from typing import Any

from scaletozero.sandbox.providers.rules import known
from scaletozero.sandbox.providers.shapes import Failure
from scaletozero.sandbox.providers.table import Naming, Read, ResourceType, State, Step, Tagging

_MEMBERS = {
    "Name": "name",
    "GroupName": "groupName",
    "ScheduleExpression": "scheduleExpression",
    "ScheduleExpressionTimezone": "scheduleExpressionTimezone",
    "FlexibleTimeWindow": "flexibleTimeWindow",
    "Target": "target",
    "State": "state",
    "Description": "description",
    "StartDate": "startDate",
    "EndDate": "endDate",
    "KmsKeyArn": "kmsKeyArn",
    "ActionAfterCompletion": "actionAfterCompletion",
}


def _expression(state: State) -> Iterator[Failure]:
    text, zone = state.get("scheduleExpression"), state.get("scheduleExpressionTimezone")
    if known(text) and not re.fullmatch(
        r"at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)|rate\(\d+ \w+\)|cron\((\S+ ){5}\S+\)", str(text)
    ):
        yield Failure(
            "scheduleExpression",
            f"must be at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(six fields), got {text!r}",
        )
    if known(zone) and zone not in zoneinfo.available_timezones():
        yield Failure("scheduleExpressionTimezone", f"must be an IANA time zone, got {zone!r}")
    window = state.get("flexibleTimeWindow")
    if isinstance(window, dict) and (window.get("mode") == "FLEXIBLE") != (
        window.get("maximumWindowInMinutes") is not None
    ):
        yield Failure("flexibleTimeWindow.maximumWindowInMinutes", "must be given exactly with mode FLEXIBLE")


def _split(id_: str) -> dict[str, Any]:
    group, _, name = id_.partition("/")
    return {"groupName": group, "name": name}


ROWS = (
    ResourceType(
        kind="aws:scheduler/scheduleGroup:ScheduleGroup",
        service="scheduler",
        naming=Naming(limit=64, prefix="namePrefix"),
        id=lambda s: s["name"],
        from_id=lambda i: {"name": i},
        gone=("ResourceNotFoundException",),
        create=(Step("create_schedule_group", {"Name": "name"}),),
        reads=(
            Read(
                "get_schedule_group",
                {"Name": "@id"},
                {
                    "arn": "Arn",
                    "name": "Name",
                    "state": "State",
                    "creationDate": "CreationDate",
                    "lastModificationDate": "LastModificationDate",
                },
            ),
        ),
        delete=(Step("delete_schedule_group", {"Name": "@id"}),),
        tagging=Tagging("tag_resource", "untag_resource", "list_tags_for_resource", "Tags", {"ResourceArn": "arn"}),
    ),
    ResourceType(
        kind="aws:scheduler/schedule:Schedule",
        service="scheduler",
        naming=Naming(limit=64, prefix="namePrefix"),
        id=lambda s: f"{s.get('groupName') or 'default'}/{s['name']}",
        from_id=_split,
        gone=("ResourceNotFoundException",),
        create=(Step("create_schedule", _MEMBERS),),
        update=(
            Step("update_schedule", _MEMBERS, on=tuple(p for p in _MEMBERS.values() if p not in ("name", "groupName"))),
        ),
        reads=(
            Read(
                "get_schedule",
                {"Name": "name", "GroupName": "groupName"},
                {source: path for path, source in _MEMBERS.items()} | {"arn": "Arn"},
            ),
        ),
        delete=(Step("delete_schedule", {"Name": "name", "GroupName": "groupName"}),),
        replaces=frozenset({"name", "namePrefix", "groupName"}),
        defaults={"groupName": "default", "scheduleExpressionTimezone": "UTC", "state": "ENABLED"},
        computed=frozenset({"actionAfterCompletion"}),
        rules=(_expression,),
    ),
)
