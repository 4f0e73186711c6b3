"""Events of the log that CloudWatch counts as metrics (CloudWatch user guide, embedded metric format). Pure.

No customer is a dimension: a metric of each would cost as much as many customers spend, and be no secret of theirs.
"""

from __future__ import annotations

from typing import Any

NAMESPACE = "scaletozero/Gateway"

RAN_ELSEWHERE = "RanElsewhere"
"""Answers that were made outside of the residency."""

CAP_REACHED = "CapReached"
"""Requests that a cap refused."""

LEDGER_DOWN = "LedgerDown"
"""Requests that the ledger did not answer: refused, or admitted without it."""

LOST = "Lost"
"""Requests whose cost was not recorded."""


def counted(metric: str, target: str, milliseconds: int) -> dict[str, Any]:
    """What makes a line of log count as one of a metric.

    Args:
        metric: its name.
        target: the model, endpoint or API by which it is counted.
        milliseconds: the time, since 1970.
    """
    named = {"Namespace": NAMESPACE, "Dimensions": [["target"]], "Metrics": [{"Name": metric, "Unit": "Count"}]}
    return {"target": target, metric: 1, "_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [named]}}
