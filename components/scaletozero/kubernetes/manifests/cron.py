"""Windows as KEDA's cron triggers: opened early by the cold start, right over midnight and summer time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scaletozero.settings.local_time import closes, opens
from scaletozero.settings.schedules import DAY, Window, cron_days


def cron_triggers(windows: Iterable[Window], lead_seconds: int) -> list[dict[str, Any]]:
    """One trigger a window, or one for each of its days.

    KEDA takes a trigger for active if its next end comes before its next start. An opening that begins before the
    previous one has ended, as an early start makes it, would therefore switch the trigger off: such a window gets a
    trigger for each day.
    """
    triggers: list[dict[str, Any]] = []
    for window in windows:
        begin = opens(window.start, -(-lead_seconds // 60), window.timezone)
        end = closes(window.start + window.minutes, window.timezone)
        together = end - begin < DAY
        for days in [window.days] if together else [(day,) for day in window.days]:
            triggers.append(
                {
                    "type": "cron",
                    "metadata": {
                        "timezone": window.timezone,
                        "start": _cron(begin, days),
                        "end": _cron(end, days),
                        "desiredReplicas": str(window.min),
                    },
                }
            )
    return triggers


def _cron(minute: int, days: Iterable[int]) -> str:
    shift, minute = divmod(minute, DAY)
    return f"{minute % 60} {minute // 60} * * {cron_days(day + shift for day in days)}"
