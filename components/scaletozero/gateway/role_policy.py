"""What the role of a gateway's function may do. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scaletozero.partitions import arn, dns_suffix
from scaletozero.policies import account_of

LEDGER = ("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem")
"""A transaction needs the permissions of its parts (DynamoDB developer guide, IAM and transactions)."""

CACHE = ("dynamodb:GetItem", "dynamodb:PutItem")

TABLE_KEY = (
    "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo",
)  # fmt: skip
"""Of a key of one's own, which DynamoDB uses for who asks it (DynamoDB developer guide, encryption at rest)."""


def gateway_policy(
    region: str,
    log_group_arn: str,
    ledger_arn: str,
    cache_arn: str | None,
    endpoint_arns: Sequence[str],
    secrets: Sequence[str],
    key_arn: str | None,
) -> str:
    """The permissions: these tables, endpoints and secrets, and nothing else.

    Args:
        cache_arn: the table of answers that are kept; None without one.
        secrets: the names of secrets. Their ARNs end in a hyphen and six characters that nobody knows before.
        key_arn: the key of tables and secrets; None for the services' own.
    """
    account = account_of(log_group_arn)
    statements = [
        _allow("KeepLedger", LEDGER, ledger_arn),
        _allow("WriteLogs", ("logs:CreateLogStream", "logs:PutLogEvents"), f"{log_group_arn}:*"),
    ]
    if cache_arn:
        statements.append(_allow("KeepAnswers", CACHE, cache_arn))
    if endpoint_arns:
        statements.append(_allow("InvokeEndpoints", "sagemaker:InvokeEndpoint", endpoint_arns))
    if secrets:
        named = [arn("secretsmanager", region, account, f"secret:{each}-??????") for each in secrets]
        statements.append(_allow("ReadProviderKeys", "secretsmanager:GetSecretValue", named))
    if key_arn:
        statements.append(_through("UseTableKey", TABLE_KEY, key_arn, "dynamodb", region))
        if secrets:
            statements.append(_through("DecryptProviderKeys", "kms:Decrypt", key_arn, "secretsmanager", region))
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _through(sid: str, action: Any, key_arn: str, service: str, region: str) -> Mapping[str, Any]:
    via = {"StringEquals": {"kms:ViaService": f"{service}.{region}.{dns_suffix(region)}"}}
    return {**_allow(sid, action, key_arn), "Condition": via}


def _allow(sid: str, action: Any, resource: Any) -> Mapping[str, Any]:
    many = [list(each) if isinstance(each, list | tuple) else each for each in (action, resource)]
    return {"Sid": sid, "Effect": "Allow", "Action": many[0], "Resource": many[1]}
