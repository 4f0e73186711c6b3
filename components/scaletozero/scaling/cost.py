"""What keeping an endpoint warm costs a month, by provisioned concurrency and by calls. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scaletozero.scaling.timeline import warm_hours_per_month
from scaletozero.settings.schedules import Window
from scaletozero.spending.estimate import MB_PER_GB, SERVICE
from scaletozero.spending.price_rows import Price
from scaletozero.spending.prices import price

HOURS = 730
"""Of a month."""

CALL_MINUTES = 5
"""How often calls keep a container warm. AWS tells nobody when an idle one goes; reports say some minutes."""

FUNCTION_MB = 256
"""Memory of the function that makes the calls."""


@dataclass(frozen=True)
class Rates:
    """Dollars a second for one container of the endpoint, and the rows they were made from.

    Attributes:
        on_demand: that works on demand.
        provisioned: that is provisioned, idle or not.
        provisioned_work: that works and is provisioned, on top.
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
    rows = tuple(price(SERVICE, sku, region) for sku in ("gb-second", "pc-gb-second", "pc-duration-gb-second"))
    gb = memory_mb / MB_PER_GB
    return Rates(*(row.usd * gb for row in rows), rows=rows)


@dataclass(frozen=True)
class WarmCost:
    """Dollars a month of one schedule, kept in either way.

    Attributes:
        provisioned: by provisioned concurrency, without the work of real calls.
        calls: by calls: the endpoint's own time, the function's, and its invocations; EventBridge Scheduler's price of
            about a dollar for a million invocations is not in it, nor are cold starts.
    """

    provisioned: float
    calls: float


def warm_cost(
    windows: Sequence[Window], *, base: int, lead: int, region: str, memory_mb: int, call_seconds: float
) -> WarmCost:
    """What a schedule costs a month.

    Args:
        windows: the schedule; single dates are left out.
        base: what stays warm outside of it.
        lead: how early windows are opened, in minutes.
        region, memory_mb: of the endpoint.
        call_seconds: how long a call that keeps a container warm takes.

    Raises:
        FindingsError: the region has no price on record.
    """
    each = rates(region, memory_mb)
    hours = warm_hours_per_month(windows, base=base, lead=lead)
    calls = hours * 60 / CALL_MINUTES
    # The function waits for its calls, which run at the same time: at most one invocation a call.
    function = call_seconds * FUNCTION_MB / MB_PER_GB * price("lambda", "gb-second", region).usd
    invocation = price("lambda", "request", region).usd
    return WarmCost(hours * 3600 * each.provisioned, calls * (call_seconds * each.on_demand + function + invocation))
