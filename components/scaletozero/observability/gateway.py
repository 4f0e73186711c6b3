"""The alarms of a gateway's function. Pure.

Metrics are those of the namespace AWS/Lambda (Lambda developer guide, function metrics, and monitoring function URLs).
"""

from __future__ import annotations

from scaletozero.observability.plan import Alarm

NAMESPACE = "AWS/Lambda"

FAILED_PERCENT = 5.0
"""Of the requests of five minutes, above which people are told."""


def gateway_alarms() -> list[Alarm]:
    """The alarms, ordered by what callers notice most."""
    return [
        Alarm(
            "crashed",
            {"errors": "Errors"},
            "Sum",
            0,
            seconds=300,
            periods=1,
            breaching=1,
            description="The gateway's program ended, or did not start: its logs say why. No request is let in unpaid.",
        ),
        Alarm(
            "failing",
            {"part": "Url5xxCount", "whole": "UrlRequestCount"},
            "Sum",
            FAILED_PERCENT,
            seconds=300,
            periods=1,
            breaching=1,
            expression="100 * part / whole",
            description=f"More than {FAILED_PERCENT:g} % of the requests of five minutes got a status of 500 or above: "
            "a target, the ledger or the gateway fails; its logs say which.",
        ),
        Alarm(
            "refusing",
            {"throttles": "Throttles"},
            "Sum",
            0,
            seconds=300,
            periods=1,
            breaching=1,
            description="Requests were refused, because as many as its `concurrency` were open; 0 closes it.",
        ),
    ]
