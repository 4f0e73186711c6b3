"""Roles, their inline policies, and managed policies."""

from __future__ import annotations

from typing import Any

from scaletozero.sandbox.providers.rules import policy_document
from scaletozero.sandbox.providers.table import Hook, Naming, Read, ResourceType, Step, Tagging


def _empty_role(client: Any, state: Any) -> None:
    """Deletes a role's policies and attachments if `forceDetachPolicies` is set, as Terraform does."""
    if not state.get("forceDetachPolicies"):
        return
    role = state["@id"]
    for name in client.list_role_policies(RoleName=role)["PolicyNames"]:
        client.delete_role_policy(RoleName=role, PolicyName=name)
    for policy in client.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        client.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])


MOST_VERSIONS = 5
"""Maximum number of versions of a managed policy (IAM quotas)."""


def _policy_arn(state: Any) -> str:
    return f"arn:{state['@partition']}:iam::{state['@account']}:policy{state.get('path', '/')}{state['name']}"


def _new_version(client: Any, state: Any) -> None:
    """Creates a version of a managed policy. Deletes the oldest of five, which is the maximum, as Terraform does."""
    arn = state["@id"]
    versions = client.list_policy_versions(PolicyArn=arn)["Versions"]
    if len(versions) >= MOST_VERSIONS:
        oldest = min((each for each in versions if not each["IsDefaultVersion"]), key=lambda each: each["CreateDate"])
        client.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
    client.create_policy_version(PolicyArn=arn, PolicyDocument=state["policy"], SetAsDefault=True)


def _old_versions(client: Any, state: Any) -> None:
    """Deletes the versions besides the default one: IAM does not delete a policy that has any."""
    for each in client.list_policy_versions(PolicyArn=state["@id"])["Versions"]:
        if not each["IsDefaultVersion"]:
            client.delete_policy_version(PolicyArn=state["@id"], VersionId=each["VersionId"])


ROWS = (
    ResourceType(
        kind="aws:iam/role:Role",
        service="iam",
        regional=False,
        naming=Naming(limit=64, prefix="namePrefix"),
        id=lambda s: s["name"],
        from_id=lambda i: {"name": i},
        gone=("NoSuchEntity",),
        create=(
            Step(
                "create_role",
                {
                    "RoleName": "name",
                    "Path": "path",
                    "AssumeRolePolicyDocument": "assumeRolePolicy",
                    "Description": "description",
                    "MaxSessionDuration": "maxSessionDuration",
                    "PermissionsBoundary": "permissionsBoundary",
                },
            ),
        ),
        reads=(
            Read(
                "get_role",
                {"RoleName": "@id"},
                {
                    "name": "Role.RoleName",
                    "path": "Role.Path",
                    "arn": "Role.Arn",
                    "uniqueId": "Role.RoleId",
                    "createDate": "Role.CreateDate",
                    "assumeRolePolicy": "Role.AssumeRolePolicyDocument",
                    "description": "Role.Description",
                    "maxSessionDuration": "Role.MaxSessionDuration",
                    "permissionsBoundary": "Role.PermissionsBoundary.PermissionsBoundaryArn",
                },
            ),
        ),
        update=(
            Step(
                "update_assume_role_policy",
                {"RoleName": "@id", "PolicyDocument": "assumeRolePolicy"},
                on=("assumeRolePolicy",),
            ),
            Step(
                "update_role",
                {
                    "RoleName": "@id",
                    "Description": lambda s: s.get("description", ""),
                    "MaxSessionDuration": "maxSessionDuration",
                },
                on=("description", "maxSessionDuration"),
            ),
            Step(
                "put_role_permissions_boundary",
                {"RoleName": "@id", "PermissionsBoundary": "permissionsBoundary"},
                on=("permissionsBoundary",),
            ),
            Step("delete_role_permissions_boundary", {"RoleName": "@id"}, on=("permissionsBoundary",), unset=True),
        ),
        delete=(Hook(_empty_role), Step("delete_role", {"RoleName": "@id"})),
        defaults={"path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": False},
        local={"forceDetachPolicies": bool},
        json=frozenset({"assumeRolePolicy"}),
        rules=(policy_document("assumeRolePolicy", principal=True, resource=False),),
        refused={
            "inlinePolicies": "deprecated; declare an aws.iam.RolePolicy",
            "managedPolicyArns": "deprecated; declare an aws.iam.RolePolicyAttachment (not in the sandbox's table yet)",
        },
        tagging=Tagging("tag_role", "untag_role", "list_role_tags", "Tags", {"RoleName": "@id"}),
    ),
    ResourceType(
        kind="aws:iam/rolePolicy:RolePolicy",
        service="iam",
        regional=False,
        naming=Naming(limit=128, prefix="namePrefix"),
        id=lambda s: f"{s['role']}:{s['name']}",
        from_id=lambda i: dict(zip(("role", "name"), i.split(":", 1), strict=False)),
        gone=("NoSuchEntity",),
        create=(Step("put_role_policy", {"RoleName": "role", "PolicyName": "name", "PolicyDocument": "policy"}),),
        reads=(
            Read(
                "get_role_policy",
                {"RoleName": "role", "PolicyName": "name"},
                {"role": "RoleName", "name": "PolicyName", "policy": "PolicyDocument"},
            ),
        ),
        update=(
            Step(
                "put_role_policy",
                {"RoleName": "role", "PolicyName": "name", "PolicyDocument": "policy"},
                on=("policy",),
            ),
        ),
        delete=(Step("delete_role_policy", {"RoleName": "role", "PolicyName": "name"}),),
        json=frozenset({"policy"}),
        rules=(policy_document("policy", principal=False, resource=True),),
    ),
    ResourceType(
        kind="aws:iam/policy:Policy",
        service="iam",
        regional=False,
        naming=Naming(limit=128, prefix="namePrefix"),
        id=_policy_arn,
        from_id=lambda i: {
            "name": i.rpartition("/")[2],
            "path": f"/{i.partition(':policy/')[2]}".rpartition("/")[0] + "/",
        },
        gone=("NoSuchEntity",),
        create=(
            Step(
                "create_policy",
                {"PolicyName": "name", "Path": "path", "PolicyDocument": "policy", "Description": "description"},
            ),
        ),
        reads=(
            Read(
                "get_policy",
                {"PolicyArn": "@id"},
                {
                    "name": "Policy.PolicyName",
                    "path": "Policy.Path",
                    "arn": "Policy.Arn",
                    "policyId": "Policy.PolicyId",
                    "attachmentCount": "Policy.AttachmentCount",
                    "description": "Policy.Description",
                    "@version": "Policy.DefaultVersionId",
                },
            ),
            Read(
                "get_policy_version",
                {"PolicyArn": "@id", "VersionId": "@version"},
                {"policy": "PolicyVersion.Document"},
            ),
        ),
        update=(Hook(_new_version, on=("policy",)),),
        delete=(Hook(_old_versions), Step("delete_policy", {"PolicyArn": "@id"})),
        defaults={"path": "/"},
        json=frozenset({"policy"}),
        rules=(policy_document("policy", principal=False, resource=True),),
        refused={"delayAfterPolicyCreationInMs": "the embedded IAM has a policy at once; leave it out"},
        tagging=Tagging("tag_policy", "untag_policy", "list_policy_tags", "Tags", {"PolicyArn": "@id"}),
    ),
)
