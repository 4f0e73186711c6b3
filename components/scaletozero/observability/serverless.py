"""The alarms of an endpoint on SageMaker Serverless Inference. Pure."""

from __future__ import annotations

from scaletozero.observability.plan import Alarm, common_alarms, with_runbooks
from scaletozero.settings.alarms import Alarms


def serverless_alarms(settings: Alarms, provisioned: bool) -> list[Alarm]:
    """The alarms of a serverless endpoint, as an `AlarmPlan`."""
    found = common_alarms(settings, failed="Invocation5XXErrors", processed="Invocations")
    found += [
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
            # It is documented as a ratio without a unit: up to 1, or up to 100.
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
    return with_runbooks(found, settings.runbooks)
