"""Which alarms an endpoint has: metric, threshold, how long, and what to do. Pure.

The metrics are those that SageMaker publishes for each kind of endpoint (developer guide, monitoring of serverless and
of asynchronous endpoints); others don't exist, and an alarm on one would stay silent for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from scaletozero.settings.alarms import Alarms, EndpointKind


@dataclass(frozen=True)
class Alarm:
    """One alarm. It rings above its threshold, and missing data never rings it.

    Attributes:
        name: also its runbook's.
        metrics: of the namespace AWS/SageMaker, by the names that `expression` gives them.
        statistic: of them, over each period.
        threshold: of the one metric, or of the expression.
        seconds: a period's length.
        periods, breaching: how many periods are looked at, and how many of them have to be above.
        description: what is wrong, and where to read what to do.
        expression: what is computed of the metrics; nothing for a single one.
        by_variant: whether the metric is one of the variant, not of the whole endpoint.
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


def alarms_of(settings: Alarms, *, kind: EndpointKind, provisioned: bool) -> list[Alarm]:
    """The alarms of an endpoint of a kind, in the order of what callers notice most."""
    serverless = kind is EndpointKind.SERVERLESS
    found = [
        Alarm(
            "errors",
            {"part": "Invocation5XXErrors", "whole": "Invocations"}
            if serverless
            else {"part": "InvocationFailures", "whole": "InvocationsProcessed"},
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
    if serverless:
        found += _serverless(settings, provisioned)
    else:
        found.append(
            Alarm(
                "backlog-age",
                {"age": "ApproximateAgeOfOldestRequest"},
                "Maximum",
                settings.backlog_seconds,
                seconds=60,
                periods=3,
                breaching=3,
                by_variant=False,
                description=f"The oldest request has waited for more than {settings.backlog_seconds} s.",
            )
        )
    return [_with_runbook(alarm, settings.runbooks) for alarm in found]


def _serverless(settings: Alarms, provisioned: bool) -> list[Alarm]:
    found = [
        Alarm(
            "cold-starts",
            {"setup": "ModelSetupTime"},
            "SampleCount",
            settings.cold_starts,
            seconds=3600,
            periods=1,
            breaching=1,
            description=f"More than {settings.cold_starts} calls of an hour waited for a container to start.",
        ),
        Alarm(
            "concurrency",
            {"use": "ServerlessConcurrentExecutionsUtilization"},
            "Maximum",
            settings.concurrency_percent,
            seconds=60,
            periods=5,
            breaching=3,
            # It is documented as a quotient without a unit: up to 1, or up to 100.
            expression="IF(use > 1, use, 100 * use)",
            description=f"More than {settings.concurrency_percent:g} % of `max` is in use; above it, calls get 429.",
        ),
    ]
    if provisioned:
        found.append(
            Alarm(
                "spillover",
                {"spilled": "ServerlessProvisionedConcurrencySpilloverInvocations"},
                "Sum",
                0,
                seconds=300,
                periods=3,
                breaching=3,
                description="For fifteen minutes, calls have found no provisioned container free.",
            )
        )
    return found


def _with_runbook(alarm: Alarm, runbooks: str) -> Alarm:
    page = f"{runbooks.rstrip('/')}/{alarm.name}.md"
    return replace(alarm, description=f"{alarm.description} Runbook: {page}")
