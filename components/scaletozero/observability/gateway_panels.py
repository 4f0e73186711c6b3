"""What a dashboard shows of a gateway's function. Pure.

Metrics are those of the namespace AWS/Lambda (Lambda developer guide, function metrics, and monitoring function URLs).
"""

from __future__ import annotations

from decimal import Decimal

from scaletozero.observability.gateway import FAILED_PERCENT, NAMESPACE
from scaletozero.observability.panels import Limit, Measure, Panel, Section, Series

_STATISTICS = ("p50", "p95", "p99")


def gateway_section(function: str, title: str, usd_per_second: Decimal | None, *, api: bool) -> Section:
    """A gateway's part of a dashboard.

    Args:
        function: the name of its function.
        title: its heading.
        usd_per_second: what a second of its function costs; None where no price is on record.
        api: whether an API is before it, so that a URL has no metrics.
    """
    panels = [
        Panel("Requests and refusals", "count", (_sum("requests", "Invocations"), _sum("refused", "Throttles"))),
        Panel("Requests at a time", "count", (_series("most", "ConcurrentExecutions", "Maximum"),)),
        Panel("Time of a request", "s", tuple(_seconds(each) for each in _STATISTICS)),
        Panel("Crashes", "count", (_sum("crashes", "Errors"),)),
    ]
    if not api:
        shares = {"part": _measure("Url5xxCount", "Sum"), "whole": _measure("UrlRequestCount", "Sum")}
        limit = Limit("alarm: failing", FAILED_PERCENT)
        panels.append(Panel("Failed", "%", (Series("5xx", shares, "100 * part / whole"),), (limit,), 300))
    about = f"Gateway, function `{function}`."
    if usd_per_second is None:
        about += " What it costs is not shown: no price of its region is on record."
    else:
        work = {"work": _measure("Duration", "Sum")}
        spent = Series("spending", work, f"FILL(work, 0) / 1000 * {usd_per_second:f}")
        panels.append(Panel("Spending of the function's time", "USD an hour", (spent,), (), 3600))
    return Section(title, {"FunctionName": function}, tuple(panels), about)


def _measure(metric: str, statistic: str) -> Measure:
    return Measure(metric, statistic, namespace=NAMESPACE)


def _series(label: str, metric: str, statistic: str) -> Series:
    return Series(label, {"value": _measure(metric, statistic)})


def _sum(label: str, metric: str) -> Series:
    return _series(label, metric, "Sum")


def _seconds(statistic: str) -> Series:
    return Series(statistic, {"value": _measure("Duration", statistic)}, "value / 1000")
