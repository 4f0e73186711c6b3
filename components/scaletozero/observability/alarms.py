"""The alarms of one endpoint, and the composite alarm over them."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from scaletozero.component import Component, validated
from scaletozero.observability.plan import Alarm, AlarmPlan
from scaletozero.settings.alarms import PlannedAlarmsSettings

NAMESPACE = "AWS/SageMaker"


class PlannedAlarms(Component):
    """An alarm for each way in which an endpoint can fail its callers, and a composite alarm that notifies people.

    One fault can set off several alarms. People receive one message, which names them; each alarm names its runbook.
    An endpoint without calls has no data, which sets off no alarm.

    Its children are the attributes `alarms`, a dictionary by name, and `composite`.

    Raises:
        FindingsError: an argument is invalid. Nothing is declared.
    """

    # Also the type of `EndpointAlarms`, which only selects the plan.
    type_name = "scaletozero:index:EndpointAlarms"
    # Not annotated, because the plugin takes every annotation of a component for an output.
    settings_type = PlannedAlarmsSettings

    arn: pulumi.Output[str]
    """The ARN of the composite alarm."""

    def __init__(
        self, name: str, args: Mapping[str, Any], plan: AlarmPlan, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        settings, inputs = validated(self.settings_type, args, name=name, inputs=["endpoint_name", "alarms"])
        super().__init__(name, opts, region=settings.region, tags=settings.tags)
        endpoint = inputs["endpoint_name"]
        topics = pulumi.Output.from_input(inputs["alarms"]).apply(
            lambda alarms: list((alarms or {}).get("notify") or [])
        )
        declared = {
            alarm.name: self._declare(alarm, endpoint, settings.variant)
            for alarm in plan(settings.alarms, settings.provisioned)
        }
        names = pulumi.Output.all(*(alarm.name for alarm in declared.values()))
        whole = aws.cloudwatch.CompositeAlarm(
            self.child(limit=255),
            region=settings.region,
            alarm_name=settings.alarms.name or self.physical_name(limit=255),
            alarm_description=pulumi.Output.format(
                "Callers of {0} notice something: {1}. Its children in alarm say what, with a runbook each.",
                endpoint,
                ", ".join(declared),
            ),
            alarm_rule=names.apply(lambda known: " OR ".join(f'ALARM("{each}")' for each in known)),
            alarm_actions=topics,
            ok_actions=topics,
            tags=self._tags,
            opts=self.options(),
        )

        self.arn = whole.arn
        # Not annotated in the class, because the plugin takes every annotation of a component for an output.
        self.alarms = declared
        self.composite = whole
        self.register_outputs({"arn": self.arn})

    def _declare(self, alarm: Alarm, endpoint: pulumi.Output[str], variant: str) -> aws.cloudwatch.MetricAlarm:
        dimensions = {"EndpointName": endpoint, **({"VariantName": variant} if alarm.by_variant else {})}
        return aws.cloudwatch.MetricAlarm(
            self.child(alarm.name, limit=255),
            region=self._region,
            **alarm_inputs(alarm, dimensions),
            tags=self._tags,
            opts=self.options(),
        )


def alarm_inputs(alarm: Alarm, dimensions: Mapping[str, Any], namespace: str = NAMESPACE) -> dict[str, Any]:
    """The properties of an alarm's resource that follow from the alarm: what it watches, and when it is in alarm.

    Args:
        dimensions: of its metrics.
        namespace: of its metrics.
    """
    return {
        **_watched(alarm, dimensions, namespace),
        "alarm_description": alarm.description,
        "evaluation_periods": alarm.periods,
        "datapoints_to_alarm": alarm.breaching,
        "comparison_operator": "GreaterThanThreshold",
        "threshold": alarm.threshold,
        "treat_missing_data": "notBreaching",
    }


def _watched(alarm: Alarm, dimensions: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    if not alarm.expression:
        (metric,) = alarm.metrics.values()
        kind = "extended_statistic" if alarm.statistic.startswith("p") else "statistic"
        return {
            "namespace": namespace,
            "metric_name": metric,
            "dimensions": dimensions,
            "period": alarm.seconds,
            kind: alarm.statistic,
        }
    queries: list[dict[str, Any]] = [
        {
            "id": key,
            "metric": {
                "namespace": namespace,
                "metric_name": metric,
                "dimensions": dimensions,
                "stat": alarm.statistic,
                "period": alarm.seconds,
            },
        }
        for key, metric in alarm.metrics.items()
    ]
    return {
        "metric_queries": [
            {"id": "result", "expression": alarm.expression, "label": alarm.name, "return_data": True},
            *queries,
        ]
    }
