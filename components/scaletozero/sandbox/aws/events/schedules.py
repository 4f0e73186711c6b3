"""The schedules of the embedded EventBridge: of rules, and of EventBridge Scheduler."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from moto.events.models import events_backends
from moto.scheduler.models import scheduler_backends

from scaletozero.partitions import service_principal
from scaletozero.sandbox.aws.events.bus import Bus, event
from scaletozero.sandbox.aws.functions.asynchronous import Asynchronous
from scaletozero.sandbox.aws.iam.demands import Demand, Place
from scaletozero.sandbox.aws.iam.roles import Roles
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError
from scaletozero.sandbox.aws.scaling.cron import fires
from scaletozero.sandbox.clock import Clock

log = logging.getLogger(__name__)


class Schedules:
    """Fires what is due."""

    def __init__(self, clock: Clock, roles: Roles, bus: Bus, asynchronous: Asynchronous) -> None:
        self._clock, self._roles, self._bus, self._asynchronous = clock, roles, bus, asynchronous
        self._last = clock.now()
        self._began: dict[tuple[str, str], datetime] = {}

    def step(self) -> None:
        """Fires what became due since the last call."""
        after, self._last = self._last, self._clock.now()
        for region, backend in list(events_backends[ACCOUNT].items()):
            for rule in list(backend.describe_event_bus("default").rules.values()):
                written = rule.scheduled_expression
                if rule.state == "ENABLED" and written and self._due(rule.arn, written, "UTC", after):
                    sent = event("Scheduled Event", "aws.events", region, self._last, [rule.arn], {})
                    self._bus.deliver(rule, sent)
        for region, scheduler in list(scheduler_backends[ACCOUNT].items()):
            for group in list[Any](scheduler.schedule_groups.values()):
                for schedule in list(group.schedules.values()):
                    self._schedule(region, schedule, after)

    def _due(self, arn: str, expression: str, timezone: str, after: datetime) -> bool:
        """Whether it fires; a rate counts from when it was declared, or changed."""
        since = self._began.setdefault((arn, expression), self._last)
        try:
            return fires(expression, timezone, after, self._last, since)
        except ValueError as error:
            log.warning("%s does not fire: %s", arn, error)
            return False

    def _schedule(self, region: str, schedule: Any, after: datetime) -> None:
        begins, ends = (_time(each) for each in (schedule.start_date, schedule.end_date))
        if schedule.state != "ENABLED" or (begins and self._last < begins) or (ends and ends < self._last):
            return
        zone = schedule.schedule_expression_timezone
        if not self._due(schedule.arn, schedule.schedule_expression, zone, after):
            return
        try:
            self._call(region, schedule.arn, schedule.target)
        except (AwsError, ValueError) as error:
            log.warning("%s does not call %s: %s", schedule.arn, schedule.target["Arn"], error)

    def _call(self, region: str, arn: str, target: Mapping[str, Any]) -> None:
        called, role = target["Arn"], target["RoleArn"]
        if called.split(":")[2] != "lambda":
            raise AwsError("ValidationException", "the sandbox's schedules call functions only")
        self._roles.require_trust(role, service_principal("scheduler"), region, arn)
        self._roles.require_role(role, [Demand("lambda:InvokeFunction", called)], Place(region, ACCOUNT))
        sent = event("Scheduled Event", "aws.scheduler", region, self._last, [arn], "{}")
        self._asynchronous.submit(region, called, json.loads(target["Input"]) if target.get("Input") else sent)


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value if math.isfinite(value) else 0, UTC)
    return datetime.fromisoformat(str(value).replace("Z", "+00:00"))
