"""The model of an alarm, and the alarms that several kinds of endpoints have. Pure.

The metrics are those that SageMaker publishes for each kind of endpoint (developer guide, monitoring of serverless and
of asynchronous endpoints). An alarm on a metric that does not exist would stay silent forever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from scaletozero.settings.alarms import Alarms


@dataclass(frozen=True)
class Alarm:
    """An alarm, which is set off by values above its threshold, but never by missing data.

    Attributes:
        name: the name of the alarm and of its runbook.
        metrics: metrics of one namespace, AWS/SageMaker for an endpoint, by the names that `expression` gives them.
        statistic: how the data of a period is aggregated.
        threshold: the threshold of the metric, or of the expression.
        seconds: the length of a period in seconds.
        periods, breaching: number of periods that are evaluated, and of those that must be above the threshold.
        description: what is wrong, and where to find the runbook.
        expression: the expression over the metrics; empty for a single metric.
        by_variant: whether the metric belongs to the variant instead of the whole endpoint.
    """

    name: str
    metrics: dict[str, str]
    statistic: str
    threshold: float
    seconds: int
    periods: int
    breaching: int
    description: str
    expression: str = ""
    by_variant: bool = True


AlarmPlan: TypeAlias = Callable[[Alarms, bool], list[Alarm]]
"""Returns the alarms of an endpoint, from their settings and whether it has provisioned concurrency, ordered by
what callers notice most."""


def common_alarms(settings: Alarms, *, failed: str, processed: str) -> list[Alarm]:
    """The alarms on the error rate, and on the latency if there is an objective.

    Args:
        settings: the thresholds.
        failed, processed: the metrics that count failed calls and all calls.
    """
    found = [
        Alarm(
            "errors",
            {"part": failed, "whole": processed},
            "Sum",
            settings.error_percent,
            seconds=300,
            periods=1,
            breaching=1,
            expression="100 * part / whole",
            description=f"More than {settings.error_percent:g} % of the calls of five minutes failed on our side.",
        )
    ]
    if settings.p99_ms is not None:
        found.append(
            Alarm(
                "latency",
                {"latency": "ModelLatency"},
                "p99",
                settings.p99_ms * 1000,
                seconds=300,
                periods=3,
                breaching=2,
                description=f"1 call in 100 took the model more than {settings.p99_ms:g} ms, its objective.",
            )
        )
    return found


def with_runbooks(alarms: Iterable[Alarm], runbooks: str) -> list[Alarm]:
    """The alarms, with the address of the runbook in each description."""
    pages = ((alarm, f"{runbooks.rstrip('/')}/{alarm.name}.md") for alarm in alarms)
    return [replace(alarm, description=f"{alarm.description} Runbook: {page}") for alarm, page in pages]
