"""What the role of a gateway's function, or of its pods, may do. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scaletozero.partitions import arn, bucket_arn, dns_suffix
from scaletozero.policies import account_of
from scaletozero.settings.gateway_targets import Bedrock

LEDGER = ("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem")
"""A transaction needs the permissions of its parts (DynamoDB developer guide, IAM and transactions)."""

ALARMS = ("cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAlarms")
"""Of all: composite alarms are not returned to who may see some only (CloudWatch API reference, DescribeAlarms)."""

CACHE = ("dynamodb:GetItem", "dynamodb:PutItem")

TABLE_KEY = (
    "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo",
)  # fmt: skip
"""Of a key of one's own, which DynamoDB uses for who asks it (DynamoDB developer guide, encryption at rest)."""


def gateway_policy(
    region: str,
    log_group_arn: str | None,
    ledger_arn: str,
    cache_arn: str | None,
    endpoint_arns: Sequence[str],
    secrets: Sequence[str],
    key_arn: str | None,
    *,
    queues: Sequence[tuple[str, str]] = (),
    models: Sequence[str] = (),
    reads_alarms: bool = False,
) -> str:
    """The permissions: these tables, endpoints and secrets, and nothing else.

    Args:
        log_group_arn: where a function's log is; None of pods, whose log is the cluster's.
        cache_arn: the table of answers that are kept; None without one.
        secrets: the names of secrets. Their ARNs end in a hyphen and six characters that nobody knows before.
        key_arn: the key of tables, secrets and buckets; None for the services' own.
        queues: the ARN of each asynchronous endpoint, with the s3:// address below which its requests are put.
        models: the ids of models and inference profiles on Bedrock.
        reads_alarms: whether the alarm of a canary is read.
    """
    account = account_of(log_group_arn or ledger_arn)
    statements = [_allow("KeepLedger", LEDGER, ledger_arn)]
    if log_group_arn is not None:
        statements.append(_allow("WriteLogs", ("logs:CreateLogStream", "logs:PutLogEvents"), f"{log_group_arn}:*"))
    if reads_alarms:
        here = {"StringEquals": {"aws:RequestedRegion": region}}
        statements.append({**_allow("ReadAlarms", ALARMS, "*"), "Condition": here})
    if cache_arn:
        statements.append(_allow("KeepAnswers", CACHE, cache_arn))
    if endpoint_arns:
        statements.append(_allow("InvokeEndpoints", "sagemaker:InvokeEndpoint", endpoint_arns))
    if queues:
        statements += _queues(region, queues)
    if models:
        statements += _models(region, account, models)
    if secrets:
        named = [arn("secretsmanager", region, account, f"secret:{each}-??????") for each in secrets]
        statements.append(_allow("ReadProviderKeys", "secretsmanager:GetSecretValue", named))
    if key_arn:
        statements.append(_through("UseTableKey", TABLE_KEY, key_arn, "dynamodb", region))
        if secrets:
            statements.append(_through("DecryptProviderKeys", "kms:Decrypt", key_arn, "secretsmanager", region))
        if queues:
            statements.append(
                _through("EncryptRequests", ("kms:Decrypt", "kms:GenerateDataKey"), key_arn, "s3", region)
            )
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


MODELS = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
"""Of models on Bedrock, with which `Converse` is allowed too (Bedrock API reference, Converse)."""


def _queues(region: str, queues: Sequence[tuple[str, str]]) -> list[Mapping[str, Any]]:
    """Requests are put into the bucket, and results and failures are got; a look for one that is not there yet needs
    the list of the bucket, or is refused."""
    folders = [address.removeprefix("s3://").rpartition("/")[0] for _, address in queues]
    results = [f"{folder}/{what}/*" for folder in folders for what in ("answers", "failures")]
    buckets = sorted({folder.partition("/")[0] for folder in folders})
    return [
        _allow("SubmitRequests", "sagemaker:InvokeEndpointAsync", [each for each, _ in queues]),
        _allow("PutRequests", "s3:PutObject", [bucket_arn(region, f"{each}/requests/*") for each in folders]),
        _allow("GetResults", "s3:GetObject", [bucket_arn(region, each) for each in results]),
        _allow("FindResults", "s3:ListBucket", [bucket_arn(region, each) for each in buckets]),
    ]


def _models(region: str, account: str, models: Sequence[str]) -> list[Mapping[str, Any]]:
    """Models in the Region; profiles, and their models in every Region that they may choose, through these alone."""
    of_profiles = {each: prefix for each in models if (prefix := Bedrock(model=each).prefix)}
    here = [arn("bedrock", region, "", f"foundation-model/{each}") for each in models if each not in of_profiles]
    profiles = [arn("bedrock", region, account, f"inference-profile/{each}") for each in of_profiles]
    statements = [_allow("AskModels", MODELS, [*here, *profiles])]
    if profiles:
        bare = (each.removeprefix(f"{prefix}.") for each, prefix in of_profiles.items())
        # A model of the profile `global` has no Region, which `*` stands for too.
        behind = [arn("bedrock", region, "", f"foundation-model/{each}").replace(f":{region}:", ":*:") for each in bare]
        through = {"ArnLike": {"bedrock:InferenceProfileArn": profiles}}
        statements.append({**_allow("AskModelsOfProfiles", MODELS, behind), "Condition": through})
    return statements


def _through(sid: str, action: Any, key_arn: str, service: str, region: str) -> Mapping[str, Any]:
    via = {"StringEquals": {"kms:ViaService": f"{service}.{region}.{dns_suffix(region)}"}}
    return {**_allow(sid, action, key_arn), "Condition": via}


def _allow(sid: str, action: Any, resource: Any) -> Mapping[str, Any]:
    many = [list(each) if isinstance(each, list | tuple) else each for each in (action, resource)]
    return {"Sid": sid, "Effect": "Allow", "Action": many[0], "Resource": many[1]}
