"""Windows as cron triggers of KEDA: opened earlier by the cold start, correct across midnight and clock changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scaletozero.settings.local_time import closes, opens
from scaletozero.settings.schedules import DAY, Window, cron_days


def cron_triggers(windows: Iterable[Window], lead_seconds: int) -> list[dict[str, Any]]:
    """One trigger for each window, or for each of its days.

    KEDA regards a trigger as active if its next end is before its next start. An early start that is before the end of
    the previous opening would therefore deactivate the trigger: such a window gets one trigger for each day.
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
