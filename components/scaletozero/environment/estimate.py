"""The estimate of an environment: its endpoints by their kinds, and how it differs from what is deployed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from model_packaging.findings import Finding, FindingsError
from scaletozero.endpoints.guarded_costs import unmeasured
from scaletozero.endpoints.kinds import KINDS, kind_of
from scaletozero.environment.settings import Environment
from scaletozero.gateway.costs import gateway_priced, timeout_seconds
from scaletozero.settings.guard import Over
from scaletozero.settings.guarded_gateway import NAME as GATEWAY
from scaletozero.spending.costs import TokenCost
from scaletozero.spending.estimate import Alternative, EndpointEstimate, Estimate, estimate_endpoint
from scaletozero.spending.gate import FUNCTION, gate_findings
from scaletozero.spending.guard import allowance_finding, gateway_guard, held_hours
from scaletozero.spending.prices import PriceTable
from scaletozero.spending.token_rates import TokenPrice
from scaletozero.spending.traffic import Assumptions

OUTPUT = "estimate"
"""The stack's output that holds the estimate."""

STACK = "pulumi:pulumi:Stack"
"""The type of the resource whose outputs are the stack's."""


def estimate_environment(
    environment: Environment, assumed: Assumptions, table: PriceTable, models: Iterable[TokenPrice] = ()
) -> Estimate:
    """The estimate of an environment whose packaged models are open (`Environment.opened`).

    An endpoint without a price is listed with the rows that are missing; the others are estimated.

    Args:
        environment: read with a root.
        assumed: the traffic of each endpoint.
        table: the prices.
        models: models behind an API to compare with, where the traffic has tokens.
    """
    found: list[EndpointEstimate] = []
    over = environment.spending.guard.over if environment.spending and environment.spending.guard else Over.WINDOW
    unpriced: list[tuple[str, tuple[Finding, ...]]] = []
    behind_api = [Alternative(each.name, TokenCost(each)) for each in models]
    for name, settings in environment.endpoints.items():
        kind, opened = kind_of(settings), environment.opened[name]
        try:
            priced = kind.priced(settings, opened, environment.region, table)
        except FindingsError as error:
            unpriced.append((name, error.findings))
            continue
        traffic, work = assumed.traffic(priced.seconds), kind.workload(settings, opened)
        others = [each.alternative(work, environment.region, table) for each in KINDS.values() if each is not kind]
        alternatives = [each for each in others if each] + (behind_api if traffic.tokens else [])
        cap = environment.spending.endpoints.get(name) if environment.spending else None
        guard = kind.guard(over) if name in environment.guarded else None
        found.append(estimate_endpoint(name, kind.name, priced, traffic, alternatives, cap=cap, guard=guard))
    cap = environment.spending.cap_usd_per_month if environment.spending else None
    door = _gateway(environment, found, assumed, table)
    return Estimate(environment.region, tuple(found), tuple(unpriced), cap, door)


def _gateway(
    environment: Environment, endpoints: Iterable[EndpointEstimate], assumed: Assumptions, table: PriceTable
) -> EndpointEstimate | None:
    """The estimate of the function that the gateway runs as; None without one.

    It is busy as long as what a request leads to, and gets the requests of each endpoint and each model behind an API.
    """
    gateway = environment.gateway
    if gateway is None or gateway.function is None:
        return None
    reached = {name for _, name in gateway.reached()}
    apis = [each for each in gateway.models.values() if all(target.provider for _, target in each.ways())]
    longest = max((each.traffic.seconds for each in endpoints if each.name in reached), default=None)
    traffic = assumed.traffic(longest)
    traffic = traffic.at(traffic.requests * max(1, len(reached) + len(apis)))
    priced = gateway_priced(gateway, gateway.function, environment.region, table, assumed.payload_bytes)
    spending = environment.spending
    cap = spending.gateway if spending else None
    held = cap is not None and spending is not None and spending.guard is not None
    guard = gateway_guard(timeout_seconds(gateway, endpoints=bool(reached))) if held else None
    return estimate_endpoint(GATEWAY, FUNCTION, priced, traffic, cap=cap, guard=guard)


def spending_findings(environment: Environment, table: PriceTable, path: str = "environment") -> list[Finding]:
    """What keeps an environment, whose packaged models are open, from its caps; nothing where it has none."""
    if environment.spending is None:
        return []
    found = estimate_environment(environment, Assumptions(), table)
    findings = gate_findings(environment.spending, found, f"{path}.spending")
    held = environment.spending.guard
    hours = held_hours(held.over, held.window_hours) if held else 0
    for each in found.endpoints:
        at = f"{path}.spending.endpoints.{each.name}"
        if each.guard and each.cap is not None and not any(one.path == at for one in findings):
            left = allowance_finding(at, each.cap, unmeasured(each.cost), hours)
            findings += [left] if left else []
    return findings


def stack_estimate(outputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The estimate among a stack's outputs; None before the first `up` that made one."""
    found = outputs.get(OUTPUT)
    return found if isinstance(found, Mapping) else None
