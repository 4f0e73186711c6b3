"""Keeps an endpoint warm: a floor, headroom, a ceiling and a schedule."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

import pulumi
import pulumi_aws as aws
from pulumi.runtime.settings import get_monitor

from model_packaging.findings import FindingsError, refuse
from scaletozero.args.warm_pool import WarmPoolArgs
from scaletozero.component import Component, checked, validated
from scaletozero.scaling.timeline import actions, early_conflicts, floor_at, lead_minutes
from scaletozero.settings.asynchronous import BACKLOG
from scaletozero.settings.pools import WAKE_COOLDOWN_SECONDS, InstancePoolSettings, ProvisionedPoolSettings, WarmUnit

DIMENSIONS = {
    WarmUnit.PROVISIONED_CONCURRENCY: "sagemaker:variant:DesiredProvisionedConcurrency",
    WarmUnit.INSTANCES: "sagemaker:variant:DesiredInstanceCount",
}

SCALE_IN_SECONDS = 300
"""Seconds between two scale-ins of provisioned concurrency (Application Auto Scaling's default)."""

SCALE_OUT_SECONDS = 60
"""Seconds between two scale-outs: as often as the metric has a new value."""

_POOLS: WeakKeyDictionary[object, dict[str, tuple[str, object]]] = WeakKeyDictionary()
"""Run of a program -> its pools, by what they scale."""


class WarmPool(Component):
    """Keeps an endpoint on SageMaker warm.

    Provisioned concurrency follows its utilisation; with `buffer: 0` it stays at the floor. Instances
    follow the backlog, down to none. Starting the first instance requires a policy and an alarm
    of its own, without which an endpoint at zero would never respond again.

    The scalable target is the attribute `target`.

    Raises:
        FindingsError: an argument is invalid. Nothing is declared.
    """

    type_name = "scaletozero:index:WarmPool"

    resource_id: pulumi.Output[str]
    """The id of the scalable target in Application Auto Scaling."""

    def __init__(self, name: str, args: WarmPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        unit = args.get("unit") if isinstance(args, Mapping) else None  # `validated` says what else it is
        by_unit = InstancePoolSettings if unit == WarmUnit.INSTANCES else ProvisionedPoolSettings
        settings, inputs = validated(by_unit, args, name=name, inputs=["endpoint_name"])
        now, lead = datetime.now(UTC), lead_minutes(settings.cold_start_seconds)
        if conflicts := list(early_conflicts(settings.schedule, lead, f"{name}.schedule")):
            raise FindingsError(conflicts)
        super().__init__(name, opts, region=settings.region, tags=settings.tags)
        scaling = settings.scaling
        fixed = isinstance(settings, ProvisionedPoolSettings) and settings.scaling.target is None

        # During a window the floor is the window's: an update must not undo what the schedule did.
        floor = floor_at(settings.schedule, base=scaling.min, lead=lead, now=now)
        scaled = pulumi.Output.format("endpoint/{0}/variant/{1}", inputs["endpoint_name"], settings.variant)
        run = get_monitor()
        target = aws.appautoscaling.Target(
            self.child(),
            region=settings.region,
            service_namespace="sagemaker",
            scalable_dimension=DIMENSIONS[settings.unit],
            resource_id=checked(scaled, lambda known: self._claim_target(run, known)),
            min_capacity=floor,
            max_capacity=floor if fixed else scaling.max,
            tags=self._tags,
            opts=self.options(),
        )
        of_target = {
            "region": settings.region,
            "service_namespace": target.service_namespace,
            "scalable_dimension": target.scalable_dimension,
            "resource_id": target.resource_id,
        }
        # One after another, because the service refuses a change of a target while another one is pending.
        before: list[pulumi.Resource] = []
        if isinstance(settings, InstancePoolSettings):
            before = [self._follow_backlog(settings, inputs["endpoint_name"], of_target)]
        elif settings.scaling.target is not None:
            before = [self._follow_use(settings.scaling.target, of_target)]
        for action in actions(settings.schedule, base=scaling.min, lead=lead, now=now):
            scheduled = aws.appautoscaling.ScheduledAction(
                self.child(action.label),
                **of_target,
                name=action.label,
                schedule=action.expression,
                timezone=action.timezone,
                scalable_target_action={
                    "min_capacity": action.floor,
                    "max_capacity": action.floor if fixed else scaling.max,
                },
                opts=self.options(depends_on=before),
            )
            before = [scheduled]

        self.resource_id = target.resource_id
        # Not annotated in the class, because the plugin takes every annotation of a component for an output.
        self.target = target
        self.register_outputs({"resource_id": self.resource_id})

    def _claim_target(self, run: object, scaled: str) -> str:
        """Returns what the pool scales. Refuses a second pool for it."""
        pools = _POOLS.setdefault(run, {})
        first, owner = pools.setdefault(f"{self._region}/{scaled}", (self._component_name, self))
        if owner is not self:
            raise refuse(
                f"{self._component_name}.endpoint_name",
                "must be an endpoint without a warm pool",
                f"{scaled.split('/')[1]}, which {first} keeps warm",
                f"{first} and {self._component_name} would overwrite each other's floor at every update",
                "declare one of the two, or set `scaling` on the endpoint itself",
            )
        return scaled

    def _follow_use(self, share: float, of_target: Mapping[str, Any]) -> aws.appautoscaling.Policy:
        return aws.appautoscaling.Policy(
            self.child("follow-use"),
            **of_target,
            policy_type="TargetTrackingScaling",
            target_tracking_scaling_policy_configuration={
                "predefined_metric_specification": {
                    "predefined_metric_type": "SageMakerVariantProvisionedConcurrencyUtilization"
                },
                "target_value": share,
                "scale_in_cooldown": SCALE_IN_SECONDS,
                "scale_out_cooldown": SCALE_OUT_SECONDS,
            },
            opts=self.options(),
        )

    def _follow_backlog(
        self, settings: InstancePoolSettings, endpoint: pulumi.Output[str], of_target: Mapping[str, Any]
    ) -> aws.appautoscaling.Policy:
        follow = aws.appautoscaling.Policy(
            self.child("follow-backlog"),
            **of_target,
            policy_type="TargetTrackingScaling",
            target_tracking_scaling_policy_configuration={
                "customized_metric_specification": {
                    "namespace": "AWS/SageMaker",
                    "metric_name": "ApproximateBacklogSizePerInstance",
                    "dimensions": [{"name": "EndpointName", "value": endpoint}],
                    "statistic": "Average",
                },
                "target_value": settings.scaling.backlog or BACKLOG,
                "scale_in_cooldown": settings.scaling.idle_seconds,
                "scale_out_cooldown": WAKE_COOLDOWN_SECONDS,
            },
            opts=self.options(),
        )
        # Without instances there is no backlog per instance, so tracking it cannot start the first one.
        wake = aws.appautoscaling.Policy(
            self.child("wake"),
            **of_target,
            policy_type="StepScaling",
            step_scaling_policy_configuration={
                "adjustment_type": "ChangeInCapacity",
                "metric_aggregation_type": "Average",
                "cooldown": WAKE_COOLDOWN_SECONDS,
                "step_adjustments": [{"metric_interval_lower_bound": "0", "scaling_adjustment": 1}],
            },
            opts=self.options(depends_on=[follow]),
        )
        aws.cloudwatch.MetricAlarm(
            self.child("backlog-without-capacity", limit=255),
            region=settings.region,
            alarm_description="Requests wait and there is no instance: this starts the first one. It is not a fault.",
            namespace="AWS/SageMaker",
            metric_name="HasBacklogWithoutCapacity",
            dimensions={"EndpointName": endpoint},
            statistic="Average",
            period=60,
            evaluation_periods=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=1,
            treat_missing_data="missing",
            alarm_actions=[wake.arn],
            tags=self._tags,
            opts=self.options(),
        )
        return wake
