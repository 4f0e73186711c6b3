"""What a dashboard shows of an endpoint's month, as the gauge of its spending guard measures it. Pure."""

from __future__ import annotations

from decimal import Decimal

from scaletozero.endpoints.gauge_function import METRIC, NAMESPACE
from scaletozero.observability.panels import Limit, Measure, Panel, Series
from scaletozero.spending.guard import GAUGE_SECONDS

_DAYS = "(31 - 3 * (MONTH(usd) == 2) - (MONTH(usd) == 4) - (MONTH(usd) == 6) - (MONTH(usd) == 9) - (MONTH(usd) == 11))"
"""The days of a month in metric math, which has no such function. A leap year's 29 February is left out."""

_PASSED = "(DATE(usd) - 1 + (HOUR(usd) + 1) / 24)"
"""The days of the month that have passed, with the hour that runs (CloudWatch user guide, "Using metric math")."""


def month_panels(cap: Decimal) -> list[Panel]:
    """What the month has cost with the cap, what it costs at that rate, and what is left of the cap.

    Args:
        cap: the most that a month may cost, in USD.
    """
    measured = {"usd": Measure(METRIC, "Maximum", namespace=NAMESPACE)}
    return [
        Panel(
            "Spent this month",
            "USD",
            (
                Series("since the first", measured),
                Series("the whole month, at this rate", measured, f"usd / {_PASSED} * {_DAYS}"),
            ),
            (Limit("cap", float(cap)),),
            seconds=GAUGE_SECONDS,
        ),
        Panel(
            "Left of the month's cap",
            "USD",
            (Series("left", measured, f"IF(usd > {cap:f}, 0, {cap:f} - usd)"),),
            seconds=GAUGE_SECONDS,
        ),
    ]
