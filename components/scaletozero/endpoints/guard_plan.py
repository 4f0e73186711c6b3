"""What a spending guard declares for each of its endpoints, from its settings and the prices. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from model_packaging.findings import Finding, FindingsError
from scaletozero.observability.spent import Spent, asynchronous_spent, serverless_spent
from scaletozero.settings.alarms import EndpointKind
from scaletozero.settings.spending_guard import GuardedEndpoint, SpendingGuardSettings
from scaletozero.spending.costs import InstanceCost, ServerlessCost
from scaletozero.spending.estimate import Guard
from scaletozero.spending.guard import (
    allowance,
    allowance_finding,
    asynchronous_guard,
    held_hours,
    provisioned_usd,
    serverless_guard,
)
from scaletozero.spending.money import HOURS, LONGEST_MONTH
from scaletozero.spending.prices import HOSTING, SERVERLESS, PriceTable
from scaletozero.spending.traffic import SECONDS, Traffic


@dataclass(frozen=True)
class Closing:
    """When an endpoint is closed.

    Attributes:
        endpoint: the endpoint.
        spent: what its work costs in a window.
        allowance: USD of a window above which it is closed.
        month_allowance: USD of a month above which it is closed.
        guard: how long that takes at most.
        overshoot: USD that are spent until then at most, with requests of one second.
    """

    endpoint: GuardedEndpoint
    spent: Spent
    allowance: Decimal
    month_allowance: Decimal
    guard: Guard
    overshoot: Decimal

    def description(self, hours: int) -> str:
        """The alarm's description, with where its prices are from; CloudWatch takes 1024 characters."""
        cap = self.endpoint.cap_usd_per_month
        text = (
            f"{self.endpoint.name} has cost more than its part of {cap:f} USD a month in {hours} h, and is closed. "
            f"`scaletozero reopen {self.endpoint.name}` opens it. Prices: {self.spent.sources}"
        )
        return text[:1024]

    def month_description(self) -> str:
        """The same of the alarm on the month."""
        cap = self.endpoint.cap_usd_per_month
        text = (
            f"{self.endpoint.name} has cost more than {self.month_allowance:f} USD since the first of the month (UTC), "
            f"which its cap of {cap:f} USD a month leaves for requests, and is closed. In the next month, "
            f"`scaletozero reopen {self.endpoint.name}` opens it. Prices: {self.spent.sources}"
        )
        return text[:1024]


def closings(settings: SpendingGuardSettings, table: PriceTable, path: str) -> list[Closing]:
    """The plan of every endpoint.

    Args:
        settings: the guard.
        table: the prices.
        path: where the guard stands.

    Raises:
        FindingsError: a price is missing, or a cap leaves nothing for requests.
    """
    found, findings = [], list[Finding]()
    for index, each in enumerate(settings.endpoints):
        at = f"{path}.endpoints.{index}.cap_usd_per_month"
        try:
            found.append(_closing(each, settings, table, at))
        except FindingsError as error:
            findings += _at(error.findings, at)
    if findings:
        raise FindingsError(findings)
    return found


def _at(findings: Iterable[Finding], path: str) -> list[Finding]:
    """Findings on prices, at the cap that needs them."""
    return [
        each if each.path == path else replace(each, path=path, rule=f"needs the {each.path}, which {each.rule}")
        for each in findings
    ]


def _closing(each: GuardedEndpoint, settings: SpendingGuardSettings, table: PriceTable, path: str) -> Closing:
    region, hours, cap = settings.region, settings.window_hours, each.cap_usd_per_month
    paid = each.other_usd_per_month * LONGEST_MONTH / HOURS
    if each.kind is EndpointKind.SERVERLESS:
        memory_mb = each.memory_mb or 0
        compute, data = (table.price(SERVERLESS, sku, region) for sku in ("gb-second", "data-gb"))
        held = table.price(SERVERLESS, "pc-gb-second", region) if each.provisioned else None
        paid += provisioned_usd(memory_mb, each.provisioned, held)
        spent, guard = serverless_spent(memory_mb, compute, data, each.payload_bytes), serverless_guard(settings.over)
        cost: ServerlessCost | InstanceCost = ServerlessCost(memory_mb, each.max, compute, data)
    else:
        hourly = table.price(HOSTING, each.instance_type or "", region)
        spent, guard = asynchronous_spent(hourly, each.max), asynchronous_guard(settings.over)
        cost = InstanceCost(hourly, each.max, 1, 0)
    held = held_hours(settings.over, hours)
    if found := allowance_finding(path, cap, paid, held):
        raise FindingsError([found])
    worst = cost.worst_per_hour(Traffic(Decimal(0), SECONDS, each.payload_bytes))
    most, month = (allowance(cap, paid, length) for length in (hours, int(LONGEST_MONTH)))
    return Closing(each, spent, most, month, guard, guard.seconds * worst / 3600)
