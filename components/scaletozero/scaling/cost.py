"""The monthly cost of keeping an endpoint warm, by provisioned concurrency and by calls. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scaletozero.scaling.timeline import warm_hours_per_month
from scaletozero.settings.schedules import Window
from scaletozero.spending.costs import MB_PER_GB
from scaletozero.spending.money import HOURS as HOURS_OF_A_MONTH
from scaletozero.spending.price_rows import Price
from scaletozero.spending.prices import SERVERLESS, price

HOURS = int(HOURS_OF_A_MONTH)
"""Hours in a month, for figures in floating point."""

CALL_MINUTES = 5
"""Interval of the calls that keep a container warm. AWS does not document how long an idle one is kept; users report
some minutes."""

FUNCTION_MB = 256
"""Memory of the function that makes the calls, in MB."""


@dataclass(frozen=True)
class Rates:
    """USD per second for one container of the endpoint, and the price rows from which they were derived.

    Attributes:
        on_demand: a container that works on demand.
        provisioned: a provisioned container, idle or not.
        provisioned_work: in addition, a provisioned container that works.
    """

    on_demand: float
    provisioned: float
    provisioned_work: float
    rows: tuple[Price, ...]


def rates(region: str, memory_mb: int) -> Rates:
    """The rates of a serverless endpoint.

    Raises:
        FindingsError: the region has no price on record.
    """
    rows = tuple(price(SERVERLESS, sku, region) for sku in ("gb-second", "pc-gb-second", "pc-duration-gb-second"))
    gb = memory_mb / MB_PER_GB
    return Rates(*(row.usd * gb for row in rows), rows=rows)


@dataclass(frozen=True)
class WarmCost:
    """USD per month for one schedule, kept in either way.

    Attributes:
        provisioned: by provisioned concurrency, without the work of real calls.
        calls: by calls: the time of the endpoint and the function, and its invocations; without EventBridge Scheduler's
            price of about 1 USD per million invocations, and without cold starts.
    """

    provisioned: float
    calls: float


def warm_cost(
    windows: Sequence[Window], *, base: int, lead: int, region: str, memory_mb: int, call_seconds: float
) -> WarmCost:
    """The monthly cost of a schedule.

    Args:
        windows: the schedule; single dates are ignored.
        base: number of containers that are warm outside the windows.
        lead: minutes by which windows are opened early.
        region, memory_mb: those of the endpoint.
        call_seconds: how long a call that keeps a container warm takes.

    Raises:
        FindingsError: the region has no price on record.
    """
    each = rates(region, memory_mb)
    hours = warm_hours_per_month(windows, base=base, lead=lead)
    calls = hours * 60 / CALL_MINUTES
    # The function waits for its calls, which run at the same time: at most one invocation per call.
    function = call_seconds * FUNCTION_MB / MB_PER_GB * price("lambda", "gb-second", region).usd
    invocation = price("lambda", "request", region).usd
    return WarmCost(hours * 3600 * each.provisioned, calls * (call_seconds * each.on_demand + function + invocation))
