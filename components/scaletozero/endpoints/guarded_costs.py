"""What a spending guard has to know of an endpoint's cost. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from scaletozero.spending.costs import Cost, InstanceCost, ServerlessCost
from scaletozero.spending.guard import provisioned_usd
from scaletozero.spending.money import HOURS, LONGEST_MONTH


def serverless_guarded(cost: Cost) -> dict[str, Any]:
    """A serverless endpoint's part of `GuardedEndpointArgs`."""
    assert isinstance(cost, ServerlessCost)
    return {
        "memory_mb": cost.memory_mb,
        "max": cost.most,
        "provisioned": cost.provisioned_most,
        "other_usd_per_month": other(cost),
    }


def instances_guarded(cost: Cost) -> dict[str, Any]:
    """An asynchronous endpoint's part of `GuardedEndpointArgs`."""
    assert isinstance(cost, InstanceCost)
    return {"max": cost.most, "other_usd_per_month": other(cost)}


def other(cost: ServerlessCost | InstanceCost) -> Decimal:
    """USD a month of what is neither its work nor its provisioned concurrency, such as storage and alarms."""
    return sum((each.usd for each in cost.items), Decimal(0))


def unmeasured(cost: Cost | None) -> Decimal:
    """USD of a month of 31 days that the guard's alarm does not see."""
    if not isinstance(cost, ServerlessCost | InstanceCost):
        return Decimal(0)
    held = Decimal(0)
    if isinstance(cost, ServerlessCost):
        held = provisioned_usd(cost.memory_mb, cost.provisioned_most, cost.provisioned)
    return other(cost) * LONGEST_MONTH / HOURS + held
