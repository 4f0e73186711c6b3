"""Scales an asynchronous endpoint by its policies and the alarms that call them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from scaletozero.sandbox.aws.async_inference.backlog import Backlog
from scaletozero.sandbox.aws.middleware import ACCOUNT
from scaletozero.sandbox.aws.runtime.instance_pool import InstancePool
from scaletozero.sandbox.aws.scaling.rules import METRICS, AlarmRule, Sample, stepped, tracked

COOLDOWN_SECONDS = 300
"""The default of every cooldown, in seconds (SageMaker developer guide, autoscaling)."""

KEPT_SAMPLES = 3600
"""One sample per second. An alarm over more than an hour is never evaluated."""


@dataclass
class BacklogScaling:
    """The observations and actions of one scalable target.

    Attributes:
        samples: one sample of its endpoint per second.
        pool: its endpoint's pool at the last sample.
        moved: when its capacity last changed, or its endpoint was first observed with this configuration.
        stepped: ARN of a step policy -> when it last acted.
    """

    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=KEPT_SAMPLES))
    pool: InstancePool | None = None
    moved: datetime | None = None
    stepped: dict[str, datetime] = field(default_factory=dict)

    def see(self, pool: InstancePool, backlog: Backlog, now: datetime) -> None:
        """Takes a sample."""
        if self.pool is not pool:  # a new configuration's first instances are kept for a cooldown, too
            self.pool, self.moved = pool, now
        size, age = backlog.size, backlog.age(now.timestamp())
        self.samples.append(Sample(now, size, pool.deployment.provisioned, age))

    def asked(self, region: str, endpoint: str, policies: list[Any], now: datetime) -> int | None:
        """The largest number of instances that a policy requests; None if no policy requests a change."""
        asked: list[int] = []
        for policy in policies:
            if steps := policy.step_scaling_policy_configuration:
                found = self._step(region, endpoint, policy.policy_arn, steps, now)
            else:
                found = self._track(endpoint, policy.target_tracking_scaling_policy_configuration or {}, now)
            if found is not None:
                asked.append(found)
        return max(asked, default=None)

    def _step(self, region: str, endpoint: str, arn: str, policy: Mapping[str, Any], now: datetime) -> int | None:
        over = self._alarmed(region, endpoint, arn, now)
        last = self.stepped.get(arn)
        if over is None or (last and now - last < pause(policy, "Cooldown")):
            return None
        self.stepped[arn] = now
        return stepped(self.samples[-1].instances, over, policy)

    def _track(self, endpoint: str, policy: Mapping[str, Any], now: datetime) -> int | None:
        metric = policy.get("CustomizedMetricSpecification") or {}
        dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions") or []}
        if not _about(metric.get("MetricName"), metric.get("Namespace"), dimensions, endpoint):
            return None
        statistic, target = metric.get("Statistic", "Average"), float(policy["TargetValue"])
        current = self.samples[-1].instances
        found = tracked(metric["MetricName"], statistic, target, self.samples, now)
        if found is None or (found < current and policy.get("DisableScaleIn")):
            return None
        which = "ScaleInCooldown" if found < current else "ScaleOutCooldown"
        waits = self.moved is not None and now - self.moved < pause(policy, which)
        return current if waits else found

    def _alarmed(self, region: str, endpoint: str, policy_arn: str, now: datetime) -> float | None:
        """How far an alarm that calls a policy is over its threshold; None if no alarm is active."""
        for alarm in list(cloudwatch_backends[ACCOUNT][region].alarms.values()):
            dimensions = {str(each.name): str(each.value) for each in alarm.dimensions}
            if policy_arn not in (alarm.alarm_actions or ()) or not alarm.actions_enabled:
                continue
            if not _about(alarm.metric_name, alarm.namespace, dimensions, endpoint):
                continue
            rule = _rule(alarm)
            alarming, value = rule.evaluate(self.samples, now)
            state = "INSUFFICIENT_DATA" if alarming is None else "ALARM" if alarming else "OK"
            if alarm.state_value != state:
                alarm.update_state(f"{alarm.metric_name} is {value}, the threshold {rule.threshold}", "{}", state)
            if alarming:
                return 0.0 if value is None else value - rule.threshold
        return None


def _rule(alarm: Any) -> AlarmRule:
    return AlarmRule(
        metric=alarm.metric_name,
        statistic=alarm.statistic,
        period=int(alarm.period),
        evaluation_periods=int(alarm.evaluation_periods),
        operator=alarm.comparison_operator,
        threshold=float(alarm.threshold),
        datapoints=int(alarm.datapoints_to_alarm) if alarm.datapoints_to_alarm else None,
        missing=alarm.treat_missing_data or "missing",
    )


def _about(metric: str | None, namespace: str | None, dimensions: Mapping[str, str], endpoint: str) -> bool:
    """Whether an alarm's metric is one of the endpoint's backlog. With other dimensions it has no value, as on AWS."""
    return metric in METRICS and namespace == "AWS/SageMaker" and dimensions == {"EndpointName": endpoint}


def pause(policy: Mapping[str, Any], which: str) -> timedelta:
    """A policy's cooldown, which may be 0."""
    seconds = policy.get(which)
    return timedelta(seconds=COOLDOWN_SECONDS if seconds is None else int(seconds))
