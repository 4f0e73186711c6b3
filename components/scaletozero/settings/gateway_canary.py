"""What may be declared of a target that is tried with a share of the requests, and is promoted or rolled back. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator

from model_packaging.validation import Int, Settings, Text, reject

KEPT = timedelta(days=28)
"""For which an alarm's history is relied on; CloudWatch keeps it for 30 days (CloudWatch API, DescribeAlarmHistory)."""

LONGEST_HOURS = 24 * 21
"""Until a promotion: while the alarm's whole history since the beginning is known."""


def _alarm(value: str) -> str:
    if len(value) > 255 or not value.isprintable():
        reject("must be the name of an alarm in CloudWatch", "it could not be read", "write its name, not its ARN")
    return value


def _moment(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.year < 2024:
        fix = "write the time of this change, such as `'2026-12-01T09:00:00Z'`"
        reject("must be a day and a time with its offset from UTC", "the alarm's history could not be asked for", fix)
    return value


def _hours(value: int) -> int:
    if not 1 <= value <= LONGEST_HOURS:
        reject(f"must be from 1 to {LONGEST_HOURS} hours", "CloudWatch forgets an alarm's history after 30 days")
    return value


class Canary(Settings):
    """The trial of a target.

    Attributes:
        alarm: the name of an alarm in CloudWatch, in the environment's Region, that says that the target is bad.
        since: when the trial began, with its offset from UTC. Another one begins another trial.
        promote_after_hours: after which the target gets all requests, if the alarm was silent.
    """

    alarm: Annotated[Text, AfterValidator(_alarm)]
    since: Annotated[Text, AfterValidator(_moment)]
    promote_after_hours: Annotated[Int, AfterValidator(_hours)]

    @property
    def began(self) -> datetime:
        """When the trial began."""
        return datetime.fromisoformat(self.since)
