"""A target on trial: it gets its share of the requests until its alarm sounds, or until it was silent for long enough.

What decides is the alarm's history since the trial began, which all gateways read alike, and no state of a process:
once it has sounded, the target gets nothing any more, also when the alarm is silent again for want of requests.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import anyio
from botocore.exceptions import BotoCoreError, ClientError

from scaletozero.settings.gateway_canary import KEPT, Canary

READ_SECONDS = 30.0
"""After which an alarm is read again."""

Verdict = Literal["on trial", "promoted", "rolled back"]

log = logging.getLogger("scaletozero.gateway")


def verdict(canary: Canary, now: datetime, sounded: bool, silent: bool) -> Verdict:
    """What became of a trial.

    Args:
        now: with its offset from UTC.
        sounded: whether its alarm has sounded since it began.
        silent: whether its alarm is `OK` now; one without data says nothing.
    """
    if sounded or now >= canary.began + KEPT:  # what CloudWatch has forgotten is not taken for good
        return "rolled back"
    if silent and now >= canary.began + timedelta(hours=canary.promote_after_hours):
        return "promoted"
    return "on trial"


def has_sounded(items: Iterable[dict[str, Any]]) -> bool:
    """Whether there is a change to the state of alarm among items of an alarm's history."""
    return any(json.loads(each["HistoryData"]).get("newState", {}).get("stateValue") == "ALARM" for each in items)


@dataclass
class Trial:
    """The trial of one target.

    Attributes:
        canary: what was declared of it.
        label: what records call the target.
        cloudwatch: a boto3 client of CloudWatch.
        now: the time in UTC.
        ticks: seconds that never run backwards.
    """

    canary: Canary
    label: str
    cloudwatch: Any
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ticks: Callable[[], float] = time.monotonic
    verdict: Verdict = "on trial"
    reading: asyncio.Task[None] | None = field(default=None)
    _read_at: float = float("-inf")

    def look(self) -> Verdict:
        """The verdict as it was read last. Where that was some time ago it is read again, beside the request."""
        due = self.ticks() >= self._read_at + READ_SECONDS
        if self.verdict != "rolled back" and due and (self.reading is None or self.reading.done()):
            self._read_at = self.ticks()
            self.reading = asyncio.create_task(self._read())
        return self.verdict

    async def _read(self) -> None:
        try:
            found = await anyio.to_thread.run_sync(self.ask)
        except (BotoCoreError, ClientError) as error:
            # The last verdict stands: a trial goes on, a promotion stays.
            log.error(json.dumps({"event": "canary", "alarm": self.canary.alarm, "error": str(error)}))
            return
        if found != self.verdict:
            log.warning(json.dumps({"event": f"canary {found}", "target": self.label, "alarm": self.canary.alarm}))
        self.verdict = found

    def ask(self) -> Verdict:
        """The verdict, as CloudWatch knows it.

        Raises:
            botocore.exceptions.ClientError: CloudWatch refused the call.
        """
        name = self.canary.alarm
        found = self.cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        alarms = [*found.get("MetricAlarms", ()), *found.get("CompositeAlarms", ())]
        if not alarms:
            log.error(json.dumps({"event": "canary", "alarm": name, "error": "there is no such alarm"}))
            return "on trial"
        state = alarms[0]["StateValue"]
        asked = {"AlarmName": name, "HistoryItemType": "StateUpdate", "StartDate": self.canary.began}
        pages = self.cloudwatch.get_paginator("describe_alarm_history").paginate(**asked)
        sounded = state == "ALARM" or any(has_sounded(page["AlarmHistoryItems"]) for page in pages)
        return verdict(self.canary, self.now(), sounded, state == "OK")
