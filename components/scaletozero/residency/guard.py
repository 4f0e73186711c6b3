"""The documents that hold a residency when Pulumi is not looking: policies for AWS to enforce. Pure.

`aws:RequestedRegion` is the Region of the call and not of the data: a call inside can still send data out. So each
document denies both, calls elsewhere and the calls inside that send. Sources: the IAM user guide's page on
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
"""Characters of a service control policy (AWS Organizations, quotas)."""
LARGEST_MANAGED_POLICY = 6144
"""Characters of a managed policy, white space left out (IAM, quotas)."""

GLOBAL_ACTIONS = (
    "account:*", "billing:*", "budgets:*", "ce:*", "health:*", "iam:*", "organizations:*", "route53:*",
    "savingsplans:*", "shield:*", "support:*", "tax:*", "s3:GetAccountPublicAccessBlock", "s3:ListAllMyBuckets",
)  # fmt: skip
"""What has one endpoint for all Regions and holds only what is about resources (botocore's endpoints; IAM user guide).

Unlike AWS's own list it exempts neither `kms` nor `config` nor `sts`: their regional endpoints do."""

SENDING_ACTIONS = (
    "s3:PutReplicationConfiguration", "s3:CreateMultiRegionAccessPoint", "s3:PutMultiRegionAccessPointRoutes",
    "ecr:PutReplicationConfiguration", "ecr:CreatePullThroughCacheRule", "kms:ReplicateKey", "kms:UpdatePrimaryRegion",
    "dynamodb:CreateGlobalTable", "dynamodb:UpdateGlobalTable", "dynamodb:CreateTableReplica",
    "secretsmanager:ReplicateSecretToRegions",
    "ec2:CopyImage", "ec2:CopySnapshot", "rds:CopyDBSnapshot", "rds:CopyDBClusterSnapshot", "rds:CreateGlobalCluster",
    "elasticache:CreateGlobalReplicationGroup", "cloudfront:CreateDistribution",
    "globalaccelerator:CreateAccelerator", "observabilityadmin:CreateCentralizationRuleForOrganization",
)  # fmt: skip
"""Calls that send data, or let it be sent, to where no condition key tells.

`CreateTableReplica` is a permission that `UpdateTable` asks for (DynamoDB developer guide, IAM with global tables)."""

ROUTERS = (
    "sagemaker:CreateInferenceRouter",
    "sagemaker:UpdateInferenceRouter",
    "sagemaker:InvokeInferenceRouter*",
)
"""Routers spread requests to other Regions when their own is busy."""


def as_text(document: Document) -> str:
    """A document in JSON without white space, which some of AWS's limits count."""
    return json.dumps(document, separators=(",", ":"))


def _document(*statements: Statement) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _deny(
    sid: str, actions: Sequence[str], condition: Mapping[str, Any] | None = None, resource: Any = "*"
) -> Statement:
    statement: Statement = {"Sid": sid, "Effect": "Deny", "Action": list(actions), "Resource": resource}
    return {**statement, "Condition": dict(condition)} if condition else statement


def denials(residency: Residency) -> list[Statement]:
    """What a boundary and a service control policy deny alike."""
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
    """A condition on the profiles that may process outside. A global one has no Region of its own to be denied by."""
    inside = {residency.geography} if residency.geography else set()
    outside = [each for each in ("global", "us", "eu", "apac", "jp", "au", "us-gov", "ca") if each not in inside]
    partition = find_partition(residency.allowed[0])
    assert partition
    form = f"arn:{partition.name}:bedrock:*:*:inference-profile/"
    return {"ArnLike": {"bedrock:InferenceProfileArn": [f"{form}{each}.*" for each in outside]}}


def boundary(residency: Residency) -> Document:
    """The permissions boundary of every role of an environment: it grants nothing by itself, and denies what leaves.

    It holds no service-linked role, and nothing that a resource's policy grants to a role's session directly.
    """
    return _document(
        {"Sid": "GrantedElsewhere", "Effect": "Allow", "Action": "*", "Resource": "*"}, *denials(residency)
    )


def service_control_policy(residency: Residency) -> Document:
    """The organisation's policy for the accounts of an environment, for its administrators to attach.

    It holds neither the organisation's management account nor service-linked roles.
    """
    return _document(*denials(residency))


def bucket_policy(
    bucket: str, region: str, *, organization: str | None = None, endpoints: Sequence[str] = ()
) -> Document:
    """The policy of a bucket: only through TLS, from the organisation and its network, and never replicated.

    Args:
        bucket: its name.
        region: where it is.
        organization: the organisation's id, such as `o-a1b2c3d4e5`. Default: any caller that IAM allows.
        endpoints: the ids of the VPC endpoints that requests come through. Default: any network. What AWS's
            services do for the organisation passes.
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
"""The services through which an environment's key is used."""


def key_policy(region: str, account: str, services: Sequence[str] = VIA) -> Document:
    """The policy of a KMS key that is of use in one Region only: data encrypted with it cannot be read elsewhere.

    Args:
        region: where the key is.
        account: whose IAM policies say who may use it.
        services: through which it may be used. AWS's services that call as themselves (CloudWatch Logs) pass.
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
    """The policy of a VPC endpoint: the account's own principals, and its own resources.

    Args:
        region: where the endpoint is; there is none for another Region.
        account: whose.
        images: for the endpoint of S3, whether images are pulled through it, whose layers lie in a bucket of AWS's.
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
