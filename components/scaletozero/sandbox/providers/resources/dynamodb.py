"""Tables on DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scaletozero.sandbox.providers.rules import known
from scaletozero.sandbox.providers.shapes import Failure
from scaletozero.sandbox.providers.table import Hook, Naming, Read, ResourceType, State, Step, Tagging, Wait

BILLING = ("PAY_PER_REQUEST", "PROVISIONED")


def _keys(state: State) -> list[dict[str, str]]:
    schema = [{"AttributeName": state["hashKey"], "KeyType": "HASH"}]
    if state.get("rangeKey"):
        schema.append({"AttributeName": state["rangeKey"], "KeyType": "RANGE"})
    return schema


def _encryption(state: State) -> dict[str, Any] | None:
    given = state.get("serverSideEncryption")
    if not given or not given.get("enabled"):
        return None
    key = given.get("kmsKeyArn")
    return {"Enabled": True, "SSEType": "KMS", **({"KMSMasterKeyId": key} if key else {})}


def _expire(client: Any, state: State) -> None:
    """Sets the attribute after whose time items are deleted. The service refuses to set what is set."""
    given = state.get("ttl") or {}
    wanted = given.get("attributeName") if given.get("enabled") else None
    found = client.describe_time_to_live(TableName=state["@id"])["TimeToLiveDescription"]
    have = found.get("AttributeName") if found["TimeToLiveStatus"] in ("ENABLED", "ENABLING") else None
    if have and have != wanted:
        client.update_time_to_live(
            TableName=state["@id"], TimeToLiveSpecification={"Enabled": False, "AttributeName": have}
        )
    if wanted and have != wanted:
        client.update_time_to_live(
            TableName=state["@id"], TimeToLiveSpecification={"Enabled": True, "AttributeName": wanted}
        )


def _restorable(client: Any, state: State) -> None:
    wanted = bool((state.get("pointInTimeRecovery") or {}).get("enabled"))
    client.update_continuous_backups(
        TableName=state["@id"], PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": wanted}
    )


def _valid(state: State) -> Iterator[Failure]:
    """Checks what the service refuses beyond its model (API reference, CreateTable)."""
    billing, attributes = state.get("billingMode"), state.get("attributes")
    if isinstance(billing, str) and billing not in BILLING:
        yield Failure("billingMode", f"must be one of {', '.join(BILLING)}, got {billing!r}")
    if billing != "PAY_PER_REQUEST":
        yield Failure("billingMode", "must be PAY_PER_REQUEST in the sandbox; the toolkit's tables have no capacity")
    if attributes is None or not known(attributes):
        return
    named = {each.get("name") for each in attributes}
    keys = {state.get(key) for key in ("hashKey", "rangeKey")} - {None}
    if named != keys:
        names = ", ".join(sorted(map(str, keys)))
        yield Failure("attributes", f"must be those of the keys, {names}: others would belong to no index")
    for index, each in enumerate(attributes):
        if each.get("type") not in ("S", "N", "B"):
            yield Failure(f"attributes[{index}].type", f"must be S, N or B, got {each.get('type')!r}")
    ttl = state.get("ttl")
    if ttl is not None and known(ttl) and ttl.get("enabled") and not ttl.get("attributeName"):
        yield Failure("ttl.attributeName", "is required where it is enabled")


def _attributes(state: State) -> list[dict[str, str]]:
    return [{"AttributeName": each["name"], "AttributeType": each["type"]} for each in state["attributes"]]


ROWS = (
    ResourceType(
        kind="aws:dynamodb/table:Table",
        service="dynamodb",
        naming=Naming(limit=255),
        id=lambda s: s["name"],
        from_id=lambda i: {"name": i},
        gone=("ResourceNotFoundException",),
        create=(
            Step(
                "create_table",
                {
                    "TableName": "name",
                    "BillingMode": "billingMode",
                    "TableClass": "tableClass",
                    "DeletionProtectionEnabled": "deletionProtectionEnabled",
                    "AttributeDefinitions": _attributes,
                    "KeySchema": _keys,
                    "SSESpecification": _encryption,
                },
            ),
            Hook(_expire, on=("ttl",)),
            Hook(_restorable, on=("pointInTimeRecovery",)),
        ),
        update=(
            Step(
                "update_table",
                {
                    "TableName": "@id",
                    "DeletionProtectionEnabled": "deletionProtectionEnabled",
                    "TableClass": "tableClass",
                },
                on=("deletionProtectionEnabled", "tableClass"),
            ),
            Step(
                "update_table",
                {"TableName": "@id", "SSESpecification": lambda s: _encryption(s) or {"Enabled": False}},
                on=("serverSideEncryption",),
            ),
            Hook(_expire, on=("ttl",)),
            Hook(_restorable, on=("pointInTimeRecovery",)),
        ),
        reads=(
            Read(
                "describe_table",
                {"TableName": "@id"},
                {
                    "arn": "Table.TableArn",
                    "name": "Table.TableName",
                    "billingMode": "Table.BillingModeSummary.BillingMode",
                    "deletionProtectionEnabled": "Table.DeletionProtectionEnabled",
                },
            ),
        ),
        delete=(Step("delete_table", {"TableName": "@id"}),),
        replaces=frozenset({"name", "hashKey", "rangeKey", "attributes"}),
        required=("hashKey", "attributes"),
        defaults={"billingMode": "PROVISIONED", "deletionProtectionEnabled": False, "tableClass": "STANDARD"},
        local={
            "attributes": list,
            "hashKey": str,
            "rangeKey": str,
            "ttl": dict,
            "pointInTimeRecovery": dict,
            "serverSideEncryption": dict,
        },
        rules=(_valid,),
        refused=dict.fromkeys(
            (
                "globalSecondaryIndexes", "globalTableWitness", "importTable", "localSecondaryIndexes",
                "onDemandThroughput", "readCapacity", "replicas", "restoreBackupArn", "restoreDateTime",
                "restoreSourceName", "restoreSourceTableArn", "restoreToLatestTime", "streamEnabled", "streamViewType",
                "warmThroughput", "writeCapacity",
            ),
            "leave it out in the sandbox; the toolkit's tables do not need it",
        ),
        wait=Wait(
            "describe_table",
            {"TableName": "@id"},
            "Table.TableStatus",
            ("CREATING", "UPDATING"),
            ("ACTIVE",),
            "Table.TableStatus",
        ),
        tagging=Tagging(
            "tag_resource", "untag_resource", "list_tags_of_resource", "Tags", {"ResourceArn": "arn"}
        ),
    ),
)  # fmt: skip
