"""Asynchronous invocation: a function that fails is tried again, and then the event is kept.

Source: Lambda developer guide, "Error handling for an asynchronous invocation": two retries of a function's error,
after one and two minutes; a throttled event is retried for up to six hours; then the event goes to the dead-letter
queue, and a record of it to the destination of failures.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.awslambda.models import LambdaFunction

from scaletozero.sandbox.aws.functions.processes import Outcome
from scaletozero.sandbox.aws.functions.service import Functions, ThrottledError
from scaletozero.sandbox.aws.middleware import AwsError
from scaletozero.sandbox.clock import Clock
from scaletozero.sandbox.credentials import Credentials

log = logging.getLogger(__name__)

RETRY_SECONDS = (60, 120)
"""Time before the first and the second retry."""

THROTTLED_SECONDS = (1, 300)
"""Time before the first retry of a throttled event, and the longest; each is twice the one before."""

MOST_AGE_SECONDS = 6 * 3600

Connect = Callable[[Credentials, str, str], Any]
"""Makes a client by credentials, service and region."""


class Asynchronous:
    """Invokes functions without waiting for them. Thread-safe.

    Args:
        functions: invokes them.
        connect: makes clients that act for a function's role.
        clock: the time between retries is of it.
    """

    def __init__(self, functions: Functions, connect: Connect, clock: Clock) -> None:
        self._functions, self._connect, self._clock = functions, connect, clock
        self._stopped = threading.Event()

    def submit(self, region: str, name_or_arn: str, event: Any) -> str:
        """Invokes a function soon. Returns the request's id. Raises AwsError: there is no such function."""
        function, request = self._functions.find(region, name_or_arn), str(uuid.uuid4())
        threading.Thread(
            target=self._try, args=(function, event, request), daemon=True, name=f"{function.function_name} {request}"
        ).start()
        return request

    def stop(self) -> None:
        """Retries nothing any more."""
        self._stopped.set()

    def _try(self, function: LambdaFunction, event: Any, request: str) -> None:
        try:
            self._tries(function, event, request)
        except Exception:
            log.exception("%s", function.function_name)

    def _tries(self, function: LambdaFunction, event: Any, request: str) -> None:
        settings = function.event_invoke_config[0].config if function.event_invoke_config else {}
        retries = settings.get("MaximumRetryAttempts", len(RETRY_SECONDS))
        most_age = settings.get("MaximumEventAgeInSeconds", MOST_AGE_SECONDS)
        began, attempts, pause, code = self._clock.now(), 0, THROTTLED_SECONDS[0], 200
        name, region = function.function_name, function.region
        while True:
            age = (self._clock.now() - began).total_seconds()
            try:
                outcome = self._functions.invoke(region, function.function_arn, event, request)
                attempts += 1
                if not outcome.failed:
                    return
                wait, exhausted = RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1], attempts > retries
            except ThrottledError as error:
                outcome, wait, code = _refused(request, str(error)), pause, 429
                pause, exhausted = min(pause * 2, THROTTLED_SECONDS[1]), False
            except AwsError as error:  # deleted meanwhile, or its role may not be assumed
                outcome, wait, code = _refused(request, error.message), pause, error.status
                pause, exhausted = min(pause * 2, THROTTLED_SECONDS[1]), error.code == "ResourceNotFoundException"
            if exhausted or age + wait > most_age:
                break
            log.info("%s is tried again in %d s: %s", name, wait, outcome.payload[:200])
            if self._stopped.wait(self._clock.wait(wait)):
                return
        why = "RetriesExhausted" if exhausted else "EventAgeExceeded"
        self._keep(function, event, outcome, code, attempts, why, settings)

    def _keep(
        self,
        function: LambdaFunction,
        event: Any,
        outcome: Outcome,
        code: int,
        attempts: int,
        why: str,
        settings: Mapping[str, Any],
    ) -> None:
        queue: str = (getattr(function, "dead_letter_config", None) or {}).get("TargetArn", "")
        attributes = {
            "RequestID": ("String", outcome.request),
            "ErrorCode": ("Number", str(code)),
            "ErrorMessage": ("String", json.loads(outcome.payload).get("errorMessage", "")[:1024] or "-"),
        }
        self._send(function, queue, json.dumps(event), attributes, "DeadLetterErrors")
        target = ((settings.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination", "")
        record = {
            "version": "1.0",
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "requestContext": {
                "requestId": outcome.request,
                "functionArn": f"{function.function_arn}:$LATEST",
                "condition": why,
                "approximateInvokeCount": attempts,
            },
            "requestPayload": event,
            "responseContext": {"statusCode": code, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": json.loads(outcome.payload),
        }
        self._send(function, target, json.dumps(record), {}, "DestinationDeliveryFailures")

    def _send(
        self, function: LambdaFunction, arn: str, body: str, attributes: Mapping[str, tuple[str, str]], metric: str
    ) -> None:
        """Sends to a queue or a topic as the function's role; what fails is counted, as Lambda does."""
        if not arn:
            return
        name, region = function.function_name, function.region
        service, given = arn.split(":")[2], {key: _attribute(*value) for key, value in attributes.items()}
        try:
            client = self._connect(self._functions.credentials(function), service, region)
            if service == "sqs":
                # Lambda does not ask for it, so that the role needs no permission to.
                url = f"{client.meta.endpoint_url}/{'/'.join(arn.split(':')[4:6])}"
                client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=given)
            elif service == "sns":
                client.publish(TopicArn=arn, Message=body, MessageAttributes=given)
            else:
                raise AwsError("InvalidParameterValueException", f"the sandbox sends nothing to {arn}")
        except (AwsError, ClientError, BotoCoreError) as error:
            self._functions.count(region, name, {metric: 1})
            log.warning("%s: nothing was sent to %s: %s", name, arn, error)
        else:
            log.warning("%s failed; the event is in %s", name, arn)


def _attribute(kind: str, value: str) -> dict[str, str]:
    return {"DataType": kind, "StringValue": value}


def _refused(request: str, why: str) -> Outcome:
    return Outcome(request, json.dumps({"errorMessage": why}), True, 0.0, "")
