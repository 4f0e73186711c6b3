"""A gateway under a spending guard: what its function has cost, and when that closes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pulumi
import pulumi_aws as aws

from model_packaging.findings import FindingsError
from scaletozero.component import Component
from scaletozero.endpoints.guard_alarm import declare_spent_alarm
from scaletozero.observability.spent import Spent, gateway_spent
from scaletozero.settings.guarded_gateway import NAME, GuardedGateway
from scaletozero.spending.costs import HOUR
from scaletozero.spending.gateway_costs import GatewayCost
from scaletozero.spending.guard import allowance, allowance_finding, gateway_guard
from scaletozero.spending.prices import PriceTable
from scaletozero.spending.traffic import SECONDS, Traffic


@dataclass(frozen=True)
class GatewayClosing:
    """When a gateway is closed.

    Attributes:
        gateway: the gateway.
        spent: what its function costs in a window.
        allowance: USD of a window above which it is closed.
        seconds: how long that takes at most.
        overshoot: USD that are spent until then at most, with requests of one second.
    """

    gateway: GuardedGateway
    spent: Spent
    allowance: Decimal
    seconds: Decimal
    overshoot: Decimal

    def description(self, hours: int) -> str:
        """The alarm's description; CloudWatch takes 1024 characters."""
        cap = self.gateway.cap_usd_per_month
        text = (
            f"The gateway's function has cost more than its part of {cap:f} USD a month in {hours} h, and is closed. "
            f"`scaletozero reopen {NAME}` opens it. Prices: {self.spent.sources}"
        )
        return text[:1024]


def gateway_closing(gateway: GuardedGateway, region: str, hours: int, table: PriceTable, path: str) -> GatewayClosing:
    """The plan of a gateway.

    Args:
        hours: the length of the window.
        path: where its cap stands.

    Raises:
        FindingsError: a price is missing, or the cap leaves nothing for requests.
    """
    compute = table.price("lambda", "gb-second", region)
    most = allowance(gateway.cap_usd_per_month, Decimal(0), hours)
    if found := allowance_finding(path, gateway.cap_usd_per_month, Decimal(0), hours):
        raise FindingsError([found])
    guard = gateway_guard(gateway.timeout_seconds)
    busy = GatewayCost(gateway.memory_mb, gateway.concurrency, compute)
    an_hour = busy.worst_per_hour(Traffic(Decimal(0), SECONDS)) + gateway.concurrency * HOUR * gateway.usd_per_request
    spent = gateway_spent(gateway.memory_mb, compute, gateway.usd_per_request)
    return GatewayClosing(gateway, spent, most, guard.seconds, guard.seconds * an_hour / HOUR)


def declare_gateway_alarm(
    owner: Component,
    region: str,
    closing: GatewayClosing,
    function: pulumi.Input[str],
    hours: int,
    actions: Sequence[pulumi.Input[str]],
    tags: dict[str, str],
) -> aws.cloudwatch.MetricAlarm:
    """The alarm on what a gateway's function has cost in a window.

    Args:
        owner: the guard.
        region: its region.
        closing: when the gateway is closed.
        function: the function's name.
        hours: the length of the window.
        actions: who is told.
        tags: its tags.
    """
    return declare_spent_alarm(
        owner,
        region,
        NAME,
        closing.spent,
        lambda measure: {"FunctionName": function},
        hours=hours,
        threshold=float(closing.allowance),
        description=closing.description(hours),
        actions=actions,
        tags=tags,
    )
