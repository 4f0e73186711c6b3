"""Writes what functions print to the embedded CloudWatch Logs, as their roles may."""

from __future__ import annotations

import logging
import time

from moto.logs.models import logs_backends

from scaletozero.partitions import arn
from scaletozero.sandbox.aws.functions.processes import Code, Outcome
from scaletozero.sandbox.aws.iam.demands import Demand, Place
from scaletozero.sandbox.aws.iam.roles import Roles
from scaletozero.sandbox.aws.middleware import ACCOUNT, AwsError

log = logging.getLogger(__name__)

LONGEST_LINE = 256 * 1024
"""Maximum size of a log event (CloudWatch Logs quotas)."""


def write(roles: Roles, role_arn: str, code: Code, stream: str, outcome: Outcome) -> None:
    """Writes an invocation's lines between those of Lambda; nothing where the role may not, as on AWS."""
    group = arn("logs", code.region, ACCOUNT, f"log-group:{code.group}:log-stream:{stream}")
    needed = [Demand(f"logs:{action}", group) for action in ("CreateLogStream", "PutLogEvents")]
    backend = logs_backends[ACCOUNT][code.region]
    if code.group not in backend.groups:
        # Lambda creates it with the function's role.
        whole = arn("logs", code.region, ACCOUNT, f"log-group:{code.group}:*")
        needed.insert(0, Demand("logs:CreateLogGroup", whole))
    try:
        roles.require_role(role_arn, needed, Place(code.region, ACCOUNT))
    except AwsError as denied:
        log.warning("%s: no logs are written: %s", code.name, denied.message)
        return
    if code.group not in backend.groups:
        backend.create_log_group(code.group, {})
    if stream not in backend.groups[code.group].streams:
        backend.create_log_stream(code.group, stream)
    report = f"REPORT RequestId: {outcome.request} Duration: {outcome.seconds * 1000:.2f} ms"
    lines = [
        f"START RequestId: {outcome.request} Version: $LATEST",
        *(line for line in outcome.output.splitlines() if line.strip()),
        f"END RequestId: {outcome.request}",
        report,
    ]
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line[:LONGEST_LINE]} for line in lines]
    backend.put_log_events(code.group, stream, events)
