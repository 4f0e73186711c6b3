"""Patches of moto, by which what it only stores acts: functions are invoked, rules call them, alarms are evaluated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import Alarm, CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult
from moto.events.models import Rule

from scaletozero.sandbox.aws.events.bus import Bus
from scaletozero.sandbox.aws.functions.asynchronous import Asynchronous
from scaletozero.sandbox.aws.functions.service import Functions, ThrottledError
from scaletozero.sandbox.aws.middleware import AwsError
from scaletozero.sandbox.monitoring.alarm import rule
from scaletozero.sandbox.monitoring.expressions import UnsupportedError

NOT_KEPT = {"DeadLetterConfig": "dead_letter_config", "LoggingConfig": "logging_config"}
"""Settings of a function that moto takes and forgets -> where they are kept."""


@dataclass(frozen=True)
class Acting:
    """What acts on what moto stores, which is one for a process, as moto's store is."""

    functions: Functions
    asynchronous: Asynchronous
    bus: Bus


_acting: list[Acting] = []


def act(acting: Acting) -> None:
    """Applies the patches of this file, and lets `acting` act. Calling it again replaces what acted before."""
    _acting[:] = [acting]
    LambdaResponse.invoke = _invoke  # type: ignore[method-assign]
    LambdaFunction.__init__ = _init  # type: ignore[method-assign]
    LambdaFunction.get_configuration = _get_configuration  # type: ignore[method-assign]
    LambdaFunction.update_configuration = _update_configuration  # type: ignore[method-assign]
    LambdaBackend.send_sns_message = _send_sns_message  # type: ignore[method-assign]
    Rule.send_to_targets = _send_to_targets  # type: ignore[method-assign]
    CloudWatchResponse.put_metric_alarm = _put_metric_alarm  # type: ignore[method-assign]
    CloudWatchBackend.put_metric_alarm = _keep_state  # type: ignore[method-assign]


def _invoke(self: LambdaResponse) -> tuple[int, dict[str, str], str]:
    """Functions run as processes; a dry run (Lambda API reference, Invoke) only says whether the caller may, which was
    decided in front of moto."""
    acting, region = _acting[0], self.region
    name = unquote(self.path.rsplit("/", 2)[-2])
    kind = self.headers.get("X-Amz-Invocation-Type") or "RequestResponse"
    acting.functions.find(region, name)
    if kind == "DryRun":
        return 204, {"status": "204"}, ""
    try:
        event = json.loads(self.body or "{}")
    except ValueError:
        raise AwsError("InvalidRequestContentException", "Could not parse request body into json") from None
    if kind == "Event":
        request = acting.asynchronous.submit(region, name, event)
        return 202, {"status": "202", "x-amzn-RequestId": request}, ""
    try:
        outcome = acting.functions.invoke(region, name, event)
    except ThrottledError as error:
        raise AwsError("TooManyRequestsException", str(error), 429) from None
    failed = {"X-Amz-Function-Error": "Unhandled"} if outcome.failed else {}
    return 200, {"X-Amz-Executed-Version": "$LATEST", **failed}, outcome.payload


_moto_init, _moto_get_configuration = LambdaFunction.__init__, LambdaFunction.get_configuration
_moto_update_configuration = LambdaFunction.update_configuration


def _init(self: LambdaFunction, account_id: str, spec: dict[str, Any], *args: Any, **kwargs: Any) -> None:
    """Functions: moto forgets their dead-letter queue and their log group."""
    for member, name in NOT_KEPT.items():
        setattr(self, name, spec.get(member))
    _moto_init(self, account_id, spec, *args, **kwargs)


def _get_configuration(self: LambdaFunction, on_create: bool = False) -> dict[str, Any]:
    kept = {member: getattr(self, name) for member, name in NOT_KEPT.items() if getattr(self, name)}
    return _moto_get_configuration(self, on_create) | kept


def _update_configuration(self: LambdaFunction, config_updates: dict[str, Any]) -> dict[str, Any]:
    """Functions: moto takes their key when they are made, and ignores another one."""
    if "KMSKeyArn" in config_updates:
        self.kms_key_arn = config_updates["KMSKeyArn"] or None
    for member, name in NOT_KEPT.items():
        if member in config_updates:
            setattr(self, name, config_updates[member])
    return _moto_update_configuration(self, config_updates)


def _send_sns_message(self: LambdaBackend, function_name: str, *_: Any, **__: Any) -> None:
    """Topics: moto would start Docker."""
    raise AwsError("NotImplemented", f"the sandbox's topics call no functions ({function_name})", 501)


def _send_to_targets(self: Rule, original_event: Any, **_: Any) -> None:
    """Rules: moto sends no event to a function."""
    if (
        self.state == "ENABLED"
        and self.event_pattern.get_pattern()
        and self.event_pattern.matches_event(original_event)
    ):
        _acting[0].bus.deliver(self, original_event)


_moto_put_metric_alarm = CloudWatchResponse.put_metric_alarm


def _put_metric_alarm(self: CloudWatchResponse) -> ActionResult:
    """Alarms: one that would never be evaluated is refused."""
    if not self._get_param("AlarmRule"):
        try:
            rule(self._get_params())
        except UnsupportedError as error:
            raise ValidationError(f"{self._get_param('AlarmName')}: {error}") from None
    return _moto_put_metric_alarm(self)


_moto_put = CloudWatchBackend.put_metric_alarm


def _keep_state(self: CloudWatchBackend, name: str, *args: Any, **kwargs: Any) -> Alarm:
    """Alarms: one that is changed keeps its state (CloudWatch API reference, PutMetricAlarm)."""
    before = self.alarms.get(name)
    alarm = _moto_put(self, name, *args, **kwargs)
    if before is not None:
        for each in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp", "history"):
            setattr(alarm, each, getattr(before, each))
    return alarm
