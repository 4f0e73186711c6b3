"""The alarm of a spending guard on what something has cost in a sliding window, by which it is closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from scaletozero.component import Component
from scaletozero.observability.panels import Measure
from scaletozero.observability.spent import Spent
from scaletozero.spending.costs import HOUR


def declare_spent_alarm(
    owner: Component,
    region: str,
    name: str,
    spent: Spent,
    dimensions: Callable[[Measure], Mapping[str, pulumi.Input[str]]],
    *,
    hours: int,
    threshold: float,
    description: str,
    actions: Sequence[pulumi.Input[str]],
    tags: dict[str, str],
) -> aws.cloudwatch.MetricAlarm:
    """The alarm.

    Args:
        owner: the guard.
        region: its region.
        name: of what is closed.
        spent: what it has cost.
        dimensions: what a metric of it is found by.
        hours: the length of the window.
        threshold: the most that a window may cost, in USD.
        description: of the alarm.
        actions: who is told.
        tags: its tags.
    """
    queries: list[Any] = [
        {
            "id": key,
            "metric": {
                "namespace": measure.namespace,
                "metric_name": measure.metric,
                "dimensions": dimensions(measure),
                "stat": measure.statistic,
                "period": hours * HOUR,
            },
        }
        for key, measure in spent.measures.items()
    ]
    return aws.cloudwatch.MetricAlarm(
        owner.child(f"{name}-spent", limit=255),
        region=region,
        # The function that closes knows it by this name, which therefore must not change with the alarm.
        name=owner.physical_name(name, limit=64),
        alarm_description=description,
        metric_queries=[
            {"id": "usd", "expression": spent.expression, "label": "USD", "return_data": True},
            *queries,
        ],
        evaluation_periods=1,
        comparison_operator="GreaterThanThreshold",
        threshold=threshold,
        treat_missing_data="notBreaching",
        alarm_actions=list(actions),
        tags=tags,
        opts=owner.options(),
    )
