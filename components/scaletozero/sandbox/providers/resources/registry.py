"""ECR repositories and their lifecycle policies, KMS keys and their aliases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from scaletozero.sandbox.providers.rules import known, policy_document
from scaletozero.sandbox.providers.shapes import Failure
from scaletozero.sandbox.providers.table import Hook, Naming, Read, ResourceType, State, Step, Tagging

_NO_REPOSITORY = ("RepositoryNotFoundException", "LifecyclePolicyNotFoundException")
_NO_KEY = ("NotFoundException",)


def _lifecycle(state: State) -> Iterator[Failure]:
    text = state.get("policy")
    if not known(text):
        return
    try:
        rules = json.loads(str(text))["rules"]
        priorities = [rule["rulePriority"] for rule in rules]
        selections = [(rule["selection"]["countType"], rule["action"]["type"]) for rule in rules]
    except (ValueError, KeyError, TypeError) as error:
        yield Failure("policy", f"must be a lifecycle policy ({{rules: [...]}}): {type(error).__name__} {error}")
        return
    if len(set(priorities)) != len(priorities):
        yield Failure("policy", f"must have each rulePriority once, got {priorities}")
    for count, action in selections:
        if count not in ("imageCountMoreThan", "sinceImagePushed") or action != "expire":
            yield Failure("policy", f"has a rule with countType {count!r} and action {action!r}")


def _usable(response: Any, _state: State) -> Any:
    key = response["KeyMetadata"]
    return None if key["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion") else key


def _rotate(client: Any, state: State) -> None:
    if state.get("enableKeyRotation"):
        days = {"RotationPeriodInDays": state["rotationPeriodInDays"]} if state.get("rotationPeriodInDays") else {}
        client.enable_key_rotation(KeyId=state["@id"], **days)
    else:
        client.disable_key_rotation(KeyId=state["@id"])


def _enable(client: Any, state: State) -> None:
    (client.disable_key if state.get("isEnabled") is False else client.enable_key)(KeyId=state["@id"])


def _keys_with_tags(client: Any, state: State) -> Iterator[str]:
    """The keys with exactly these tags; none if no tags are given."""
    for page in client.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            tags = client.list_resource_tags(KeyId=key["KeyId"])["Tags"]
            if tags and {tag["TagKey"]: tag["TagValue"] for tag in tags} == state.get("tagsAll"):
                yield key["KeyId"]


def _own_alias(response: Any, state: State) -> Any:
    return next((alias for alias in response["Aliases"] if alias["AliasName"] == state["@id"]), None)


def _first(key: str) -> Any:
    return lambda response, _state: (response[key] or [None])[0]


def _alias_name(state: State) -> Iterator[Failure]:
    name = state.get("name")
    if known(name) and (not str(name).startswith("alias/") or str(name).startswith("alias/aws/")):
        yield Failure("name", f"must begin with alias/ and not with alias/aws/, got {name!r}")


ROWS = (
    ResourceType(
        kind="aws:ecr/repository:Repository",
        service="ecr",
        naming=Naming(limit=255, lowercase=True),
        id=lambda s: s["name"],
        from_id=lambda i: {"name": i},
        gone=_NO_REPOSITORY,
        create=(
            Step(
                "create_repository",
                {
                    "repositoryName": "name",
                    "imageTagMutability": "imageTagMutability",
                    "imageTagMutabilityExclusionFilters": "imageTagMutabilityExclusionFilters",
                    "imageScanningConfiguration": "imageScanningConfiguration",
                    "encryptionConfiguration": "encryptionConfigurations",
                },
            ),
        ),
        update=(
            Step(
                "put_image_tag_mutability",
                {"repositoryName": "@id", "imageTagMutability": "imageTagMutability"},
                on=("imageTagMutability",),
            ),
            Step(
                "put_image_scanning_configuration",
                {"repositoryName": "@id", "imageScanningConfiguration": "imageScanningConfiguration"},
                on=("imageScanningConfiguration",),
            ),
        ),
        reads=(
            Read(
                "describe_repositories",
                {"repositoryNames": lambda s: [s["@id"]]},
                {
                    "arn": "repositoryArn",
                    "name": "repositoryName",
                    "registryId": "registryId",
                    "imageTagMutability": "imageTagMutability",
                    "imageScanningConfiguration": "imageScanningConfiguration",
                    "encryptionConfigurations": "encryptionConfiguration",
                },
                pick=_first("repositories"),
            ),
        ),
        delete=(Step("delete_repository", {"repositoryName": "@id", "force": "forceDelete"}),),
        defaults={"imageTagMutability": "MUTABLE", "forceDelete": False},
        local={"forceDelete": bool},
        computed=frozenset({"imageScanningConfiguration", "encryptionConfigurations"}),
        outputs={"repositoryUrl": "{@account}.dkr.ecr.{@region}.{@suffix}/{name}"},
        tagging=Tagging(
            "tag_resource",
            "untag_resource",
            "list_tags_for_resource",
            "tags",
            {"resourceArn": "arn"},
            at_create="tags",
            keys="tagKeys",
            param="tags",
        ),
    ),
    ResourceType(
        kind="aws:ecr/lifecyclePolicy:LifecyclePolicy",
        service="ecr",
        id=lambda s: s["repository"],
        from_id=lambda i: {"repository": i},
        gone=_NO_REPOSITORY,
        create=(Step("put_lifecycle_policy", {"repositoryName": "repository", "lifecyclePolicyText": "policy"}),),
        reads=(
            Read(
                "get_lifecycle_policy",
                {"repositoryName": "@id"},
                {"policy": "lifecyclePolicyText", "repository": "repositoryName", "registryId": "registryId"},
            ),
        ),
        delete=(Step("delete_lifecycle_policy", {"repositoryName": "@id"}),),
        json=frozenset({"policy"}),
        rules=(_lifecycle,),
    ),
    ResourceType(
        kind="aws:kms/key:Key",
        service="kms",
        id_path="KeyMetadata.KeyId",
        find=_keys_with_tags,
        found_by=("tagsAll",),
        gone=_NO_KEY,
        create=(
            Step(
                "create_key",
                {
                    "Description": "description",
                    "Policy": "policy",
                    "KeyUsage": "keyUsage",
                    "CustomerMasterKeySpec": "customerMasterKeySpec",
                    "MultiRegion": "multiRegion",
                    "BypassPolicyLockoutSafetyCheck": "bypassPolicyLockoutSafetyCheck",
                },
            ),
            Hook(_rotate, on=("enableKeyRotation", "rotationPeriodInDays")),
            Hook(_enable, on=("isEnabled",)),
        ),
        update=(
            Step(
                "update_key_description",
                {"KeyId": "@id", "Description": lambda s: s.get("description", "")},
                on=("description",),
            ),
            Step(
                "put_key_policy",
                {"KeyId": "@id", "PolicyName": lambda _: "default", "Policy": "policy"},
                on=("policy",),
            ),
            Hook(_rotate, on=("enableKeyRotation", "rotationPeriodInDays")),
            Hook(_enable, on=("isEnabled",)),
        ),
        reads=(
            Read(
                "describe_key",
                {"KeyId": "@id"},
                {
                    "arn": "Arn",
                    "keyId": "KeyId",
                    "description": "Description",
                    "keyUsage": "KeyUsage",
                    "customerMasterKeySpec": "CustomerMasterKeySpec",
                    "multiRegion": "MultiRegion",
                    "isEnabled": "Enabled",
                },
                pick=_usable,
            ),
            Read(
                "get_key_policy",
                {"KeyId": "@id", "PolicyName": lambda _: "default"},
                {"policy": "Policy"},
            ),
            Read(
                "get_key_rotation_status",
                {"KeyId": "@id"},
                {"enableKeyRotation": "KeyRotationEnabled"},
            ),
        ),
        delete=(
            Step(
                "schedule_key_deletion",
                {"KeyId": "@id", "PendingWindowInDays": "deletionWindowInDays"},
                gone=("KMSInvalidStateException",),
            ),
        ),
        replaces=frozenset({"keyUsage", "customerMasterKeySpec", "multiRegion"}),
        defaults={
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "keyUsage": "ENCRYPT_DECRYPT",
            "isEnabled": True,
            "enableKeyRotation": False,
            "bypassPolicyLockoutSafetyCheck": False,
        },
        local={
            "deletionWindowInDays": int, "enableKeyRotation": bool, "isEnabled": bool, "rotationPeriodInDays": int,
            "bypassPolicyLockoutSafetyCheck": bool,
        },
        computed=frozenset({"policy", "multiRegion", "description", "rotationPeriodInDays"}),
        json=frozenset({"policy"}),
        rules=(policy_document("policy", principal=True, resource=True),),
        refused=dict.fromkeys(("customKeyStoreId", "xksKeyId"), "leave it out; the sandbox has no key stores"),
        tagging=Tagging(
            "tag_resource",
            "untag_resource",
            "list_resource_tags",
            "Tags",
            {"KeyId": "@id"},
            style="tagkey",
        ),
    ),
    ResourceType(
        kind="aws:kms/alias:Alias",
        service="kms",
        naming=Naming(limit=256, prefix="namePrefix", leading="alias/"),
        id=lambda s: s["name"],
        from_id=lambda i: {"name": i},
        gone=_NO_KEY,
        create=(Step("create_alias", {"AliasName": "name", "TargetKeyId": "targetKeyId"}),),
        update=(Step("update_alias", {"AliasName": "@id", "TargetKeyId": "targetKeyId"}, on=("targetKeyId",)),),
        reads=(
            Read(
                "list_aliases",
                {"KeyId": "targetKeyId"},
                {"arn": "AliasArn", "targetKeyId": "TargetKeyId"},
                pick=_own_alias,
            ),
        ),
        delete=(Step("delete_alias", {"AliasName": "@id"}),),
        outputs={"targetKeyArn": "arn:{@partition}:kms:{@region}:{@account}:key/{targetKeyId}"},
        rules=(_alias_name,),
    ),
)  # fmt: skip
