"""AWS Cost Anomaly Detection over a stack: it tells of unusual costs below every cap, hours to a day later."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pulumi_aws as aws

from scaletozero.component import Component

_EMPTY = dict.fromkeys(("And", "CostCategories", "Dimensions", "Not", "Or"))
"""The service stores what is left out as null, which would be a difference at each preview."""


def declare_anomalies(
    owner: Component, above: Decimal, stack: str, told: Mapping[str, Any], tags: dict[str, str]
) -> tuple[aws.costexplorer.AnomalyMonitor, dict[str, aws.costexplorer.AnomalySubscription]]:
    """A monitor of the stack's cost, and who is told.

    An account has at most one monitor of all its services, which may be there already; this is one of a tag, of which
    there may be many, so that it never meets the other.

    Args:
        owner: the component.
        above: USD from which on an unusual cost is told of.
        stack: the value of the cost allocation tag `stack`.
        told: `emails` and `topic`.
        tags: tags of what is declared.
    """
    tag = {"Key": "stack", "MatchOptions": None, "Values": [stack]}
    monitor = aws.costexplorer.AnomalyMonitor(
        owner.child("anomalies"),
        monitor_type="CUSTOM",
        monitor_specification=json.dumps({**_EMPTY, "Tags": tag}),
        tags=tags,
        opts=owner.options(),
    )
    # The service sends single anomalies to topics, and summaries to addresses, and refuses the other way round.
    ways = {
        "emails": ("DAILY", [{"type": "EMAIL", "address": each} for each in told["emails"]]),
        "topic": ("IMMEDIATE", [{"type": "SNS", "address": told["topic"]}] if told["topic"] is not None else []),
    }
    return monitor, {
        way: aws.costexplorer.AnomalySubscription(
            owner.child(f"anomalies-{way}"),
            frequency=frequency,
            monitor_arn_lists=[monitor.arn],
            subscribers=subscribers,  # pyright: ignore[reportArgumentType]
            threshold_expression={
                "dimension": {
                    "key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    "match_options": ["GREATER_THAN_OR_EQUAL"],
                    "values": [f"{above:f}"],
                }
            },
            tags=tags,
            opts=owner.options(),
        )
        for way, (frequency, subscribers) in ways.items()
        if subscribers
    }
