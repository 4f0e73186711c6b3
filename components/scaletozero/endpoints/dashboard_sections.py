"""An endpoint's part of a dashboard, of any face. Pure."""

from __future__ import annotations

from decimal import Decimal

from model_packaging.findings import FindingsError
from scaletozero.endpoints.kinds import KINDS
from scaletozero.endpoints.month_panels import month_panels
from scaletozero.observability.panels import Section, Watched
from scaletozero.settings.dashboards import DashboardEndpoint
from scaletozero.spending.costs import MB_PER_GB
from scaletozero.spending.prices import SERVERLESS, price


def section(endpoint: DashboardEndpoint, seen: Watched, name: str) -> Section:
    """One endpoint's part of a dashboard.

    Args:
        endpoint: what is declared of it.
        seen: what its panels depend on.
        name: the endpoint's name at the service.
    """
    about = f"Endpoint `{name}`, {endpoint.kind.value}."
    if endpoint.memory_mb is not None and seen.usd_per_second is None:
        about += " What its requests cost is not shown: no price of its region is on record."
    dimensions = {"EndpointName": name, "VariantName": endpoint.variant}
    cap = endpoint.cap_usd_per_month
    panels = [*KINDS[endpoint.kind].panels(seen), *([] if cap is None else month_panels(cap))]
    return Section(endpoint.title or name, dimensions, tuple(panels), about)


def watched(endpoint: DashboardEndpoint, region: str) -> Watched:
    """What the panels of an endpoint in a region depend on."""
    return Watched(endpoint.alarms, endpoint.provisioned, _usd_per_second(endpoint.memory_mb, region))


def function_usd(memory_mb: int | None, region: str) -> Decimal | None:
    """What a second of a function costs, in USD; None where there is no price, or no memory is given."""
    return _usd_per_second(memory_mb, region, "lambda")


def _usd_per_second(memory_mb: int | None, region: str, service: str = SERVERLESS) -> Decimal | None:
    if memory_mb is None:
        return None
    try:
        return price(service, "gb-second", region).amount * memory_mb / MB_PER_GB
    except FindingsError:
        return None
