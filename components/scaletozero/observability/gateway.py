"""The alarms of a gateway's function. Pure.

Metrics are those of the namespace AWS/Lambda (Lambda developer guide, function metrics, and monitoring function URLs).
"""

from __future__ import annotations

from dataclasses import replace

from scaletozero.observability.plan import Alarm

NAMESPACE = "AWS/Lambda"

RUNBOOK = "docs/runbooks/gateway.md"
"""What the descriptions of the alarms lead to."""

FAILED_PERCENT = 5.0
"""Of the requests of five minutes, above which people are told."""


API_NAMESPACE = "AWS/ApiGateway"

BY_DOOR = "failing"
"""The alarm that counts the responses of what is before the function: its URL, or an API."""

_URL = {"part": "Url5xxCount", "whole": "UrlRequestCount"}
_API = {"part": "5XXError", "whole": "Count"}


def gateway_alarms(*, api: bool = False) -> list[Alarm]:
    """The alarms, ordered by what callers notice most.

    Args:
        api: whether an API is before the function, whose metrics are in the namespace AWS/ApiGateway (API Gateway
            developer guide, dimensions and metrics).
    """
    found = [
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
            BY_DOOR,
            _API if api else _URL,
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
    return [replace(each, description=f"{each.description} Runbook: {RUNBOOK}") for each in found]
