"""Policy documents that more than one component needs. Pure."""

import json


def trust_policy(service: str, account: str, source: str = "") -> str:
    """The policy of who may assume a role: one service, and only on behalf of one account's resources.

    Without the condition another account's resource could make the service use the role ("confused deputy", IAM user
    guide).

    Args:
        service: its principal; see `scaletozero.partitions.service_principal`.
        account: the account that the role is in.
        source: the ARN, or a pattern of ARNs, of what the service acts for, where it tells IAM.
    """
    condition = {"StringEquals": {"aws:SourceAccount": account}}
    if source:
        condition["ArnLike"] = {"aws:SourceArn": source}
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
        "Condition": condition,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def account_of(arn: str | None) -> str:
    """The account in an ARN.

    It is empty where there is none: the mocks of a stack's unit tests make up an ARN, or leave it out. A trust policy
    of an empty account lets nobody in.
    """
    fields = (arn or "").split(":")
    return fields[4] if len(fields) > 4 else ""
