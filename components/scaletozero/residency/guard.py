"""Policy documents with which AWS enforces a residency, independently of Pulumi. Pure.

`aws:RequestedRegion` is the Region of the call, not of the data: an allowed call can still send data out. So each
document denies both calls to other Regions and calls that send data to them. Sources: the IAM user guide's page on
`aws:RequestedRegion`, Control Tower's Region deny, Bedrock's page on global inference, KMS's on `kms:ViaService`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scaletozero.partitions import arn, bucket_arn, dns_suffix, find_partition
from scaletozero.settings.residency import Residency

Document = dict[str, Any]
Statement = dict[str, Any]

LARGEST_SCP = 5120
"""Maximum characters of a service control policy (AWS Organizations quotas)."""
LARGEST_MANAGED_POLICY = 6144
"""Maximum characters of a managed policy, without white space (IAM quotas)."""

GLOBAL_ACTIONS = (
    "account:*", "billing:*", "budgets:*", "ce:*", "health:*", "iam:*", "organizations:*", "route53:*",
    "savingsplans:*", "shield:*", "support:*", "tax:*", "s3:GetAccountPublicAccessBlock", "s3:ListAllMyBuckets",
)  # fmt: skip
"""Services with one endpoint for all Regions and only data about resources (botocore's endpoints; IAM user guide).

Unlike AWS's own list it does not exempt `kms`, `config` and `sts`, which have regional endpoints."""

SENDING_ACTIONS = (
    "s3:PutReplicationConfiguration", "s3:CreateMultiRegionAccessPoint", "s3:PutMultiRegionAccessPointRoutes",
    "ecr:PutReplicationConfiguration", "ecr:CreatePullThroughCacheRule", "kms:ReplicateKey", "kms:UpdatePrimaryRegion",
    "dynamodb:CreateGlobalTable", "dynamodb:UpdateGlobalTable", "dynamodb:CreateTableReplica",
    "secretsmanager:ReplicateSecretToRegions",
    "ec2:CopyImage", "ec2:CopySnapshot", "rds:CopyDBSnapshot", "rds:CopyDBClusterSnapshot", "rds:CreateGlobalCluster",
    "elasticache:CreateGlobalReplicationGroup", "cloudfront:CreateDistribution",
    "globalaccelerator:CreateAccelerator", "observabilityadmin:CreateCentralizationRuleForOrganization",
)  # fmt: skip
"""Calls that send data, or let it be sent, to a place that no condition key names.

`CreateTableReplica` is a permission that `UpdateTable` requires (DynamoDB developer guide, IAM with global tables)."""

ROUTERS = (
    "sagemaker:CreateInferenceRouter",
    "sagemaker:UpdateInferenceRouter",
    "sagemaker:InvokeInferenceRouter*",
)
"""Prefixes of routers, which send requests to other Regions when their own is busy."""


def as_text(document: Document) -> str:
    """A document as JSON without white space, because some of AWS's limits count it."""
    return json.dumps(document, separators=(",", ":"))


def _document(*statements: Statement) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _deny(
    sid: str, actions: Sequence[str], condition: Mapping[str, Any] | None = None, resource: Any = "*"
) -> Statement:
    statement: Statement = {"Sid": sid, "Effect": "Deny", "Action": list(actions), "Resource": resource}
    return {**statement, "Condition": dict(condition)} if condition else statement


def denials(residency: Residency) -> list[Statement]:
    """The denials that a boundary and a service control policy have in common."""
    regions = list(residency.allowed)
    elsewhere: Statement = {
        "Sid": "DenyOtherRegions",
        "Effect": "Deny",
        "NotAction": list(GLOBAL_ACTIONS),
        "Resource": "*",
        # Not `IfExists`: a call that names no Region is denied.
        "Condition": {"StringNotEquals": {"aws:RequestedRegion": regions}},
    }
    vaults = [arn("backup", each, "*", "backup-vault:*") for each in regions]
    copies = {"ForAnyValue:ArnNotLike": {"backup:CopyTargets": vaults}}
    statements = [
        elsewhere,
        _deny("DenySending", SENDING_ACTIONS),
        _deny("DenyBackupCopies", ["backup:CopyFromBackupVault", "backup:StartCopyJob"], copies),
        _deny("DenyForeignProfiles", ["bedrock:InvokeModel*"], _profiles(residency)),
    ]
    if len(regions) == 1:
        statements.append(_deny("DenyInferenceRouters", ROUTERS))
    return statements


def _profiles(residency: Residency) -> Document:
    """A condition on profiles that may process outside. A global profile has no Region by which it could be denied."""
    inside = {residency.geography} if residency.geography else set()
    outside = [each for each in ("global", "us", "eu", "apac", "jp", "au", "us-gov", "ca") if each not in inside]
    partition = find_partition(residency.allowed[0])
    assert partition
    form = f"arn:{partition.name}:bedrock:*:*:inference-profile/"
    return {"ArnLike": {"bedrock:InferenceProfileArn": [f"{form}{each}.*" for each in outside]}}


def boundary(residency: Residency) -> Document:
    """The permissions boundary of an environment's roles: it grants nothing by itself, and denies calls that leave.

    It does not limit service-linked roles, nor what a resource's policy grants to a role's session directly.
    """
    return _document(
        {"Sid": "GrantedElsewhere", "Effect": "Allow", "Action": "*", "Resource": "*"}, *denials(residency)
    )


def service_control_policy(residency: Residency) -> Document:
    """The organisation's policy for the accounts of an environment, for its administrators to attach.

    It limits neither the organisation's management account nor service-linked roles.
    """
    return _document(*denials(residency))


def bucket_policy(
    bucket: str, region: str, *, organization: str | None = None, endpoints: Sequence[str] = ()
) -> Document:
    """The policy of a bucket: access only through TLS, from the organisation and its network, and no replication.

    Args:
        bucket: the bucket's name.
        region: the bucket's Region.
        organization: the organisation's id, such as `o-a1b2c3d4e5`. Default: any caller that IAM allows.
        endpoints: the ids of the VPC endpoints through which requests must come. Default: any network. Calls of AWS's
            services for the organisation are allowed.
    """
    name = bucket_arn(region, bucket)
    both = [name, f"{name}/*"]

    def deny(sid: str, actions: Sequence[str], condition: Mapping[str, Any]) -> Statement:
        return {**_deny(sid, actions, condition, both), "Principal": "*"}

    statements = [deny("TlsOnly", ["s3:*"], {"Bool": {"aws:SecureTransport": "false"}})]
    replicate: Statement = {
        **_deny("NeverReplicated", ["s3:PutReplicationConfiguration"], None, name),
        "Principal": "*",
    }
    statements.append(replicate)
    by_a_service = {"BoolIfExists": {"aws:PrincipalIsAWSService": "false", "aws:ViaAWSService": "false"}}
    if organization:
        outside = {"StringNotEquals": {"aws:PrincipalOrgID": organization}, **by_a_service}
        statements.append(deny("OrganizationOnly", ["s3:*"], outside))
    if endpoints:
        outside = {"StringNotEquals": {"aws:SourceVpce": list(endpoints)}, **by_a_service}
        statements.append(deny("OwnNetworkOnly", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], outside))
    return _document(*statements)


VIA = ("s3", "sagemaker", "ec2", "ecr", "sns", "sqs", "secretsmanager", "lambda", "dynamodb")
"""The services that use an environment's key."""


def key_policy(region: str, account: str, services: Sequence[str] = VIA) -> Document:
    """The policy of a KMS key that is usable in one Region only: data encrypted with it cannot be read elsewhere.

    Args:
        region: the key's Region.
        account: the account whose IAM policies decide who may use it.
        services: the services that may use it. AWS's services that call as themselves (CloudWatch Logs) are allowed.
    """
    partition = find_partition(region)
    assert partition
    hosts = [f"{each}.{region}.{dns_suffix(region)}" for each in services]
    using = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    elsewhere = {
        "StringNotEquals": {"kms:ViaService": hosts},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    }
    owner = {"AWS": f"arn:{partition.name}:iam::{account}:root"}
    return _document(
        {"Sid": "Account", "Effect": "Allow", "Principal": owner, "Action": "kms:*", "Resource": "*"},
        {**_deny("OnlyThroughServicesOfTheRegion", using, elsewhere), "Principal": "*"},
        {**_deny("NeverReplicated", ["kms:ReplicateKey", "kms:UpdatePrimaryRegion"]), "Principal": "*"},
    )


def endpoint_policy(region: str, account: str, *, images: bool = False) -> Document:
    """The policy of a VPC endpoint: only the account's own principals and resources.

    Args:
        region: the endpoint's Region, which is the only one that it reaches.
        account: the account.
        images: for the endpoint of S3, whether images are pulled through it, whose layers are in a bucket of AWS.
    """
    own = {"StringEquals": {"aws:PrincipalAccount": account, "aws:ResourceAccount": account}}
    statements: list[Statement] = [
        {"Sid": "Own", "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": own}
    ]
    if images:
        layers = f"{bucket_arn(region, f'prod-{region}-starport-layer-bucket')}/*"
        statements.append(
            {"Sid": "Layers", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": layers}
        )
    return _document(*statements)
