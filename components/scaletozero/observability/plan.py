"""What an alarm is, and the alarms that endpoints of more than one kind have. Pure.

The metrics are those that SageMaker publishes for each kind of endpoint (developer guide, monitoring of serverless and
of asynchronous endpoints). An alarm on a metric that does not exist would stay silent for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from scaletozero.settings.alarms import Alarms


@dataclass(frozen=True)
class Alarm:
    """One alarm. It rings above its threshold, and missing data never rings it.

    Attributes:
        name: of the alarm, and of its runbook.
        metrics: metrics of the namespace AWS/SageMaker, by the names that `expression` gives them.
        statistic: how each period's data is summarised.
        threshold: of the one metric, or of the expression.
        seconds: the length of a period.
        periods, breaching: how many periods are looked at, and how many of them have to be above the threshold.
        description: what is wrong, and where to read what to do.
        expression: what is computed from the metrics; empty for a single metric.
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
"""The alarms of one kind of endpoint, from their settings and whether it has provisioned concurrency, in the order of
what callers notice most."""


def common_alarms(settings: Alarms, *, failed: str, processed: str) -> list[Alarm]:
    """The error rate, and the latency where it has an objective.

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
    """The alarms, each with the address of its runbook in its description."""
    pages = ((alarm, f"{runbooks.rstrip('/')}/{alarm.name}.md") for alarm in alarms)
    return [replace(alarm, description=f"{alarm.description} Runbook: {page}") for alarm, page in pages]
