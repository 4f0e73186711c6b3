"""Estimates the cost of a serverless endpoint: nothing while idle, and a bounded amount under load."""

from __future__ import annotations

from dataclasses import dataclass

from scaletozero.spending.price_rows import Price
from scaletozero.spending.prices import price

SERVICE = "sagemaker.serverless"
GB = 1_000_000_000
MB_PER_GB = 1024
"""SageMaker sells memory in steps of 1024 MB and bills each as one GB."""


@dataclass(frozen=True)
class ServerlessEstimate:
    """Costs in USD, before tax and free tier.

    Attributes:
        fixed_per_month: monthly cost without any request.
        per_million: cost of a million requests.
        worst_per_hour: cost of an hour in which every container is busy: concurrency x memory x price.
        rows: the prices from which it was made.
    """

    fixed_per_month: float
    per_million: float
    worst_per_hour: float
    rows: tuple[Price, ...]


def estimate_serverless(
    *, region: str, memory_mb: int, max_concurrency: int, seconds: float, payload_bytes: float = 0
) -> ServerlessEstimate:
    """Estimates an endpoint on SageMaker Serverless Inference without provisioned concurrency.

    Per request: duration x memory x price per GB-second, plus the bytes in and out. The time to start a container is
        not
    included: whether AWS bills it is not documented.

    Args:
        region: the AWS region.
        memory_mb: the memory of one container.
        max_concurrency: maximum number of containers at a time.
        seconds: the measured duration of one request.
        payload_bytes: size of request and response together.

    Raises:
        FindingsError: the region has no price.
    """
    compute, data = price(SERVICE, "gb-second", region), price(SERVICE, "data-gb", region)
    per_second = memory_mb / MB_PER_GB * compute.usd
    per_request = seconds * per_second + payload_bytes / GB * data.usd
    return ServerlessEstimate(
        fixed_per_month=0.0,
        per_million=per_request * 1_000_000,
        worst_per_hour=max_concurrency * per_second * 3600,
        rows=(compute, data),
    )
