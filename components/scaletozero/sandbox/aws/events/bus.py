"""The embedded EventBridge's default bus: rules match events and send them to their targets."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.events.models import Rule, events_backends
from moto.sqs.models import sqs_backends

from scaletozero.partitions import service_principal
from scaletozero.sandbox.aws.functions.asynchronous import Asynchronous
from scaletozero.sandbox.aws.functions.service import Functions
from scaletozero.sandbox.aws.iam.roles import Roles
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError
from scaletozero.sandbox.aws.monitoring.topics import publish

log = logging.getLogger(__name__)


def event(kind: str, source: str, region: str, now: datetime, resources: list[str], detail: Any) -> dict[str, Any]:
    """An event as EventBridge sends it (EventBridge user guide, events).

    Args:
        kind: its `detail-type`.
    """
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": resources,
        "detail": detail,
    }


def matches(rule: Rule, sent: Any) -> bool:
    """Whether a rule is enabled, and matches an event. One with a schedule only has no pattern, and matches none; at
    moto an empty pattern matches everything."""
    return rule.state == "ENABLED" and bool(rule.event_pattern.get_pattern()) and rule.event_pattern.matches_event(sent)


class Bus:
    """Sends events to the targets of rules."""

    def __init__(self, roles: Roles, functions: Functions, asynchronous: Asynchronous) -> None:
        self._roles, self._functions, self._asynchronous = roles, functions, asynchronous

    def put(self, region: str, sent: Mapping[str, Any]) -> None:
        """Sends an event to the targets of the rules that match it."""
        for rule in list(events_backends[ACCOUNT][region].describe_event_bus("default").rules.values()):
            if matches(rule, sent):
                self.deliver(rule, sent)

    def deliver(self, rule: Rule, sent: Mapping[str, Any]) -> None:
        """Sends an event to a rule's targets. What a target does not take is in the sandbox's log, and lost, as on
        AWS where the rule has no dead-letter queue."""
        for target in list(rule.targets):
            try:
                self._send(rule, target, sent)
            except AwsError as error:
                log.warning("%s: %s is not called: %s", rule.arn, target["Arn"], error.message)

    def _send(self, rule: Rule, target: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
        arn, region = target["Arn"], rule.region_name
        service, body = arn.split(":")[2], _body(target, sent)
        events = service_principal("events")
        if service == "lambda":
            self._functions.require_service(region, arn, events, rule.arn)
            self._asynchronous.submit(region, arn, body)
        elif service == "sns":
            publish(self._roles, arn, region, events, rule.arn, body)
        elif service == "sqs":
            self._roles.require_service(events, "sqs:SendMessage", arn, region, rule.arn)
            sqs_backends[ACCOUNT][region].send_message(arn.rpartition(":")[2], json.dumps(body))
        else:
            raise AwsError("ValidationException", "the sandbox's rules call functions, topics and queues only")


def _body(target: Mapping[str, Any], sent: Mapping[str, Any]) -> Any:
    """What the target gets: its own input, a part of the event, or the event."""
    if target.get("InputTransformer"):
        raise AwsError("ValidationException", "the sandbox has no InputTransformer")
    if target.get("Input"):
        return json.loads(target["Input"])
    part: Any = sent
    for key in (target.get("InputPath") or "$").split(".")[1:]:
        part = part.get(key) if isinstance(part, Mapping) else None
    return part
