"""What closes an environment's endpoints at their caps, as a user may declare it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from model_packaging.findings import Finding
from model_packaging.validation import Int, Settings, Text, may_be_later, reject
from scaletozero.partitions import arn_prefix, iam_arn
from scaletozero.settings.alarms import TopicArn
from scaletozero.settings.amounts import Unusual

MOST_EMAILS = 10
"""Addresses that a budget tells (AWS Budgets API, CreateNotification)."""

MOST_CLOSED = 10
"""Endpoints of a guard: the denial of each is a managed policy, of which IAM attaches ten to a role by default."""

_ROLE = re.compile(r"arn:aws(?:-[a-z]+)*:iam::\d{12}:role/(?:[\x21-\x7e]+/)?[\w+=,.@-]{1,64}", re.ASCII)
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(\.[^@\s,;<>.]+)+")


def _role(value: str) -> str:
    if not _ROLE.fullmatch(value):
        reject(
            "must be the ARN of a role",
            "nobody could be kept from invoking the endpoint",
            "write `arn:<partition>:iam::<account>:role/<name>`",
        )
    return value


RoleArn = Annotated[Text, AfterValidator(_role), may_be_later]
"""The ARN of an IAM role."""


def _email(value: str) -> str:
    if len(value) > 254 or not _EMAIL.fullmatch(value):
        reject("must be an address of electronic mail", "nobody would be told", "write `team@example.com`")
    return value


Email = Annotated[Text, AfterValidator(_email)]


def _window(value: int) -> int:
    if value < 1 or 24 % value:
        reject(
            "must be a whole part of a day: 1, 2, 3, 4, 6, 8, 12 or 24 hours",
            "a month would not be a whole number of windows, and CloudWatch evaluates longer alarms once an hour only",
            "write 24",
        )
    return value


WindowHours = Annotated[Int, AfterValidator(_window)]


class Over(StrEnum):
    """Over what a cap is held."""

    WINDOW = "window"
    """Sliding windows, each with its part of the cap."""
    MONTH = "month"
    """The calendar month in UTC, measured every five minutes."""
    BOTH = "both"
    """Windows and the month."""


class Guard(Settings):
    """What closes an environment's endpoints at their caps.

    Attributes:
        callers: the roles that invoke the endpoints. Those of a closed endpoint are denied to invoke it.
        emails: who is told. A budget tells ten addresses at most.
        topic_arn: an SNS topic that is told.
        window_hours: the length of the window in which an endpoint may spend its part of the cap.
        over: over what the cap is held: such windows, the calendar month, or both.
        anomalies_above_usd: from which amount on AWS Cost Anomaly Detection tells of an unusual cost of the stack.
            Default: it is not asked.
    """

    callers: tuple[RoleArn, ...] = ()
    emails: Annotated[tuple[Email, ...], Field(max_length=MOST_EMAILS)] = ()
    topic_arn: TopicArn | None = None
    window_hours: WindowHours = 24
    over: Over = Over.WINDOW
    anomalies_above_usd: Unusual | None = None

    def conflicts(self) -> Iterable[Finding]:
        if self.over is Over.MONTH and "window_hours" in self.model_fields_set:
            why, fix = "it would have no effect", "remove it, or write `over: both`"
            yield Finding("window_hours", "is not for a cap over the month", str(self.window_hours), why, fix)
        if not self.emails and self.topic_arn is None:
            fix = "write `emails: [team@example.com]`, or `topic_arn`"
            yield Finding("emails", "must tell somebody", "nobody", "an endpoint would be closed in silence", fix)
        for key, values in (("callers", self.callers), ("emails", self.emails)):
            for index, each in enumerate(values):
                if isinstance(each, str) and each in values[:index]:
                    yield Finding(f"{key}.{index}", "must be there once", each, "AWS would refuse it", "remove it")


def address_conflicts(guard: Guard, region: str) -> Iterable[Finding]:
    """Findings on a topic of another region, and on roles of another partition."""
    begins, topic = arn_prefix("sns", region), guard.topic_arn
    if isinstance(topic, str) and not topic.startswith(begins):
        fix = f"write an ARN that begins with `{begins}`"
        yield Finding("topic_arn", f"must be a topic in {region}", topic, "nobody would be told", fix)
    partition = iam_arn(region, "", "").split("::")[0]
    for index, role in enumerate(guard.callers):
        if isinstance(role, str) and not role.startswith(f"{partition}::"):
            fix = f"write an ARN that begins with `{partition}::`"
            yield Finding(f"callers.{index}", f"must be in the partition of {region}", role, "IAM would refuse it", fix)


def nothing_stops(path: str, name: str) -> Finding:
    """The finding on a serverless endpoint under a guard without callers."""
    return Finding(
        path,
        "requires `callers`, the roles that invoke it",
        f"{name}, and no callers",
        "nothing could stop it: a serverless endpoint runs at least one container for whoever invokes it",
        "write `callers: [arn:<partition>:iam::<account>:role/<name>]`",
    )
