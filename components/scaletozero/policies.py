"""Policy documents that several components need. Pure."""

import json

from scaletozero.partitions import service_principal


def trust_policy(service: str, account: str, source: str = "") -> str:
    """The trust policy of a role: one service may assume it, and only on behalf of one account's resources.

    Without the condition, a resource of another account could make the service use the role ("confused deputy", IAM
    user guide).

    Args:
        service: the service principal; see `scaletozero.partitions.service_principal`.
        account: the account that the role is in.
        source: the ARN, or a pattern of ARNs, of the resource on whose behalf the service acts, if IAM receives it.
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

    It is empty if there is none: the mocks of a stack's unit tests invent an ARN, or omit it. A trust policy
    with an empty account allows no one.
    """
    fields = (arn or "").split(":")
    return fields[4] if len(fields) > 4 else ""


def lambda_trust(arn: str | None) -> str:
    """The trust policy of a function's role.

    Args:
        arn: an ARN of the account that the role is in.
    """
    return trust_policy(service_principal("lambda"), account_of(arn))
