"""What the work of an endpoint has cost, as an expression over its metrics that is never below the bill. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from scaletozero.observability.gateway import NAMESPACE as FUNCTIONS
from scaletozero.observability.panels import INSTANCES, Measure
from scaletozero.spending.costs import GB, MB_PER_GB
from scaletozero.spending.price_rows import Price


@dataclass(frozen=True)
class Spent:
    """USD of a period.

    Attributes:
        measures: metrics, by the names that `expression` gives them.
        expression: USD of a period of any length, in CloudWatch's metric math.
        rows: the prices in it.
    """

    measures: Mapping[str, Measure]
    expression: str
    rows: tuple[Price, ...]

    @property
    def sources(self) -> str:
        """The prices with their sources, for an alarm's description."""
        return "; ".join(f"{each.amount:f} USD/{each.unit} ({each.source}, {each.captured})" for each in self.rows)


def serverless_spent(memory_mb: int, compute: Price, data: Price, payload_bytes: int) -> Spent:
    """A serverless endpoint's: seconds of work and of starts times memory, and its data.

    Whether AWS bills the time to start a container is not documented, so that it is in it. No metric counts bytes: each
    request is taken for `payload_bytes`, its response included. A minute without a request has no data, hence FILL.
    """
    per_second = compute.amount * memory_mb / MB_PER_GB
    each = data.amount * payload_bytes / GB
    return Spent(
        {
            "work": Measure("ModelLatency", "Sum"),
            "setup": Measure("ModelSetupTime", "Sum"),
            "calls": Measure("Invocations", "Sum"),
        },
        # In fixed point: CloudWatch's expressions know no exponents.
        f"(FILL(work, 0) + FILL(setup, 0)) / 1000000 * {per_second:f} + FILL(calls, 0) * {each:f}",
        (compute, data),
    )


def gateway_spent(memory_mb: int, compute: Price, usd_per_request: Decimal) -> Spent:
    """A gateway's function's: its time, and what every request writes. The start of a process is in no metric."""
    per_second = compute.amount * memory_mb / MB_PER_GB
    return Spent(
        {
            "work": Measure("Duration", "Sum", by_variant=False, namespace=FUNCTIONS),
            "calls": Measure("Invocations", "Sum", by_variant=False, namespace=FUNCTIONS),
        },
        f"FILL(work, 0) / 1000 * {per_second:f} + FILL(calls, 0) * {usd_per_request:f}",
        (compute,),
    )


def asynchronous_spent(hourly: Price, most: int) -> Spent:
    """An asynchronous endpoint's: minutes of its instances times their price.

    Every container of an instance has at least one sample a minute of its processors. While requests wait for the first
    instance nothing runs that could have samples, but it is billed: each such minute counts as the most instances.
    """
    return Spent(
        {
            "running": Measure("CPUUtilization", "SampleCount", namespace=INSTANCES),
            "waking": Measure("HasBacklogWithoutCapacity", "Sum", by_variant=False),
        },
        f"(FILL(running, 0) + {most} * FILL(waking, 0)) / 60 * {hourly.amount:f}",
        (hourly,),
    )
