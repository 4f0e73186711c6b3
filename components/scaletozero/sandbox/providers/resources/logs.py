"""Log groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scaletozero.sandbox.providers.shapes import Failure
from scaletozero.sandbox.providers.table import Naming, Read, ResourceType, State, Step, Tagging
from scaletozero.sandbox.providers.values import UNKNOWN

RETENTION_DAYS = (
    0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""The values that PutRetentionPolicy accepts (API reference); 0 means never in Terraform."""


def _retention(state: State) -> Iterator[Failure]:
    days = state.get("retentionInDays")
    if days is not None and days is not UNKNOWN and days not in RETENTION_DAYS:
        yield Failure("retentionInDays", f"must be one of {', '.join(map(str, RETENTION_DAYS))}, got {days}")


def _own_group(response: Any, state: State) -> Any:
    return next((group for group in response["logGroups"] if group["logGroupName"] == state["@id"]), None)


ROWS = (
    ResourceType(
        kind="aws:cloudwatch/logGroup:LogGroup",
        service="logs",
        naming=Naming(limit=512, prefix="namePrefix"),
        id=lambda s: s["name"],
        from_id=lambda i: {"name": i},
        gone=("ResourceNotFoundException",),
        create=(
            Step(
                "create_log_group",
                {"logGroupName": "name", "kmsKeyId": "kmsKeyId", "logGroupClass": "logGroupClass"},
            ),
            Step(
                "put_retention_policy",
                {"logGroupName": "name", "retentionInDays": lambda s: s.get("retentionInDays") or None},
                on=("retentionInDays",),
            ),
        ),
        reads=(
            Read(
                "describe_log_groups",
                {"logGroupNamePrefix": "@id"},
                {
                    "name": "logGroupName",
                    "retentionInDays": "retentionInDays",
                    "kmsKeyId": "kmsKeyId",
                    "logGroupClass": "logGroupClass",
                },
                pick=_own_group,
            ),
        ),
        update=(
            Step(
                "put_retention_policy",
                {"logGroupName": "@id", "retentionInDays": "retentionInDays"},
                on=("retentionInDays",),
            ),
            Step("delete_retention_policy", {"logGroupName": "@id"}, on=("retentionInDays",), unset=True),
            Step("associate_kms_key", {"logGroupName": "@id", "kmsKeyId": "kmsKeyId"}, on=("kmsKeyId",)),
            Step("disassociate_kms_key", {"logGroupName": "@id"}, on=("kmsKeyId",), unset=True),
        ),
        delete=(Step("delete_log_group", {"logGroupName": "@id"}),),
        defaults={"skipDestroy": False, "retentionInDays": 0},
        local={"skipDestroy": bool},
        computed=frozenset({"logGroupClass"}),
        outputs={"arn": "arn:{@partition}:logs:{@region}:{@account}:log-group:{name}"},
        rules=(_retention,),
        refused={"deletionProtectionEnabled": "leave it out; the embedded AWS has no deletion protection"},
        tagging=Tagging(
            "tag_resource",
            "untag_resource",
            "list_tags_for_resource",
            "tags",
            {"resourceArn": "arn"},
            at_create="tags",
            keys="tagKeys",
            param="tags",
            style="map",
        ),
    ),
)
