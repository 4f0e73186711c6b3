"""The alarms of an endpoint on SageMaker Asynchronous Inference. Pure."""

from __future__ import annotations

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
