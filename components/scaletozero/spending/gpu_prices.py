"""Where instance types with GPUs are offered, and their prices. A type without a price counts as not offered."""

from __future__ import annotations

from collections.abc import Iterable

from model_packaging.findings import Finding
from scaletozero.settings.gpu_types import TYPES, GpuType
from scaletozero.spending.price_rows import Price
from scaletozero.spending.prices import EC2, offered


def hourly(name: str, region: str) -> Price | None:
    """The on-demand price of an instance in USD per hour, or None if it is not known to be offered."""
    return offered(EC2, region).get(name)


def cheapest(region: str, *, gpus: int, gpu_memory_mib: int, capability: int) -> list[GpuType]:
    """The types offered in `region` that can hold a model, the cheapest first.

    Args:
        region: an AWS region.
        gpus: number of GPUs of a replica.
        gpu_memory_mib: memory in MiB that it needs on all of them together.
        capability: the minimum compute capability, times ten.
    """
    fitting = [
        (price.usd, name)
        for name, price in offered(EC2, region).items()
        if (each := TYPES.get(name))
        and each.gpus >= gpus
        and each.capability >= capability
        and each.gpu_memory_mib * gpus >= gpu_memory_mib
    ]
    return [TYPES[name] for _, name in sorted(fitting)]


def offer_finding(name: str, region: str, path: str, fix: str = "write another type") -> Finding | None:
    """The finding on a type that is not known to be offered in a region.

    Args:
        name: the instance type.
        region: an AWS region.
        path: the path of the type.
        fix: what to write instead.
    """
    if hourly(name, region) is not None:
        return None
    consequence = "no node could be started, and no price is known to bound the bill"
    return Finding(path, f"must be known to be offered in {region}", name, consequence, fix)


def offer_findings(types: Iterable[str], region: str) -> list[Finding]:
    """Findings on types that are not known to be offered in a region; paths are below `types`."""
    found = (offer_finding(name, region, f"types.{index}") for index, name in enumerate(types))
    return [each for each in found if each]
