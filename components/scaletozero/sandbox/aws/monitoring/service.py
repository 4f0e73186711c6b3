"""Evaluates the alarms that were declared once a minute of the sandbox's clock, and notifies their actions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from scaletozero.partitions import service_principal
from scaletozero.sandbox.aws.events.bus import Bus, event
from scaletozero.sandbox.aws.functions.asynchronous import Asynchronous
from scaletozero.sandbox.aws.functions.service import Functions
from scaletozero.sandbox.aws.iam.roles import Roles
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError
from scaletozero.sandbox.aws.monitoring import stored
from scaletozero.sandbox.aws.monitoring.history import History, full_minute
from scaletozero.sandbox.aws.monitoring.topics import publish
from scaletozero.sandbox.clock import Clock
from scaletozero.sandbox.monitoring.alarm import ALARM, MINUTE, evaluate, rule
from scaletozero.sandbox.monitoring.composite import composite_state
from scaletozero.sandbox.monitoring.expressions import UnsupportedError

log = logging.getLogger(__name__)

PUBLISHED_AFTER = MINUTE
"""How long after its end a minute is seen by alarms: services publish it one or two minutes later."""

SCALING_POLICY = ":autoscaling:"
"""A part of a scaling policy's ARN. Alarms that call one are evaluated by Application Auto Scaling."""


class Alarms:
    """The embedded CloudWatch's alarms.

    Args:
        flush: writes the metrics that were not written yet.
    """

    def __init__(
        self,
        clock: Clock,
        roles: Roles,
        bus: Bus,
        functions: Functions,
        asynchronous: Asynchronous,
        flush: Callable[[], None],
    ) -> None:
        self._clock, self._roles, self._bus = clock, roles, bus
        self._functions, self._asynchronous, self._flush = functions, asynchronous, flush
        self._histories: dict[str, History] = {}
        self._done = full_minute(clock.now())
        self._forgot = clock.now()

    def step(self) -> None:
        """Evaluates all alarms if a minute began since the last call."""
        minute = full_minute(self._clock.now())
        if minute <= self._done:
            return
        self._done = minute
        self._flush()
        for region, backend in list(cloudwatch_backends[ACCOUNT].items()):
            alarms = list(backend.alarms.values())
            if alarms:
                history = self._histories.setdefault(region, History(region, self._clock))
                history.update()
                for alarm in alarms:
                    self._evaluate(alarm, history, minute - PUBLISHED_AFTER, backend.alarms)
        if minute - self._forgot > timedelta(days=1):
            self._forgot = minute
            for history in self._histories.values():
                history.forget(minute)

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Every alarm by name, with its region, state and reason."""
        return {
            alarm.name: {"region": region, "state": alarm.state_value, "reason": alarm.state_reason}
            for region, backend in list(cloudwatch_backends[ACCOUNT].items())
            for alarm in list(backend.alarms.values())
        }

    def _evaluate(self, alarm: Any, history: History, end: datetime, alarms: Mapping[str, Any]) -> None:
        if any(SCALING_POLICY in each for each in alarm.alarm_actions or ()):
            return
        try:
            if alarm.rule:
                states = {name: each.state_value for name, each in list(alarms.items())}
                state, reason, data = composite_state(alarm.rule, states), alarm.rule, "{}"
            else:
                wanted = rule(stored.members(alarm))
                found = evaluate(wanted, history, end, alarm.state_value)
                state, reason = found.state, found.reason
                data = stored.reason_data(found.recent, wanted.threshold, datetime.now(UTC))
        except UnsupportedError as error:  # it was declared before an alarm in its rule was deleted
            log.warning("the alarm %s is not evaluated: %s", alarm.name, error)
            return
        if state != alarm.state_value:
            self._change(alarm, state, reason, data)

    def _change(self, alarm: Any, state: str, reason: str, data: str) -> None:
        before = stored.state(alarm)
        alarm.update_state(reason, data, state)
        log.log(
            logging.WARNING if state == ALARM else logging.INFO,
            "the alarm %s is %s: %s",
            alarm.name,
            state,
            reason,
        )
        detail = {
            "alarmName": alarm.name,
            "state": stored.state(alarm),
            "previousState": before,
            "configuration": stored.configuration(alarm),
        }
        arn, region = alarm.alarm_arn, alarm.region_name
        now = self._clock.real()
        self._bus.put(region, event("CloudWatch Alarm State Change", "aws.cloudwatch", region, now, [arn], detail))
        for action in stored.actions(alarm):
            try:
                self._act(alarm, action, before["value"], detail)
            except AwsError as error:
                log.warning("the alarm %s cannot notify %s: %s", alarm.name, action, error.message)

    def _act(self, alarm: Any, action: str, before: str, detail: Mapping[str, Any]) -> None:
        arn, region, service = alarm.alarm_arn, alarm.region_name, action.split(":")[2]
        if service == "sns":
            subject = f'{alarm.state_value}: "{alarm.name}" in {region}'
            sender = service_principal("cloudwatch")
            publish(self._roles, action, region, sender, arn, stored.message(alarm, before), subject)
        elif service == "lambda":
            sent = {
                "source": "aws.cloudwatch",
                "alarmArn": arn,
                "accountId": ACCOUNT,
                "time": detail["state"]["timestamp"],
                "region": region,
                "alarmData": detail,
            }
            self._functions.require_service(region, action, service_principal("lambda.alarms.cloudwatch"), arn)
            self._asynchronous.submit(region, action, sent)
        else:
            raise AwsError("ValidationError", "the sandbox's alarms notify topics and functions only")
