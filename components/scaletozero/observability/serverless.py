"""The alarms and the panels of an endpoint on SageMaker Serverless Inference. Pure."""

from __future__ import annotations

from scaletozero.observability.panels import INSTANCES, Measure, Panel, Series, Watched, limits, percentiles
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
    if settings.cold_start_ms is not None:
        found.append(
            Alarm(
                "cold-start-time",
                {"setup": "ModelSetupTime"},
                "p95",
                settings.cold_start_ms * 1000,
                seconds=3600,
                periods=1,
                breaching=1,
                description=f"1 start in 20 of an hour took more than {settings.cold_start_ms:g} ms, the objective.",
            )
        )
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


def serverless_panels(watched: Watched) -> list[Panel]:
    """What a dashboard shows of it.

    SageMaker publishes these metrics and no others of a serverless endpoint (developer guide, monitoring of serverless
    endpoints); latencies are in microseconds.
    """
    alarms = serverless_alarms(watched.alarms, watched.provisioned) if watched.alarms else []
    found = [
        Panel(
            "Requests",
            "requests a minute",
            (
                Series("all", {"all": Measure("Invocations", "Sum")}),
                Series("invalid (4xx)", {"invalid": Measure("Invocation4XXErrors", "Sum")}),
                Series("failed (5xx)", {"failed": Measure("Invocation5XXErrors", "Sum")}),
            ),
        ),
        Panel(
            "Failed requests",
            "percent",
            (
                Series(
                    "failed",
                    {"failed": Measure("Invocation5XXErrors", "Sum"), "all": Measure("Invocations", "Sum")},
                    "100 * failed / all",
                ),
            ),
            limits(alarms, "errors"),
            seconds=300,
        ),
        Panel(
            "Latency of the model", "milliseconds", percentiles("ModelLatency", 1000), limits(alarms, "latency", 1e-3)
        ),
        Panel(
            "Cold starts",
            "an hour",
            (Series("containers started for a request", {"started": Measure("ModelSetupTime", "SampleCount")}),),
            limits(alarms, "cold-starts"),
            seconds=3600,
        ),
        Panel(
            "Time to start a container",
            "seconds",
            percentiles("ModelSetupTime", 1e6),
            limits(alarms, "cold-start-time", 1e-6),
            seconds=300,
        ),
        Panel("Time outside of the model", "milliseconds", percentiles("OverheadLatency", 1000)),
        Panel(
            "Concurrency",
            "percent of max",
            (
                Series(
                    "in use",
                    {"used": Measure("ServerlessConcurrentExecutionsUtilization", "Maximum")},
                    # It is documented as a quotient without a unit: up to 1, or up to 100.
                    "IF(used > 1, used, 100 * used)",
                ),
            ),
            limits(alarms, "concurrency"),
        ),
        Panel(
            "Memory",
            "percent",
            (Series("in use", {"memory": Measure("MemoryUtilization", "Maximum", namespace=INSTANCES)}),),
        ),
    ]
    if watched.provisioned:
        found.append(
            Panel(
                "Provisioned concurrency",
                "requests a minute",
                (
                    Series("on it", {"warm": Measure("ServerlessProvisionedConcurrencyInvocations", "Sum")}),
                    Series(
                        "beyond it",
                        {"beyond": Measure("ServerlessProvisionedConcurrencySpilloverInvocations", "Sum")},
                    ),
                ),
                limits(alarms, "spillover"),
            )
        )
    return [*found, *_spending(watched)]


def _spending(watched: Watched) -> list[Panel]:
    """What the work of its containers costs, from above: whether AWS bills the time to start one is not documented.

    Provisioned concurrency, which costs the same whether it is used or not, is not in it, and neither are bytes.
    """
    if watched.usd_per_second is None:
        return []
    measures = {"work": Measure("ModelLatency", "Sum"), "setup": Measure("ModelSetupTime", "Sum")}
    # In fixed point: CloudWatch's expressions know no exponents.
    per_minute = f"(FILL(work, 0) + FILL(setup, 0)) / 1000000 * {watched.usd_per_second:f}"
    return [
        Panel("Spending on requests", "USD an hour", (Series("at most", measures, f"60 * {per_minute}"),)),
        Panel(
            "Spent on requests in the time shown",
            "USD",
            (Series("at most", measures, f"RUNNING_SUM({per_minute})"),),
        ),
    ]
