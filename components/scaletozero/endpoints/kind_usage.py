"""Which metrics say what an endpoint used, by kind. Pure."""

from __future__ import annotations

from decimal import Decimal

from scaletozero.observability import provisioned
from scaletozero.observability.panels import INSTANCES, Measure
from scaletozero.observability.usage import MICROSECONDS, Meter, Metering
from scaletozero.spending.costs import MB_PER_GB
from scaletozero.spending.prices import HOSTING, SERVERLESS, PriceTable

WORK = Measure("ModelLatency", "Sum")


def serverless_metering(memory_mb: int, region: str, table: PriceTable) -> Metering:
    """A serverless endpoint's: seconds of work and of starts times memory.

    Whether AWS bills the start of a container is not documented, so that it is in it, on a line of its own.

    Raises:
        FindingsError: the region has no price for it.
    """
    price = table.price(SERVERLESS, "gb-second", region)
    per_microsecond = Decimal(memory_mb) / MB_PER_GB / MICROSECONDS
    return Metering(
        Measure("Invocations", "Sum"),
        WORK,
        (
            Meter(provisioned.WORK, WORK, per_microsecond, price),
            Meter("starts of containers", Measure("ModelSetupTime", "Sum"), per_microsecond, price),
        ),
        ("data in and out", provisioned.UNSEEN),
    )


def serverless_provisioned(memory_mb: int, region: str, table: PriceTable, *, grows: bool) -> provisioned.Provisioned:
    """A serverless endpoint's provisioned concurrency.

    Raises:
        FindingsError: the region has no price for it.
    """
    kept, work = (table.price(SERVERLESS, sku, region) for sku in ("pc-gb-second", "pc-duration-gb-second"))
    return provisioned.Provisioned(Decimal(memory_mb) / MB_PER_GB, kept, work, grows)


def asynchronous_metering(instance_type: str, region: str, table: PriceTable) -> Metering:
    """An asynchronous endpoint's: minutes of its instances, each of which has a sample of its processors a minute.

    Raises:
        FindingsError: the region has no price for the instance type.
    """
    running = Measure("CPUUtilization", "SampleCount", namespace=INSTANCES)
    price = table.price(HOSTING, instance_type, region)
    return Metering(
        Measure("InvocationsProcessed", "Sum"),
        WORK,
        (Meter("instances", running, 1 / Decimal(60), price, kept=Decimal(60)),),
        ("starts of instances", "requests and responses in S3"),
    )
