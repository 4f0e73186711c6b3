"""The policy documents of a spending guard. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scaletozero.partitions import arn
from scaletozero.policies import account_of

Statement = Mapping[str, Any]

PATTERN = {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]}
"""The events in which CloudWatch tells of an alarm's change."""


def denial(endpoint_arn: str) -> str:
    """What a caller of a closed endpoint gets attached."""
    return _document(
        {"Sid": "Closed", "Effect": "Deny", "Action": "sagemaker:InvokeEndpoint*", "Resource": endpoint_arn}
    )


def alarm_changes(alarm_arns: Sequence[str]) -> str:
    """The pattern of the events of these alarms when they go into alarm."""
    return json.dumps({**PATTERN, "resources": list(alarm_arns), "detail": {"state": {"value": ["ALARM"]}}})


def closing_policy(
    region: str,
    log_group_arn: str,
    queue_arn: str,
    endpoint_arns: Sequence[str],
    roles: Sequence[str],
    denials: Sequence[str],
    gateway: str | None = None,
) -> str:
    """The function's permissions: it can close these endpoints and this gateway, and open no endpoint.

    The actions that describe have no resource to name; they are limited by the region.
    """
    account, here = account_of(log_group_arn), {"StringEquals": {"aws:RequestedRegion": region}}
    scaled = {"StringEquals": {"application-autoscaling:service-namespace": "sagemaker"}}
    endpoints = [
        _allow(
            "CloseEndpoints",
            ["sagemaker:DescribeEndpoint", "sagemaker:UpdateEndpointWeightsAndCapacities"],
            endpoint_arns,
        ),
        _allow(
            "SuspendScaling",
            "application-autoscaling:RegisterScalableTarget",
            arn("application-autoscaling", region, account, "scalable-target/*"),
            scaled,
        ),
        _allow("DescribeScaling", "application-autoscaling:DescribeScalableTargets", "*", here),
    ]
    closed = arn("lambda", region, account, f"function:{gateway}")
    return _document(
        *(endpoints if endpoint_arns else ()),
        *([_allow("CloseGateway", "lambda:PutFunctionConcurrency", closed)] if gateway else ()),
        _allow("ReadAlarms", "cloudwatch:DescribeAlarms", arn("cloudwatch", region, account, "alarm:*")),
        *_attach(["iam:AttachRolePolicy"], roles, denials),
        _allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{log_group_arn}:*"),
        _allow("KeepFailures", "sqs:SendMessage", queue_arn),
    )


def measuring_policy(region: str, log_group_arn: str, namespace: str) -> str:
    """The permissions of the function that measures: read metrics, and write those of one namespace.

    Neither action has a resource to name.
    """
    here = {"StringEquals": {"aws:RequestedRegion": region}}
    own = {"StringEquals": {"aws:RequestedRegion": region, "cloudwatch:namespace": namespace}}
    return _document(
        _allow("ReadMetrics", "cloudwatch:GetMetricData", "*", here),
        _allow("WriteSpending", "cloudwatch:PutMetricData", "*", own),
        _allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{log_group_arn}:*"),
    )


def budget_policy(roles: Sequence[str], denials: Sequence[str]) -> str:
    """The permissions of the budgets' actions: attach these denials to these roles, and detach them."""
    return _document(*_attach(["iam:AttachRolePolicy", "iam:DetachRolePolicy"], roles, denials))


def _attach(actions: Sequence[str], roles: Sequence[str], denials: Sequence[str]) -> list[Statement]:
    if not roles or not denials:
        return []
    return [_allow("DenyCallers", list(actions), roles, {"ArnEquals": {"iam:PolicyARN": list(denials)}})]


def _allow(sid: str, action: Any, resource: Any, condition: Mapping[str, Any] | None = None) -> Statement:
    resource = list(resource) if isinstance(resource, list | tuple) else resource
    statement = {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, "Condition": dict(condition)} if condition else statement


def _document(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
