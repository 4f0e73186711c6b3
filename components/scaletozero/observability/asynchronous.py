"""The alarms and the panels of an endpoint on SageMaker Asynchronous Inference. Pure."""

from __future__ import annotations

from scaletozero.observability.panels import (
    INSTANCES,
    Measure,
    Panel,
    Series,
    Watched,
    limits,
    mean_and_most,
    percentiles,
)
from scaletozero.observability.plan import Alarm, common_alarms, with_runbooks
from scaletozero.settings.alarms import Alarms


def asynchronous_alarms(settings: Alarms, provisioned: bool) -> list[Alarm]:
    """The alarms of an asynchronous endpoint, as an `AlarmPlan`; instances have no provisioned concurrency."""
    backlog = Alarm(
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
    found = common_alarms(settings, failed="InvocationFailures", processed="InvocationsProcessed")
    return with_runbooks([*found, backlog], settings.runbooks)


def asynchronous_panels(watched: Watched) -> list[Panel]:
    """What a dashboard shows of it.

    `Invocations` and `OverheadLatency` are not published for asynchronous endpoints (developer guide, monitoring of
    asynchronous endpoints). The metrics of instances are published for each container: their maximum is that of the
    busiest, and there are none while no instance runs.
    """
    alarms = asynchronous_alarms(watched.alarms, watched.provisioned) if watched.alarms else []
    processed, failed = Measure("InvocationsProcessed", "Sum"), Measure("InvocationFailures", "Sum")
    return [
        Panel(
            "Requests",
            "requests a minute",
            (
                Series("processed", {"processed": processed}),
                Series("failed", {"failed": failed}),
                Series("expired in the queue", {"expired": Measure("ExpiredRequests", "Sum")}),
            ),
        ),
        Panel(
            "Failed requests",
            "percent",
            (Series("failed", {"failed": failed, "all": processed}, "100 * failed / all"),),
            limits(alarms, "errors"),
            seconds=300,
        ),
        Panel(
            "Queue",
            "requests",
            (
                Series(
                    "waiting or in work",
                    {"backlog": Measure("ApproximateBacklogSize", "Maximum", by_variant=False)},
                ),
            ),
        ),
        Panel(
            "Age of the oldest request",
            "seconds",
            (
                Series(
                    "oldest request",
                    {"age": Measure("ApproximateAgeOfOldestRequest", "Maximum", by_variant=False)},
                ),
            ),
            limits(alarms, "backlog-age"),
        ),
        Panel(
            "Latency of the model", "milliseconds", percentiles("ModelLatency", 1000), limits(alarms, "latency", 1e-3)
        ),
        Panel("Time in the queue", "seconds", mean_and_most("TimeInBacklog", 1e6)),
        Panel("Time from the request to its result", "seconds", mean_and_most("TotalProcessingTime", 1000)),
        Panel(
            "Instances",
            "percent",
            tuple(
                Series(label, {"used": Measure(metric, "Maximum", namespace=INSTANCES)})
                for label, metric in (
                    ("processors", "CPUUtilization"),
                    ("memory", "MemoryUtilization"),
                    ("GPUs", "GPUUtilization"),
                    ("GPU memory", "GPUMemoryUtilization"),
                )
            ),
        ),
    ]
