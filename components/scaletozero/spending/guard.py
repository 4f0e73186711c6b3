"""How much an endpoint under a guard may spend in a window, and how long it takes to close it. Pure.

The guard's alarm sums what an endpoint's work costs over a sliding window, and closes the endpoint above the part of
the cap that falls on the window. Every month is a whole number of such windows next to each other, so that one in which
the alarm stays silent is within the cap, and one in which it closes the endpoint exceeds it by what is spent till then.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from model_packaging.findings import Finding
from model_packaging.serving.limits import ASYNC_SECONDS, INVOCATION_SECONDS
from scaletozero.settings.guard import Over
from scaletozero.spending.costs import HOUR, INSTANCE_START_SECONDS, MB_PER_GB
from scaletozero.spending.estimate import Guard
from scaletozero.spending.money import LONGEST_MONTH, MICRO, bound
from scaletozero.spending.price_rows import Price

WINDOW_HOURS = 24
"""Default length of the window. CloudWatch evaluates an alarm over at most a day every minute, over more every hour."""

METRIC_SECONDS = 60
"""SageMaker publishes its metrics once a minute."""

EVALUATION_SECONDS = 120
"""The longest time until a metric is there and the alarm is evaluated: one or two minutes; none is promised."""

DELIVERY_SECONDS = 5
"""The longest time until the function has been called."""

REPAIR_SECONDS = 300
"""Time between two runs in which the function closes what is in alarm, whether or not it was told, or failed before."""

DETECTION_SECONDS = METRIC_SECONDS + EVALUATION_SECONDS + DELIVERY_SECONDS + REPAIR_SECONDS

GAUGE_SECONDS = 300
"""Time between two runs of the function that measures what the month has cost."""

GAUGE_TIMEOUT_SECONDS = 60
"""The longest time that such a run may take."""

MEASURING_SECONDS = GAUGE_SECONDS + GAUGE_TIMEOUT_SECONDS + EVALUATION_SECONDS
"""What a cap over the month takes longer: until the next run, the run, and until its metric is there."""

NAME = "the spending guard"


def serverless_guard(over: Over) -> Guard:
    """A serverless endpoint's: its callers are denied to invoke it, and requests in work run to their end.

    Args:
        over: over what the cap is held: `window`, `month` or `both`, of which the window is the faster.
    """
    return Guard(Decimal(_detection(over) + INVOCATION_SECONDS), NAME)


def asynchronous_guard(over: Over) -> Guard:
    """An asynchronous endpoint's: scaling is suspended and the instances end, those in work with their request.

    The start of an instance beyond the first is not measured, and is in its time instead.

    Args:
        over: over what the cap is held: `window`, `month` or `both`, of which the window is the faster.
    """
    return Guard(Decimal(_detection(over) + ASYNC_SECONDS) + INSTANCE_START_SECONDS, NAME)


def gateway_guard(timeout_seconds: int) -> Guard:
    """A gateway's: its function is left no requests at a time, and those in work run to their end.

    Its time is in its metrics when a request has ended, so that what runs is seen as late as the longest takes.
    """
    return Guard(Decimal(DETECTION_SECONDS + 2 * timeout_seconds), NAME)


def _detection(over: Over) -> int:
    return DETECTION_SECONDS + (MEASURING_SECONDS if over is Over.MONTH else 0)


def held_hours(over: Over, window_hours: int) -> int:
    """The shortest time whose part of the cap an endpoint may not exceed: a window, or a month of 31 days."""
    return int(LONGEST_MONTH) if over is Over.MONTH else window_hours


def provisioned_usd(memory_mb: int, units: int, price: Price | None) -> Decimal:
    """USD of provisioned concurrency that is there for a month of 31 days; its price is not needed without units."""
    if not units or price is None:
        return Decimal(0)
    return units * Decimal(memory_mb) / MB_PER_GB * HOUR * LONGEST_MONTH * price.amount


def allowance(cap: Decimal, unmeasured: Decimal, hours: int) -> Decimal:
    """USD that the measured work of a window may cost; not positive where the cap leaves nothing.

    Args:
        cap: USD a month.
        unmeasured: USD of a month of 31 days that the alarm does not see: what is paid whether requests come or not.
        hours: the length of the window.
    """
    return ((cap - unmeasured) * hours / LONGEST_MONTH).quantize(MICRO, ROUND_DOWN)


def allowance_finding(path: str, cap: Decimal, unmeasured: Decimal, hours: int) -> Finding | None:
    """The finding on a cap that leaves nothing for requests; None where it does."""
    if allowance(cap, unmeasured, hours) > 0:
        return None
    return Finding(
        path,
        f"must be more than what is paid without a request, {bound(unmeasured)} in a month of 31 days",
        f"{cap:f}",
        "the guard would close the endpoint at its first request, and the cap would be exceeded all the same",
        "write more, or lower `min`, the schedules or the buffer",
    )
